// The log by events' numbers. at/N/app is as long as the first N events, so its size says where the next one begins; blocks of events are
// read from there, and few of them kept.

import { parse, readPart, sizeOf } from "./files.js";

const BLOCK = 64; // events
const KEPT = 48; // blocks
const LARGEST = 1 << 20; // bytes of a block that are read in one go
const SHOWN = 4096; // bytes of an event in a block that is larger

function eventOf(line) {
	try {
		return { line, value: parse(line) };
	} catch {
		return { line, value: null };
	}
}

export class Events {
	/** `onLoad()` is called when events that were asked for are there. */
	constructor(onLoad) {
		Object.assign(this, { onLoad, blocks: new Map(), count: 0, offset: 0, busy: new Set(), wanted: [] });
	}

	/** The log's length, in events and bytes. A shorter one than before is another log. */
	setEnd(count, offset) {
		if (count < this.count) this.blocks.clear();
		this.count = count;
		this.offset = offset;
	}

	/** The i-th event, { line, value }, or undefined: not there yet. */
	get(i) {
		const b = Math.floor(i / BLOCK);
		const block = this.blocks.get(b);
		if (block) {
			this.blocks.delete(b);
			this.blocks.set(b, block);
		}
		const event = block && block.events[i - b * BLOCK];
		if (!event) this.want(b);
		return event;
	}

	want(b) {
		// What was asked for last is what is looked at now.
		this.wanted = this.wanted.filter((other) => other !== b).slice(-3);
		this.wanted.push(b);
		this.work();
	}

	async work() {
		if (this.busy.size >= 2) return;
		const b = this.wanted.findLast((other) => !this.busy.has(other));
		if (b === undefined) return;
		this.wanted = this.wanted.filter((other) => other !== b);
		this.busy.add(b);
		try {
			await this.load(b);
			this.onLoad();
		} catch {
			// The mount is gone for now: what is seen is asked for again when it is back.
		}
		this.busy.delete(b);
		this.work();
	}

	async offsetBehind(n) {
		const before = this.blocks.get(n / BLOCK - 1);
		if (n === 0) return 0;
		if (before && before.events.length === BLOCK) return before.end;
		return n >= this.count ? this.offset : sizeOf(`at/${n}/app`);
	}

	async load(b) {
		const count = this.count;
		const to = Math.min((b + 1) * BLOCK, count);
		const offset = this.offset;
		const old = this.blocks.get(b);
		const block = old ? { ...old, events: [...old.events] } : { events: [], end: await this.offsetBehind(b * BLOCK) };
		const end = to === count ? offset : await this.offsetBehind(to);
		if (end - block.end > LARGEST) {
			await this.loadLarge(block, b * BLOCK, to, end);
		} else {
			const text = await readPart("events/app", block.end, end);
			block.events.push(...text.split("\n").slice(0, -1).map(eventOf));
		}
		block.end = end;
		this.blocks.delete(b);
		this.blocks.set(b, block);
		if (this.blocks.size > KEPT) this.blocks.delete(this.blocks.keys().next().value);
	}

	/** Only the beginning of each event. */
	async loadLarge(block, first, to, end) {
		let from = block.end;
		for (let n = first + block.events.length + 1; n <= to; n++) {
			const behind = n === to ? end : await sizeOf(`at/${n}/app`);
			const line = await readPart("events/app", from, Math.min(behind - 1, from + SHOWN));
			block.events.push(eventOf(line));
			from = behind;
		}
	}
}
