// Marks what has just changed: a colour that fades. Who wants no motion sees it stand, until the row is drawn anew.

export const MARK_MS = 2600;

/** Marks a row's element; `key` names the change and the row, so that drawing it again goes on with the same mark. null: unmarked. */
export function mark(el, key, since) {
	el.classList.toggle("is-new", key !== null);
	if (el.marked === key) return;
	el.marked = key;
	el.fading?.cancel();
	el.fading = null;
	if (key === null || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
	el.fading = el.animate([{ backgroundColor: "var(--new)" }, { backgroundColor: "transparent" }], { duration: MARK_MS, easing: "ease-out" });
	el.fading.currentTime = performance.now() - since;
}
