// The page: puts its parts together.

import { setUpAppend } from "./append.js";
import { Live } from "./live.js";
import { Log } from "./log.js";
import { Place } from "./place.js";
import { Refused, Status } from "./status.js";
import { Views } from "./views.js";

const byId = (id) => document.getElementById(id);

const views = new Views(byId("views"));
const status = new Status(byId("plots"), byId("facts"));
const refused = new Refused(byId("refused"), byId("refused-count"));
const place = new Place(
	{ slider: byId("slider"), number: byId("number"), back: byId("back"), forth: byId("forth"), live: byId("live"), events: byId("events") },
	() => show(),
);
const log = new Log(byId("rows"), (n) => place.go(n));
let end = { events: 0, offset: 0 };
let isThere = true;
let answers = true;
let pastTimer = null;

function show() {
	const { isLive, at } = place;
	log.set(end.events, end.offset, at, isLive);
	if (isLive && wasPast) log.toEnd();
	wasPast = !isLive;
	views.setPlace(isLive, at);
	byId("log-size").textContent = isLive ? `${at.toLocaleString()} events` : `the first ${at.toLocaleString()} of ${end.events.toLocaleString()} events`;
	showTime();
}

function showTime() {
	byId("when").textContent = place.isLive ? "" : log.timeOfPlace();
}

let wasPast = false;
log.onLoad = showTime;

function showConnection() {
	const state = !answers ? "gone" : !isThere ? "away" : "live";
	const words = { gone: "no server", away: "no mount", live: "connected" }[state];
	byId("connection").dataset.state = state;
	byId("connection").textContent = words;
	byId("notice").hidden = state === "live";
	byId("notice").textContent = {
		gone: "The server does not answer. This page goes on by itself when it does.",
		away: "The mount has gone away. What is seen here is as it was; the page goes on by itself when the mount is back.",
		live: "",
	}[state];
}

setUpAppend(byId("append"));

new Live({
	status(s) {
		const isOther = end.pid !== undefined && s.pid !== end.pid;
		end = { events: s.log.events, offset: s.log.offset, pid: s.pid };
		byId("where").textContent = `\u200e${s.data}`; // a path is written from left to right, whatever its letters
		byId("where").title = s.data;
		document.title = `${s.data.split("/").pop()} · eventfold`;
		place.setTotal(end.events);
		views.setStatus(s.views, end.events);
		status.set(s);
		refused.set(s.rejected);
		show();
		if (isOther) views.allChanged();
	},
	views(names) {
		// In the past only an edited reducer makes another state: no need to look at once.
		if (place.isLive) views.changed(names);
		else pastTimer ??= setTimeout(() => { pastTimer = null; views.changed(names); }, 1000);
	},
	mount(there) {
		isThere = there;
		showConnection();
		if (there) views.allChanged();
	},
	server(does) {
		answers = does;
		showConnection();
	},
});
