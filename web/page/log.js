// The panel with the log: its rows by number, newest last. A row that is chosen is the place in time.

import { Events } from "./events.js";
import { List } from "./list.js";
import { mark, MARK_MS } from "./mark.js";

const ROW = 30;

function timeOf(ts) {
	const date = new Date(Number(ts) * 1000);
	return Number.isNaN(date.getTime()) ? String(ts) : date.toLocaleTimeString([], { timeStyle: "medium", hourCycle: "h23" });
}

/** The same name always has the same colour. */
function hueOf(text) {
	let h = 7;
	for (const c of String(text)) h = Math.imul(h ^ c.codePointAt(0), 0x9e3779b1) >>> 0;
	return (h >>> 8) % 360;
}

function span(name, text) {
	const el = document.createElement("span");
	el.className = name;
	el.textContent = text;
	return el;
}

export class Log {
	/** `onChoose(n)`: somebody wants to see the state after n events. */
	constructor(box, onChoose) {
		Object.assign(this, { box, onChoose, place: null, newest: 0, newestAt: 0 });
		box.tabIndex = 0;
		box.setAttribute("aria-label", "Events");
		this.list = new List(box, ROW, (row, i) => this.draw(row, i), true);
		this.events = new Events(() => {
			this.list.update();
			this.onLoad?.();
		});
		box.addEventListener("click", (e) => {
			const row = e.target.closest(".row");
			if (row) this.onChoose(Number(row.dataset.i) + 1);
		});
		box.addEventListener("keydown", (e) => this.onKey(e));
	}

	/** The log as it is now, and the place in it: events shown, and whether that is the end. */
	set(count, offset, place, isLive) {
		if (this.events.count && count > this.events.count && isLive) {
			this.newest = this.events.count;
			this.newestAt = performance.now();
		}
		this.events.setEnd(count, offset);
		const moved = place !== this.place;
		this.place = place;
		this.box.setAttribute("role", place ? "listbox" : "group");
		this.list.setCount(place);
		if (moved && !isLive) this.list.reveal(place - 1);
		this.list.update();
	}

	toEnd() {
		this.list.scrollTo(this.list.last);
	}

	draw(el, i) {
		const event = this.events.get(i);
		const isNew = i >= this.newest && this.newestAt > 0 && performance.now() - this.newestAt < MARK_MS;
		const isPlace = i + 1 === this.place;
		el.className = isPlace ? "row is-active" : "row";
		mark(el, isNew ? `${this.newestAt} ${i}` : null, this.newestAt);
		el.id = `event-${i + 1}`;
		el.dataset.i = i;
		el.setAttribute("role", "option");
		el.setAttribute("aria-selected", isPlace);
		el.setAttribute("aria-posinset", i + 1);
		el.setAttribute("aria-setsize", this.place);
		if (isPlace) this.box.setAttribute("aria-activedescendant", el.id);
		if (el.drawn === i && el.event === event) return;
		el.drawn = i;
		el.event = event;
		if (!event) return el.replaceChildren(span("number", String(i + 1)), span("data", "…"));
		const { value, line } = event;
		if (!value) return el.replaceChildren(span("number", String(i + 1)), span("data", line));
		const type = span("type", value.type);
		type.style.setProperty("--hue", hueOf(value.type));
		el.title = line.slice(0, 2000);
		el.replaceChildren(
			span("number", String(i + 1)),
			span("time", timeOf(value.ts)),
			type,
			span("data", value.data === null ? "" : JSON.stringify(value.data).slice(0, 400)),
			span("actor", value.actor ?? ""),
		);
	}

	/** When the event before the place happened, as far as it is known. */
	timeOfPlace() {
		const event = this.place ? this.events.get(this.place - 1) : null;
		const ts = event?.value?.ts;
		const date = new Date(Number(ts) * 1000);
		return event && !Number.isNaN(date.getTime()) ? date.toLocaleString() : "";
	}

	onKey(e) {
		const page = Math.max(1, Math.floor(this.list.seen) - 1);
		const to = {
			ArrowUp: this.place - 1,
			ArrowDown: this.place + 1,
			PageUp: this.place - page,
			PageDown: this.place + page,
			Home: 1,
			End: Infinity,
		}[e.key];
		if (to === undefined || e.ctrlKey || e.altKey || e.metaKey) return;
		e.preventDefault();
		this.onChoose(Math.max(1, to));
	}
}
