// Announcements: one EventSource a page. For each announced topic a DOM event `live:<topic>` is fired on the body,
// and elements with hx-trigger="live:<topic> from:body" fetch themselves again.
// Topics are what stands in [data-live-topics]. The badge #live says whether the page hears, and whether what it would
// hear of is up to date: #troubles[data-old] names the clusters that are not.

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30000;
const SILENCE_MS = 40000; // the server speaks at least every 15 s
const GAP_MS = 250; // between two announcements of one topic
const BUSY_MS = 40;
const PATIENCE = 100; // times BUSY_MS
const POLL_MS = 10000; // while the server hears nothing itself

const due = new Map(); // topic → timer
const passedAt = new Map(); // topic → ms

let source = null;
let openedWith = "";
let waitMs = FIRST_WAIT_MS;
let retryTimer = 0;
let heardAt = null;
let hasMissed = false;
let hearing = null; // [state, text, title] of the stream alone
let pollTimer = 0;

function topics() {
  const all = [...document.querySelectorAll("[data-live-topics]")].flatMap((e) => e.dataset.liveTopics.split(","));
  return [...new Set(all.filter(Boolean))].sort().join(",");
}

function show(...what) {
  hearing = what;
  paint();
}

function paint() {
  const badge = document.querySelector("#live"); // the history may have brought another one
  if (!badge || !hearing) return;
  const [state, text, title = ""] = (hearing[0] === "live" && old()) || hearing;
  const word = badge.querySelector("[data-live-word]");
  badge.hidden = false;
  badge.dataset.state = state;
  badge.classList.toggle("status-green", state === "live");
  badge.classList.toggle("status-yellow", state === "lost");
  badge.classList.toggle("status-secondary", state === "connecting");
  if (word.textContent !== text) word.textContent = text;
  badge.title = title;
}

// The stream stands, but a cluster that the page shows has not been heard of.
function old() {
  const { old: name, oldSince: since } = document.querySelector("#troubles")?.dataset ?? {};
  if (!name) return null;
  return ["lost", `Not live: ${name} as of ${clockTime(new Date(since))}`, "What is wrong stands at the top of the page"];
}

function clockTime(date) {
  return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

// The first of a burst is passed on at once and the rest of it once a gap; htmx's own `delay` would wait for a silence
// that a busy cluster never grants. Nothing is passed on while who listens, or what it stands in, is being fetched: htmx
// forgets what is queued on an element that the answer replaces.
function announce(topic) {
  if (due.has(topic)) return;
  const wait = (passedAt.get(topic) ?? 0) + GAP_MS - Date.now();
  due.set(topic, setTimeout(pass, Math.max(wait, 0), topic, PATIENCE));
}

function pass(topic, patience) {
  const listeners = [...document.querySelectorAll(`[hx-trigger*="live:${topic} "]`)];
  if (patience && listeners.some((element) => element.closest(".htmx-request"))) {
    due.set(topic, setTimeout(pass, BUSY_MS, topic, patience - 1));
    return;
  }
  due.delete(topic);
  passedAt.set(topic, Date.now());
  document.body.dispatchEvent(new CustomEvent(`live:${topic}`));
}

function heard() {
  heardAt = new Date();
}

function open() {
  clearTimeout(retryTimer);
  const wanted = topics();
  if (!wanted || document.hidden) return;
  if (source) hasMissed = true;
  close();
  openedWith = wanted;
  source = new EventSource(`/events/?topics=${encodeURIComponent(wanted)}`);
  source.addEventListener("open", opened);
  source.addEventListener("error", lost);
  source.addEventListener("beat", heard);
  source.addEventListener("hearing", showLive);
  source.addEventListener("deaf", poll);
  for (const topic of wanted.split(",")) {
    source.addEventListener(topic, () => {
      heard();
      announce(topic);
    });
  }
}

function opened() {
  heard();
  waitMs = FIRST_WAIT_MS;
  showLive();
  if (hasMissed) openedWith.split(",").forEach(announce);
  hasMissed = false;
}

function showLive() {
  clearInterval(pollTimer);
  show("live", "Live", "Changes appear by themselves");
}

// The stream stands, but the server itself hears of nothing: the queue is down.
function poll() {
  clearInterval(pollTimer);
  pollTimer = setInterval(() => openedWith.split(",").forEach(announce), POLL_MS);
  show("lost", "Not live: polling", "The queue is down, so the page asks every ten seconds");
}

function lost() {
  close();
  hasMissed = true;
  const since = heardAt ? `as of ${clockTime(heardAt)}, ` : "";
  const what = navigator.onLine ? "reconnecting" : "you are offline";
  show("lost", `Not live: ${since}${what}`, "The page goes on by itself as soon as kaitoweb can be reached");
  retryTimer = setTimeout(open, waitMs * (0.75 + Math.random() / 2));
  waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
}

function close() {
  clearInterval(pollTimer);
  source?.close();
  source = null;
}

// A hidden tab gives its connection back: a browser opens about six to one host over HTTP/1.1.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(retryTimer);
    close();
    hasMissed = true;
  } else {
    open();
  }
});
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  hasMissed = true;
  open();
});
addEventListener("online", () => {
  if (!source) open();
});

// Other rows may be shown now than when the stream was opened.
document.addEventListener("htmx:afterSettle", () => {
  if (source && topics() !== openedWith) open();
  paint();
});

setInterval(() => {
  if (source && heardAt && Date.now() - heardAt.getTime() > SILENCE_MS) lost();
}, 5000);

if (topics()) {
  show("connecting", "Connecting");
  open();
}
