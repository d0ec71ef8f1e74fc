// A state as a tree that folds open. Of a large one the page has only the rows that are seen, and some around them: they are asked for as it is
// scrolled and folded. What is different from before is marked.

import { List } from "./list.js";
import { mark, MARK_MS } from "./mark.js";

const ROW = 24;
const FEW = 16; // rows that open by themselves
const AROUND = 40; // rows that are asked for on either side of what is seen
const DEEP = 100; // names of a path that can be folded open, and
const ADDRESS = 12000; // characters of all of them in an address

function isBranch(row) {
	return row.type !== undefined && row.size > 0;
}

function short(row) {
	if (row.type === "array") return `[ ${row.size} ]`;
	return row.type === "object" ? `{ ${row.size} }` : row.value;
}

function kind(row) {
	if (row.type) return "branch";
	const names = { '"': "string", n: "null", t: "boolean", f: "boolean" };
	return names[row.value[0]] ?? "number";
}

export class Tree {
	/** `onWant()`: rows are wanted that are not there; what `query` says is to be read and given to set(), or failed() called. */
	constructor(box, label, onWant) {
		Object.assign(this, { box, label, onWant, part: null, open: new Set(), marks: new Map(), active: 0, keys: [], unfolds: 2 });
		this.id = `tree-${label.replace(/\W/g, "-")}`;
		box.tabIndex = 0;
		box.setAttribute("role", "tree");
		box.setAttribute("aria-label", label);
		this.list = new List(box, ROW, (row, i) => this.draw(row, i));
		box.addEventListener("keydown", (e) => this.onKey(e));
		box.addEventListener("click", (e) => this.onClick(e));
	}

	/** What is to be asked for, as the part of an address. */
	get query() {
		const from = Math.max(0, Math.floor(this.list.top) - AROUND);
		return `from=${from}&rows=${Math.ceil(this.list.seen) + FEW + 2 * AROUND}&open=${this.openForAddress}`;
	}

	get openForAddress() {
		return encodeURIComponent(`[${[...this.open].join(",")}]`);
	}

	get count() {
		return this.part?.count ?? 0;
	}

	/** The i-th row, if it is there. */
	row(i) {
		return this.part?.rows[i - this.part.from];
	}

	/** The answer to a query. */
	set(part, query) {
		for (const row of part.rows) {
			row.of = part.parents[row.parent];
			row.path = row.key === undefined ? [] : [...row.of.path, row.key].map(String);
			row.name = JSON.stringify(row.path);
		}
		if (this.part) this.compare(part, query === this.asked);
		const name = this.row(this.active)?.name;
		const at = part.rows.findIndex((row) => row.name === name);
		if (at >= 0) this.active = part.from + at; // rows before it have come or gone
		this.part = part;
		this.asked = query;
		this.isWaiting = false;
		this.resize();
		this.unfold();
		this.pressed();
	}

	/** There is no answer now. */
	failed() {
		this.isWaiting = false;
		this.keys = [];
	}

	want() {
		this.isWaiting = true;
		this.onWant();
	}

	/**
	 * Marks what has another value than in the part before. If that was asked for with the same words, what was not in it, but lies between
	 * rows that were, is new.
	 */
	compare(part, isSame) {
		const old = this.part;
		const before = new Map(old.rows.map((row) => [row.name, row.hash]));
		const known = part.rows.map((row) => before.has(row.name));
		const first = old.from === 0 ? -1 : known.includes(true) ? known.indexOf(true) : Infinity;
		const last = old.from + old.rows.length >= old.count ? Infinity : known.lastIndexOf(true);
		const now = performance.now();
		const marks = new Map();
		part.rows.forEach((row, i) => {
			const since = this.marks.get(row.name);
			if (known[i] ? before.get(row.name) !== row.hash : isSame && i > first && i < last) marks.set(row.name, now);
			else if (now - since < MARK_MS) marks.set(row.name, since);
		});
		this.marks = marks;
	}

	/** The first look shows a little more than the uppermost names. */
	unfold() {
		if (!this.unfolds) return;
		let count = this.count;
		this.unfolds--;
		for (const row of this.part.rows.slice(0, FEW)) {
			if (!isBranch(row) || row.open || row.cut || count + row.size > FEW) continue;
			count += row.size;
			this.open.add(row.name);
		}
		if (count > this.count) this.want();
		else this.unfolds = 0;
	}

