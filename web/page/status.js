// Status: three small plots, a few facts, and what was refused.

import { parseLines, read } from "./files.js";

const SAMPLES = 120;
const SVG = "http://www.w3.org/2000/svg";

function compact(n) {
	if (n < 10 && n % 1) return n.toFixed(1);
	return n < 10000 ? String(Math.round(n)) : new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(n);
}

class Plot {
	constructor(box, title, unit) {
		Object.assign(this, { title, unit, values: [] });
		const figure = box.appendChild(document.createElement("figure"));
		this.caption = figure.appendChild(document.createElement("figcaption"));
		this.svg = figure.appendChild(document.createElementNS(SVG, "svg"));
		this.svg.setAttribute("viewBox", `0 0 ${SAMPLES} 32`);
		this.svg.setAttribute("preserveAspectRatio", "none");
		this.svg.setAttribute("role", "img");
		this.area = this.svg.appendChild(document.createElementNS(SVG, "path"));
		this.line = this.svg.appendChild(document.createElementNS(SVG, "path"));
		this.area.setAttribute("class", "area");
		this.line.setAttribute("class", "line");
		this.add(0);
	}

	add(value) {
		this.values.push(value);
		if (this.values.length > SAMPLES) this.values.shift();
		const most = Math.max(1e-9, ...this.values);
		const from = SAMPLES - this.values.length;
		const points = this.values.map((v, i) => `${from + i},${(30 - (v / most) * 27).toFixed(1)}`);
		this.line.setAttribute("d", `M${points.join("L")}`);
		this.area.setAttribute("d", `M${from},32L${points.join("L")}L${SAMPLES - 1},32Z`);
		const name = document.createElement("span");
		name.textContent = this.title;
		const now = document.createElement("strong");
		now.textContent = `${compact(value)} ${this.unit}`;
		this.caption.replaceChildren(name, now);
		this.svg.setAttribute("aria-label", `${this.title}: ${compact(value)} ${this.unit} now, ${compact(most)} at most`);
	}
}

export class Status {
	constructor(plots, facts) {
		this.facts = facts;
		this.rate = new Plot(plots, "Events", "/s");
		this.latency = new Plot(plots, "Latency", "ms");
		this.lag = new Plot(plots, "Lag", "events");
		setInterval(() => this.sample(), 1000);
	}

	set(status) {
		this.status = status;
		const { log } = status;
		const facts = {
			events: log.events.toLocaleString(),
			log: `${(log.offset / 1e6).toFixed(log.offset < 1e8 ? 2 : 0)} MB`,
			archived: `${log.frames} frames`,
			"events a write": log.events_per_commit,
			sync: status.options.sync,
			recovered: status.recovered,
			version: status.version,
			"process id": status.pid,
		};
		if (log.read_only) facts["read-only"] = log.why;
		this.facts.replaceChildren(
			...Object.entries(facts).map(([name, value]) => {
				const row = document.createElement("div");
				row.append(Object.assign(document.createElement("dt"), { textContent: name }), Object.assign(document.createElement("dd"), { textContent: value }));
				return row;
			}),
		);
	}

	async sample() {
		if (!this.status || document.hidden) return;
		const now = performance.now();
		const { log, views } = this.status;
		if (this.before) this.rate.add(Math.max(0, (log.events - this.before.events) / ((now - this.before.now) / 1000)));
		this.before = { events: log.events, now };
		this.lag.add(Math.max(0, ...Object.values(views).filter((v) => !v.broken).map((v) => log.events - v.events)));
		try {
			await read("head/app");
			this.latency.add(performance.now() - now);
		} catch {
			// It is away: nothing to measure.
		}
	}
}

export class Refused {
	constructor(list, count) {
		Object.assign(this, { list, count, known: -1 });
	}

	async set(n) {
		if (n === this.known) return;
		this.known = n;
		this.count.textContent = n ? n.toLocaleString() : "";
		if (!n) return this.list.replaceChildren(Object.assign(document.createElement("li"), { className: "none", textContent: "Nothing was refused since the mount." }));
		try {
			const text = await read("rejected.jsonl");
			this.list.replaceChildren(...parseLines(text).slice(-50).reverse().map((r) => this.item(r)));
		} catch {
			this.known = -1;
		}
	}

	item(r) {
		const li = document.createElement("li");
		const reason = Object.assign(document.createElement("strong"), { textContent: r.reason });
		const place = Object.assign(document.createElement("span"), {
			className: "aside",
			textContent: `${r.error}${r.column ? `, column ${r.column}` : ""} · ${new Date(r.time * 1000).toLocaleTimeString()}`,
		});
		const line = Object.assign(document.createElement("code"), { textContent: r.line.slice(0, 300) || "(empty)" });
		li.append(reason, place, line);
		return li;
	}
}
