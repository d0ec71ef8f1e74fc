// A list of which only the rows that are seen are drawn, however long it is.

const TALLEST = 8_000_000; // pixels; browsers know no end of a much taller element

export class List {
	/**
	 * @param box the element that scrolls
	 * @param rowHeight in pixels
	 * @param draw draw(element, i): fills a row's element, which may have been another row's
	 * @param isLog who is at its end stays at its end
	 */
	constructor(box, rowHeight, draw, isLog = false) {
		Object.assign(this, { box, rowHeight, draw, isLog, count: 0, top: 0, follows: isLog, drawn: [] });
		this.inner = box.appendChild(document.createElement("div"));
		this.inner.className = "inner";
		this.inner.setAttribute("role", "none");
		box.addEventListener("scroll", () => this.onScroll(), { passive: true });
		box.addEventListener("wheel", (e) => this.onWheel(e), { passive: false });
		new ResizeObserver(() => this.onResize()).observe(box);
	}

	get seen() {
		return this.box.clientHeight / this.rowHeight;
	}

	get last() {
		return Math.max(0, this.count - this.seen);
	}

	/** Where all rows together would be too tall, a pixel of the bar stands for more than a pixel of rows. */
	get isScaled() {
		return this.count * this.rowHeight > TALLEST;
	}

	get height() {
		return Math.min(this.count * this.rowHeight, TALLEST);
	}

	setCount(count) {
		this.count = count;
		this.inner.style.height = `${this.height}px`;
		if (this.follows) this.scrollTo(this.last);
		else if (this.top > this.last) this.scrollTo(this.last);
		this.update();
	}

	/** Row `top` (a fraction is a part of a row) becomes the first one. */
	scrollTo(top) {
		this.top = Math.max(0, Math.min(top, this.last));
		const range = this.height - this.box.clientHeight;
		this.own = Math.round(this.isScaled ? (range * this.top) / this.last : this.top * this.rowHeight);
		this.box.scrollTop = this.own;
		this.follows = this.isLog && this.top >= this.last - 0.5;
		this.update();
	}

	/** What was the end is the end still. */
	onResize() {
		this.scrollTo(this.follows ? this.last : this.top);
	}

	/** Scrolls as little as needed to see row i. */
	reveal(i) {
		if (i < this.top) this.scrollTo(i);
		else if (i + 1 > this.top + this.seen) this.scrollTo(i + 1 - this.seen);
	}

	onScroll() {
		const at = this.box.scrollTop;
		if (Math.abs(at - this.own) < 2) return;
		this.own = at;
		const range = this.height - this.box.clientHeight;
		this.top = this.isScaled ? (at / range) * this.last : at / this.rowHeight;
		this.follows = this.isLog && this.top >= this.last - 0.5;
		this.update();
	}

	onWheel(e) {
		if (!this.isScaled || e.ctrlKey || !e.deltaY) return;
		e.preventDefault();
		this.scrollTo(this.top + (e.deltaMode === 1 ? e.deltaY : e.deltaY / this.rowHeight));
	}

	/** Draws what is seen, at the next frame. */
	update() {
		this.frame ??= requestAnimationFrame(() => {
			this.frame = null;
			this.paint();
		});
	}

	paint() {
		const first = Math.floor(this.top);
		const n = Math.min(Math.ceil(this.seen) + 1, this.count - first);
		this.box.classList.toggle("is-cut", this.top - first > 0.05);
		const y0 = this.box.scrollTop - (this.top - first) * this.rowHeight;
		while (this.drawn.length > Math.max(0, n)) this.drawn.pop().remove();
		for (let k = 0; k < n; k++) {
			const row = (this.drawn[k] ??= this.inner.appendChild(document.createElement("div")));
			row.style.transform = `translateY(${this.isScaled ? y0 + k * this.rowHeight : (first + k) * this.rowHeight}px)`;
			this.draw(row, first + k);
		}
	}
}
