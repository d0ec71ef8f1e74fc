// A JSON value as a tree that folds open. Only the rows that are seen are drawn; what is different from the value before is marked.

import { Digits } from "./files.js";
import { List } from "./list.js";
import { mark, MARK_MS } from "./mark.js";

const ROW = 24;
const FEW = 16; // rows that open by themselves
const LOOK = 20000; // values that are compared to find out whether a closed branch has changed

const keysOf = new WeakMap();

function isBranch(value) {
	return typeof value === "object" && value !== null && !(value instanceof Digits);
}

function keys(value) {
	if (Array.isArray(value)) return value;
	let found = keysOf.get(value);
	if (!found) keysOf.set(value, (found = Object.keys(value)));
	return found;
}

function keyAt(value, i) {
	return Array.isArray(value) ? i : keys(value)[i];
}

function indexOf(value, key) {
	return Array.isArray(value) ? Number(key) : keys(value).indexOf(key);
}

/** Are they the same? Where it takes too long to know, yes. */
function same(a, b, budget) {
	if (a === b || budget.left-- <= 0) return true;
	if (!isBranch(a) || !isBranch(b)) return a instanceof Digits && b instanceof Digits && a.text === b.text;
	const names = keys(a);
	if (Array.isArray(a) !== Array.isArray(b) || names.length !== keys(b).length) return false;
	for (let i = 0; i < names.length && budget.left > 0; i++) {
		const key = keyAt(a, i);
		if (!Object.hasOwn(b, key) || !same(a[key], b[key], budget)) return false;
	}
	return true;
}

/** An open branch: `open` has those of its members that are open, too. */
class Branch {
	open = new Map();
}

/** How many rows the members of an open branch take. */
function rowsIn(value, branch) {
	let n = keys(value).length;
	for (const [key, inner] of branch.open) if (Object.hasOwn(value, key) && isBranch(value[key])) n += rowsIn(value[key], inner);
	return n;
}

/** The i-th row below an open branch. */
function rowAt(value, branch, i, level, path) {
	const opened = [...branch.open]
		.filter(([key]) => Object.hasOwn(value, key) && isBranch(value[key]))
		.map(([key, inner]) => [indexOf(value, key), inner])
		.sort((a, b) => a[0] - b[0]);
	let skipped = 0; // rows of open members before
	for (const [index, inner] of opened) {
		if (i - skipped <= index) break;
		const key = keyAt(value, index);
		const n = rowsIn(value[key], inner);
		if (i - skipped - index - 1 < n) return rowAt(value[key], inner, i - skipped - index - 1, level + 1, [...path, key]);
		skipped += n;
	}
	const index = i - skipped;
	const key = keyAt(value, index);
	return { parent: value, branch, key, index, size: keys(value).length, value: value[key], level, path: [...path, key] };
}

function short(value) {
	if (value instanceof Digits) return value.text;
	if (!isBranch(value)) return JSON.stringify(value);
	const n = keys(value).length;
	return Array.isArray(value) ? `[ ${n} ]` : `{ ${n} }`;
}

function kind(value) {
	return isBranch(value) ? "branch" : value === null ? "null" : value instanceof Digits ? "number" : typeof value;
}

export class Tree {
	constructor(box, label) {
		Object.assign(this, { box, label, root: new Branch(), marks: new Map(), active: 0, hasValue: false });
		this.id = `tree-${label.replace(/\W/g, "-")}`;
		box.tabIndex = 0;
		box.setAttribute("role", "tree");
		box.setAttribute("aria-label", label);
		this.list = new List(box, ROW, (row, i) => this.draw(row, i));
		box.addEventListener("keydown", (e) => this.onKey(e));
		box.addEventListener("click", (e) => this.onClick(e));
	}

	get count() {
		return !this.hasValue ? 0 : isBranch(this.value) ? rowsIn(this.value, this.root) : 1;
	}

	row(i) {
		if (!isBranch(this.value)) return { key: null, index: 0, size: 1, value: this.value, level: 1, path: [] };
		return rowAt(this.value, this.root, i, 1, []);
	}

	/** Shows a value. `mark`: what is different from the one before is marked. */
	set(value, mark) {
		this.before = mark && this.hasValue ? this.value : undefined;
		const isFirst = !this.hasValue;
		this.value = value;
		this.hasValue = true;
		this.marks.clear();
		this.since = performance.now();
		if (isFirst && isBranch(value)) this.openSmall(value, this.root, 2);
		this.resize();
	}

