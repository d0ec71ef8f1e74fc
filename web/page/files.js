// The mount's files, by HTTP.

/** What the server refuses: a problem with `title`, `detail`, `status`. */
export class Problem extends Error {
	constructor(status, problem) {
		super(problem.detail || problem.title || `HTTP ${status}`);
		Object.assign(this, { status, problem });
	}
}

async function problemOf(response) {
	try {
		return new Problem(response.status, await response.json());
	} catch {
		return new Problem(response.status, { title: response.statusText });
	}
}

/** A whole file. */
export async function read(name) {
	const response = await fetch(`/files/${name}`, { cache: "no-store" });
	if (!response.ok) throw await problemOf(response);
	return response.text();
}

/** Rows of a file of JSON, as src/web/outline.h has them. A signal ends it. */
export async function readRows(name, query, signal) {
	const response = await fetch(`/files/${name}?${query}`, { signal, cache: "no-store" });
	if (!response.ok) throw await problemOf(response);
	return response.json();
}

/** The bytes [from, to) of a file, as text. */
export async function readPart(name, from, to) {
	if (from >= to) return "";
	const response = await fetch(`/files/${name}`, { headers: { Range: `bytes=${from}-${to - 1}` }, cache: "no-store" });
	if (response.status !== 206) throw await problemOf(response);
	return response.text();
}

/** A file's length. */
export async function sizeOf(name) {
	const response = await fetch(`/files/${name}`, { method: "HEAD", cache: "no-store" });
	if (!response.ok) throw new Problem(response.status, { title: response.statusText });
	return Number(response.headers.get("Content-Length"));
}

/** Appends lines; with `head` ("OFFSET:HASH") only if the log's head is still there. */
export async function append(lines, head) {
	const headers = { "Content-Type": "application/x-ndjson" };
	if (head) headers["If-Match"] = `"${head}"`;
	const response = await fetch("/files/events/app", { method: "POST", headers, body: lines });
	if (!response.ok) throw await problemOf(response);
	return response.json();
}

/**
 * JSON as it stands in the file: a whole number that JavaScript would round is kept by its digits.
 */
export class Digits {
	constructor(text) {
		this.text = text;
	}

	toJSON() {
		return JSON.rawJSON(this.text);
	}

	toString() {
		return this.text;
	}
}

export function parse(text) {
	if (!/\d{16}/.test(text)) return JSON.parse(text);
	return JSON.parse(text, (_, value, context) => {
		const source = context && context.source;
		return typeof value === "number" && source && /^-?\d{16,}$/.test(source) && String(value) !== source ? new Digits(source) : value;
	});
}

/** Lines of JSON as an array; what is none is left out. */
export function parseLines(text) {
	return text.split("\n").flatMap((line) => {
		try {
			return line ? [parse(line)] : [];
		} catch {
			return [];
		}
	});
}