	resize() {
		const n = this.count;
		this.active = Math.max(0, Math.min(this.active, n - 1));
		this.box.style.setProperty("--rows", Math.max(1, Math.min(n, 14)));
		this.box.classList.toggle("is-empty", n === 0);
		// A tree without items is none.
		this.box.setAttribute("role", n ? "tree" : "group");
		this.list.setCount(n);
	}

	draw(el, i) {
		const row = this.row(i);
		el.className = i === this.active ? "row is-active" : "row";
		el.id = `${this.id}-${i}`;
		el.dataset.i = i;
		el.setAttribute("role", "treeitem");
		el.setAttribute("aria-selected", i === this.active);
		if (i === this.active) this.box.setAttribute("aria-activedescendant", el.id);
		if (!row) return this.drawLater(el);
		const since = this.marks.get(row.name);
		mark(el, performance.now() - since < MARK_MS ? `${since} ${row.name}` : null, since);
		el.setAttribute("aria-level", row.of.level);
		el.setAttribute("aria-posinset", row.index + 1);
		el.setAttribute("aria-setsize", row.of.size);
		if (isBranch(row)) el.setAttribute("aria-expanded", Boolean(row.open));
		else el.removeAttribute("aria-expanded");
		el.style.setProperty("--level", row.of.level - 1);
		const fold = document.createElement("span");
		fold.className = "fold";
		fold.textContent = isBranch(row) ? (row.open ? "▾" : "▸") : "";
		fold.setAttribute("aria-hidden", "true");
		const value = document.createElement("span");
		value.className = `value is-${kind(row)}`;
		value.textContent = short(row);
		if (row.key === undefined) return el.replaceChildren(fold, value);
		const key = document.createElement("span");
		key.className = typeof row.key === "number" ? "key is-index" : "key";
		key.textContent = row.key;
		el.replaceChildren(fold, key, value);
	}

	/** A row that is not there yet. */
	drawLater(el) {
		mark(el, null);
		for (const name of ["aria-level", "aria-posinset", "aria-setsize", "aria-expanded"]) el.removeAttribute(name);
		el.textContent = "…";
		this.want();
	}

	toggle(i, open) {
		const row = this.row(i);
		if (!row || !isBranch(row) || row.cut || Boolean(row.open) === open) return;
		if (row.open) {
			// And what is open within.
			const within = `${row.name.slice(0, -1)},`;
			for (const name of this.open) if (name === row.name || name.startsWith(within)) this.open.delete(name);
		} else if (row.path.length < DEEP) {
			this.open.add(row.name);
			for (const name of this.open) if (this.openForAddress.length > ADDRESS) this.open.delete(name);
		}
		this.unfolds = 0;
		this.want();
	}

	move(i) {
		this.active = Math.max(0, Math.min(i, this.count - 1));
		this.list.reveal(this.active);
		this.list.update();
		if (!this.row(this.active)) this.want();
	}

	onClick(e) {
		const el = e.target.closest(".row");
		if (!el) return;
		this.active = Number(el.dataset.i);
		this.toggle(this.active);
		this.list.update();
	}

	onKey(e) {
		if (!this.count || e.ctrlKey || e.altKey || e.metaKey) return;
		const page = Math.max(1, Math.floor(this.list.seen) - 1);
		const acts = {
			ArrowDown: () => this.move(this.active + 1),
			ArrowUp: () => this.move(this.active - 1),
			PageDown: () => this.move(this.active + page),
			PageUp: () => this.move(this.active - page),
			Home: () => this.move(0),
			End: () => this.move(this.count - 1),
			ArrowRight: () => (this.row(this.active).open ? this.move(this.active + 1) : this.toggle(this.active, true)),
			ArrowLeft: () => (this.row(this.active).open ? this.toggle(this.active, false) : this.moveOut()),
			Enter: () => this.toggle(this.active),
			" ": () => this.toggle(this.active),
		};
		if (!acts[e.key]) return;
		e.preventDefault();
		this.keys.push(acts[e.key]);
		this.pressed();
	}

	/** One key after the other: each acts on the rows that the one before has brought. */
	pressed() {
		while (this.keys.length && !this.isWaiting && this.row(this.active)) this.keys.shift()();
	}

	moveOut() {
		const { parent } = this.row(this.active);
		if (parent >= 0) this.move(parent);
	}
}
