// The whole application. State comes from the mount's view `todo`, which the reducer todo.jq keeps; each change is an event that is
// appended to the log. There is nothing in between.

const byId = (id) => document.getElementById(id);
const list = byId("items");
const files = "/files/";
let items = {}; // as the view has them
let filter = filterOfAddress();

// --- the mount ---

async function ask(name, options) {
	const response = await fetch(files + name, { cache: "no-store", ...options });
	if (response.ok) return response.text();
	const problem = await response.json().catch(() => ({ detail: response.statusText }));
	throw Object.assign(new Error(problem.detail), { status: response.status });
}

const get = (name, headers) => ask(name, { headers });

async function append(type, data, head) {
	const headers = head ? { "If-Match": `"${head}"` } : {};
	await ask("events/app", { method: "POST", headers, body: `${JSON.stringify({ type, data })}\n` });
	say("deed", "");
}

// --- what is followed: only while somebody looks, since a browser allows only six connections to a server ---

const LOOK_MS = 2000;
let source = null;
let nextLook = null;

/** The state, now and whenever it has changed, whoever changed it. */
function follow() {
	source?.close();
	source = new EventSource(`${files}tail/todo.json`);
	source.addEventListener("message", (e) => {
		items = JSON.parse(e.data)?.items ?? {};
		say("view", "");
		say("deed", "");
		draw();
	});
	source.addEventListener("broken", (e) => say("view", `The view todo is broken: ${e.data}`));
	source.addEventListener("open", look);
	source.addEventListener("error", look);
}

/** The stream goes on by itself and does not say why it is silent: so that is asked. */
async function look() {
	const why = await get("views/todo.offset").then(() => "", whyNot);
	clearTimeout(nextLook);
	if (!source) return;
	say("link", why);
	// A refusal is final for the browser, not for us.
	if (!why && source.readyState === EventSource.CLOSED) follow();
	nextLook = setTimeout(look, LOOK_MS);
}

function whyNot({ status, message }) {
	if (!status) return "The server does not answer; this page goes on when it does.";
	if (status === 503) return "The mount has gone away; this page goes on when it is back.";
	return status === 404 ? "There is no view todo. Enable it: cp web/todo/todo.jq MNT/reducers/" : message;
}

function wake() {
	if (source || document.hidden) return;
	follow();
	look();
}

function sleep() {
	clearTimeout(nextLook);
	source?.close();
	source = null;
}

/** What went wrong may be of the mount: then that is to be seen. */
function failed(error) {
	say("deed", error.message);
	look();
}

const change = (type, data) => append(type, data).catch(failed);

// --- undo: what an event did is the difference between the past before it and the past behind it ---

const BACK = 64 << 10; // bytes of the log that are looked at first; then four times as many, and so on
const BACK_MOST = 16 << 20;
const PASTS_MOST = 100; // events that turn out to have changed nothing
const CHANGES = ["todo_added", "todo_ticked", "todo_renamed", "todo_removed"];

class TooFar extends Error {
	message = "What could be undone is too far back in the log.";
}

/** A line of a log that was damaged is none: null. */
function eventOf(line) {
	try {
		return JSON.parse(line);
	} catch {
		return null;
	}
}

/** The events of the log with their numbers, the last one first. */
async function* eventsBack(log) {
	let n = log.events;
	for (let size = BACK; n > 0; size *= 4) {
		if (size > BACK_MOST) throw new TooFar();
		const from = Math.max(0, log.offset - size);
		const lines = (await get("events/app", { Range: `bytes=${from}-${log.offset - 1}` })).split("\n").slice(from ? 1 : 0, -1);
		const known = log.events - n; // by the step before
		for (const line of lines.slice(0, lines.length - known).reverse()) yield [n--, eventOf(line)];
		if (!from) return;
	}
}

async function itemsAt(n) {
	return new Map(Object.entries(JSON.parse(await get(`at/${n}/todo.json`))?.items ?? {}));
}

/** What event n has changed, as it was before: {ID: an item, or null}. */
async function changedBy(n) {
	const [before, behind] = await Promise.all([itemsAt(n - 1), itemsAt(n)]);
	const changed = [...new Map([...before, ...behind]).keys()].filter((id) => JSON.stringify(before.get(id)) !== JSON.stringify(behind.get(id)));
	return Object.fromEntries(changed.map((id) => [id, before.get(id) ?? null]));
}

/** Undoes the last event that changed something here and is not undone yet. */
async function undo() {
	const { log } = JSON.parse(await get("status.json"));
	const undone = new Set();
	let pasts = 0;
	for await (const [n, event] of eventsBack(log)) {
		if (event?.type === "todo_restored") undone.add(event.data?.undoes);
		if (!CHANGES.includes(event?.type) || undone.has(n)) continue;
		if (++pasts > PASTS_MOST) throw new TooFar();
		const items = await changedBy(n);
		if (Object.keys(items).length === 0) continue;
		// Only if nobody has done anything meanwhile: then it has to be looked at once more.
		return append("todo_restored", { items, undoes: n }, `${log.offset}:${log.hash}`);
	}
	say("deed", "There is nothing left to undo.");
}

