// The views: a card with a tree for each, read only while it is open and seen.

import { readRows } from "./files.js";
import { Tree } from "./tree.js";

const REST_MS = 80; // between two readings of a view, and twice what one takes
const LONG_MS = 600; // a place in the past that takes longer is given up for the one that is wanted now

function bytes(n) {
	if (n < 1000) return `${n} B`;
	return n < 1e6 ? `${(n / 1e3).toFixed(1)} kB` : `${(n / 1e6).toFixed(1)} MB`;
}

class Card {
	constructor(name, place) {
		Object.assign(this, { name, place, isStale: true, isSeen: true });
		this.el = document.createElement("details");
		this.el.className = "panel view";
		this.el.open = true;
		this.el.innerHTML = '<summary><h3></h3><span class="aside"></span></summary><p class="broken" role="status" hidden></p><div class="list tree"></div>';
		this.el.querySelector("h3").textContent = name;
		this.aside = this.el.querySelector(".aside");
		this.broken = this.el.querySelector(".broken");
		this.tree = new Tree(this.el.querySelector(".tree"), `State of ${name}`, () => this.now());
		this.el.addEventListener("toggle", () => this.refresh());
		this.observer = new IntersectionObserver(([entry]) => {
			this.isSeen = entry.isIntersecting;
			this.refresh();
		});
		this.observer.observe(this.el);
	}

	remove() {
		this.observer.disconnect();
		this.el.remove();
	}

	get path() {
		return this.place.isLive ? `views/${this.name}.json` : `at/${this.place.at}/${this.name}.json`;
	}

	stale() {
		this.isStale = true;
		this.refresh();
	}

	/** It is read without a rest: somebody waits for it. */
	now() {
		this.isWanted = true;
		this.stale();
		this.endRest?.();
	}

	/** Another place in time. What is on its way is seen, too, if it does not take long: so a slider that is dragged shows what it passes. */
	moved() {
		if (this.isReading) this.giveUp ??= setTimeout(() => this.reading.abort(), LONG_MS - (performance.now() - this.since));
		this.now();
	}

	/** Reads it if there is need; once more afterwards, if there was meanwhile. */
	async refresh() {
		if (this.isBusy || !this.isStale || !this.isSeen || !this.el.open) return;
		this.isBusy = this.isReading = true;
		this.isStale = this.isWanted = false;
		this.since = performance.now();
		this.reading = new AbortController();
		await this.readNow(this.path, this.reading.signal);
		this.isReading = false;
		clearTimeout(this.giveUp);
		this.giveUp = null;
		if (this.isStale && !this.isWanted && this.place.isLive) await this.rest(Math.max(REST_MS, 2 * (performance.now() - this.since)));
		this.isBusy = false;
		this.refresh();
	}

	/** now() ends it. */
	async rest(ms) {
		await new Promise((end) => {
			this.endRest = end;
			setTimeout(end, ms);
		});
		this.endRest = null;
	}

	async readNow(path, signal) {
		const { query } = this.tree;
		try {
			this.show(await readRows(path, query, signal), query);
		} catch (error) {
			this.tree.failed();
			if (error.status === 503 || !error.status) return; // the mount is gone, or it was given up: what was seen last stays
			this.broken.textContent = error.message;
			this.broken.hidden = false;
			this.el.classList.add("is-broken");
		}
	}

	show(part, query) {
		this.broken.hidden = true;
		this.el.classList.remove("is-broken");
		this.el.dataset.length = part.length;
		this.tree.set(part, query);
	}

	setStatus(s, events) {
		const lag = events - s.events;
		const facts = [s.kind === "c" ? "C" : "jq"];
		if (this.el.dataset.length) facts.push(bytes(Number(this.el.dataset.length)));
		if (s.rebuilding) facts.push(`folding ${Math.round(s.progress * 100)} %`);
		else if (lag > 0) facts.push(`${lag} behind`);
		if (s.missing) facts.push(`${s.missing} missing`);
		this.aside.textContent = facts.join(" · ");
		if (s.broken !== this.wasBroken || s.kind !== this.kind) {
			this.wasBroken = s.broken;
			this.kind = s.kind;
			this.stale();
		}
	}
}

export class Views {
	constructor(box) {
		Object.assign(this, { box, cards: new Map(), place: { isLive: true, at: 0 } });
	}

	/** Which views there are, and how they are. */
	setStatus(views, events) {
		const names = Object.keys(views).sort();
		for (const [name, card] of this.cards) {
			if (names.includes(name)) continue;
			card.remove();
			this.cards.delete(name);
		}
		names.forEach((name, i) => {
			if (!this.cards.has(name)) {
				this.cards.set(name, new Card(name, this.place));
				this.box.insertBefore(this.cards.get(name).el, this.box.children[i] ?? null);
			}
			this.cards.get(name).setStatus(views[name], events);
		});
		this.box.classList.toggle("is-empty", names.length === 0);
	}

	changed(names) {
		for (const name of names) this.cards.get(name)?.stale();
	}

	setPlace(isLive, at) {
		const moved = this.place.isLive !== isLive || (!isLive && this.place.at !== at);
		Object.assign(this.place, { isLive, at });
		if (moved) for (const card of this.cards.values()) card.moved();
	}

	allChanged() {
		for (const card of this.cards.values()) card.stale();
	}
}
