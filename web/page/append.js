// The field to append an event. What is refused stays in it, with the reason beside it and the cursor where the fault is.

import { append } from "./files.js";

export function setUpAppend(form) {
	const line = form.elements.line;
	const answer = form.querySelector(".answer");

	const say = (state, text) => {
		answer.dataset.state = state;
		answer.textContent = text;
		line.setAttribute("aria-invalid", state === "bad");
	};

	/** Columns count bytes, cursors count UTF-16 units. */
	const cursorAt = (text, column) => new TextDecoder().decode(new TextEncoder().encode(text).slice(0, column - 1)).length;

	form.addEventListener("submit", async (e) => {
		e.preventDefault();
		const text = line.value.trim();
		if (!text) return;
		try {
			await append(`${text}\n`);
			say("good", "Appended.");
		} catch (error) {
			const { column } = error.problem ?? {};
			say("bad", error.status ? `${error.problem.title}: ${error.message}${column ? ` (column ${column})` : ""}` : "The server does not answer.");
			line.focus();
			if (column) {
				const at = cursorAt(text, column);
				line.value = text;
				line.setSelectionRange(at, Math.min(at + 1, text.length));
			}
		}
	});
	line.addEventListener("input", () => say("", ""));
}