async function undoUntilDone() {
	byId("undo").disabled = true;
	try {
		for (let tries = 0; ; tries++) {
			try {
				await undo();
				break;
			} catch (error) {
				if (error.status !== 412 || tries === 10) throw error;
			}
		}
	} catch (error) {
		failed(error);
	}
	byId("undo").disabled = false;
}

// --- the page ---

const said = { link: "", view: "", deed: "" }; // of the mount, of its view, and of what was done here last

/** The first of them is seen. What was done in vain while the mount was away need not be said when it is back. */
function say(about, text) {
	if (about === "link" && said.link && !text) said.deed = "";
	said[about] = text;
	const shown = said.link || said.view || said.deed;
	const problem = byId("problem");
	if (problem.textContent !== shown) problem.textContent = shown; // or it would be read out again
	problem.hidden = !shown;
}

function button(name, label, text) {
	return Object.assign(document.createElement("button"), { type: "button", className: name, ariaLabel: label, title: label, textContent: text });
}

function makeRow(id) {
	const li = document.createElement("li");
	li.dataset.id = id;
	const tick = Object.assign(document.createElement("input"), { type: "checkbox", id: `tick-${id}` });
	const text = document.createElement("label");
	text.htmlFor = tick.id;
	const rename = button("rename", "", "✎");
	const remove = button("remove", "", "×");
	li.append(tick, text, rename, remove);
	tick.addEventListener("change", () => change("todo_ticked", { id, done: tick.checked }));
	rename.addEventListener("click", () => edit(li, id));
	text.addEventListener("dblclick", () => edit(li, id));
	remove.addEventListener("click", () => {
		(li.nextElementSibling ?? li.previousElementSibling)?.querySelector(".remove").focus();
		change("todo_removed", { id });
	});
	return li;
}

function edit(li, id) {
	const before = items[id].text;
	const input = Object.assign(document.createElement("input"), { className: "edit", value: before, maxLength: 500, ariaLabel: "New text" });
	li.classList.add("is-edited");
	li.append(input);
	input.focus();
	let isOver = false; // what is removed loses the focus, too
	const end = (keep) => {
		if (isOver) return;
		isOver = true;
		const text = input.value.trim();
		input.remove();
		li.classList.remove("is-edited");
		li.querySelector(".rename").focus();
		if (keep && text && text !== before) change("todo_renamed", { id, text });
	};
	input.addEventListener("keydown", (e) => {
		if (e.key !== "Enter" && e.key !== "Escape") return;
		e.preventDefault(); // the key would go on to the button that has the focus next
		end(e.key === "Enter");
	});
	input.addEventListener("blur", () => end(true));
}

function drawRow(li, item) {
	const [tick, text, rename, remove] = li.children;
	tick.checked = item.done;
	text.textContent = item.text;
	li.classList.toggle("is-done", item.done);
	rename.ariaLabel = rename.title = `Change “${item.text}”`;
	remove.ariaLabel = remove.title = `Remove “${item.text}”`;
}

/** Rows stay the same elements, so that who is in one by keyboard stays there. */
function draw() {
	const all = Object.entries(items).sort(([a, x], [b, y]) => x.at - y.at || (a < b ? -1 : 1));
	const shown = all.filter(([, item]) => filter === "all" || item.done === (filter === "done"));
	const rows = new Map([...list.children].map((li) => [li.dataset.id, li]));
	for (const [id, li] of rows) if (!shown.some(([other]) => other === id)) li.remove();
	shown.forEach(([id, item], i) => {
		const li = rows.get(id) ?? makeRow(id);
		drawRow(li, item);
		if (list.children[i] !== li) list.insertBefore(li, list.children[i] ?? null);
	});
	const left = all.filter(([, item]) => !item.done).length;
	byId("left").textContent = left === 1 ? "1 thing left" : `${left} things left`;
	byId("empty").hidden = shown.length > 0;
	byId("empty").textContent = all.length ? "Nothing of this kind." : "Nothing to do. Add something.";
	byId("undo").disabled = false;
	for (const b of document.querySelectorAll("[data-filter]")) b.setAttribute("aria-pressed", b.dataset.filter === filter);
}

/** What the address does not say right is all. */
function filterOfAddress() {
	const name = location.hash.slice(1);
	return ["open", "done"].includes(name) ? name : "all";
}

/** In the order of their making, and never the same twice. */
const newId = () => `${Date.now()}-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;

byId("add").addEventListener("submit", (e) => {
	e.preventDefault();
	const field = byId("text");
	const text = field.value.trim();
	if (!text) return;
	field.value = "";
	append("todo_added", { id: newId(), text }).catch((error) => {
		field.value ||= text;
		failed(error);
	});
});
byId("undo").addEventListener("click", undoUntilDone);
for (const b of document.querySelectorAll("[data-filter]")) {
	b.addEventListener("click", () => {
		filter = b.dataset.filter;
		history.replaceState(null, "", `#${filter}`);
		draw();
	});
}
addEventListener("hashchange", () => {
	filter = filterOfAddress();
	draw();
});
document.addEventListener("visibilitychange", () => (document.hidden ? sleep() : wake()));
addEventListener("pagehide", sleep);
addEventListener("pageshow", wake);
wake();