	/** The first look shows a little more than the uppermost names. */
	openSmall(value, branch, depth) {
		for (let i = 0; i < keys(value).length && i < FEW && depth > 0; i++) {
			const key = keyAt(value, i);
			if (!isBranch(value[key]) || !keys(value[key]).length || this.count + keys(value[key]).length > FEW) continue;
			const inner = new Branch();
			branch.open.set(String(key), inner);
			this.openSmall(value[key], inner, depth - 1);
		}
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

	/** Did the value at the path change? Found out when it is seen, once. */
	isMarked(path, value) {
		if (this.before === undefined || performance.now() - this.since > MARK_MS) return false;
		const name = path.join("\n");
		if (!this.marks.has(name)) {
			let old = this.before;
			for (const key of path) old = isBranch(old) && Object.hasOwn(old, key) ? old[key] : undefined;
			this.marks.set(name, old === undefined || !same(old, value, { left: LOOK }));
		}
		return this.marks.get(name);
	}

	draw(el, i) {
		const row = this.row(i);
		const branch = isBranch(row.value) && keys(row.value).length > 0;
		const isOpen = branch && row.branch.open.has(String(row.key));
		el.className = i === this.active ? "row is-active" : "row";
		mark(el, this.isMarked(row.path, row.value) ? `${this.since} ${row.path.join("\n")}` : null, this.since);
		el.id = `${this.id}-${i}`;
		el.dataset.i = i;
		el.setAttribute("role", "treeitem");
		el.setAttribute("aria-level", row.level);
		el.setAttribute("aria-posinset", row.index + 1);
		el.setAttribute("aria-setsize", row.size);
		el.setAttribute("aria-selected", i === this.active);
		if (branch) el.setAttribute("aria-expanded", isOpen);
		else el.removeAttribute("aria-expanded");
		el.style.setProperty("--level", row.level - 1);
		const fold = document.createElement("span");
		fold.className = "fold";
		fold.textContent = branch ? (isOpen ? "▾" : "▸") : "";
		fold.setAttribute("aria-hidden", "true");
		const value = document.createElement("span");
		value.className = `value is-${kind(row.value)}`;
		value.textContent = short(row.value).slice(0, 500);
		if (row.key === null) return el.replaceChildren(fold, value);
		const key = document.createElement("span");
		key.className = Array.isArray(row.parent) ? "key is-index" : "key";
		key.textContent = row.key;
		el.replaceChildren(fold, key, value);
		if (i === this.active) this.box.setAttribute("aria-activedescendant", el.id);
	}

	toggle(i, open) {
		const row = this.row(i);
		const isOpen = row.branch?.open.has(String(row.key));
		if (!isBranch(row.value) || !row.branch || isOpen === open) return;
		if (isOpen) row.branch.open.delete(String(row.key));
		else row.branch.open.set(String(row.key), new Branch());
		this.before = undefined;
		this.resize();
	}

	move(i) {
		this.active = Math.max(0, Math.min(i, this.count - 1));
		this.list.reveal(this.active);
		this.list.update();
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
		const row = this.row(this.active);
		const isOpen = Boolean(row.branch?.open.has(String(row.key)) && isBranch(row.value));
		const page = Math.max(1, Math.floor(this.list.seen) - 1);
		const acts = {
			ArrowDown: () => this.move(this.active + 1),
			ArrowUp: () => this.move(this.active - 1),
			PageDown: () => this.move(this.active + page),
			PageUp: () => this.move(this.active - page),
			Home: () => this.move(0),
			End: () => this.move(this.count - 1),
			ArrowRight: () => (isOpen ? this.move(this.active + 1) : this.toggle(this.active, true)),
			ArrowLeft: () => (isOpen ? this.toggle(this.active, false) : this.move(this.parentOf(row))),
			Enter: () => this.toggle(this.active),
			" ": () => this.toggle(this.active),
		};
		if (!acts[e.key]) return;
		e.preventDefault();
		acts[e.key]();
	}

	parentOf(row) {
		let i = this.active;
		while (i > 0 && this.row(i).level >= row.level) i--;
		return i;
	}
}
