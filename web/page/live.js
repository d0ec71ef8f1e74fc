// What the server says while the page is open: one stream for all of it. A page that nobody looks at has none, since a browser
// allows only six connections to a server.

export class Live {
	/** Calls handlers.status(object), .views(names), .mount(isThere), .server(answers). */
	constructor(handlers) {
		this.handlers = handlers;
		document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
		addEventListener("pagehide", () => this.close());
		addEventListener("pageshow", () => this.open());
		this.open();
	}

	open() {
		if (this.source) return;
		const source = (this.source = new EventSource("/live"));
		const { status, views, mount, server } = this.handlers;
		source.addEventListener("open", () => server(true));
		source.addEventListener("status", (e) => status(JSON.parse(e.data)));
		source.addEventListener("views", (e) => views(JSON.parse(e.data)));
		source.addEventListener("mount", (e) => mount(e.data === "back"));
		source.addEventListener("error", () => {
			server(false);
			// The browser tries again by itself, unless the answer was a refusal.
			if (source.readyState === EventSource.CLOSED && this.source === source) {
				this.close();
				this.again = setTimeout(() => this.open(), 2000);
			}
		});
	}

	close() {
		clearTimeout(this.again);
		if (this.source) this.source.close();
		this.source = null;
	}
}
