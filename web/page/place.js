// The place in time: live, or after the first N events. The address names it: ?at=N.

export class Place {
	/** Elements by name, and onMove(isLive, at). */
	constructor(elements, onMove) {
		Object.assign(this, elements, { onMove, total: 0, isKnown: false });
		const asked = new URLSearchParams(location.search).get("at");
		this.isLive = !/^\d+$/.test(asked ?? "");
		this.at = this.isLive ? 0 : Number(asked);
		this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
		this.number.addEventListener("change", () => {
			const n = Number(this.number.value.replace(/\D/g, ""));
			this.go(n);
			this.draw();
		});
		this.back.addEventListener("click", () => this.go(this.at - 1));
		this.forth.addEventListener("click", () => this.go(this.at + 1));
		this.live.addEventListener("click", () => this.go(this.isLive ? this.at : Infinity, this.isLive));
		addEventListener("popstate", () => {
			const n = new URLSearchParams(location.search).get("at");
			this.go(n === null ? Infinity : Number(n));
		});
	}

	/** The history's length. */
	setTotal(total) {
		this.total = total;
		this.isKnown = true;
		if (this.isLive || this.at > total) this.at = total;
		this.draw();
	}

	/** To after n events; the end of the slider is live, unless one wants to `stay`. */
	go(n, stay = false) {
		if (!this.isKnown) return;
		this.isLive = n >= this.total && !stay;
		this.at = Math.max(0, Math.min(n, this.total));
		const url = new URL(location.href);
		if (this.isLive) url.searchParams.delete("at");
		else url.searchParams.set("at", this.at);
		clearTimeout(this.naming);
		// A browser allows only so many in a while.
		this.naming = setTimeout(() => history.replaceState(null, "", url), 150);
		this.draw();
		this.onMove(this.isLive, this.at);
	}

	draw() {
		this.slider.max = this.total;
		this.slider.value = this.at;
		this.slider.style.setProperty("--part", this.total ? this.at / this.total : 1);
		this.slider.setAttribute("aria-valuetext", this.isLive ? `live, ${this.total} events` : `after event ${this.at} of ${this.total}`);
		if (document.activeElement !== this.number) this.number.value = this.at.toLocaleString();
		this.events.textContent = this.total.toLocaleString();
		this.back.disabled = this.at === 0;
		this.forth.disabled = this.isLive;
		this.live.setAttribute("aria-pressed", this.isLive);
		document.body.classList.toggle("is-past", !this.isLive);
	}
}
