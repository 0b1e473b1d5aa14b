// The log viewer: <pre data-log="address of the stream">. Text only; nothing of a log is ever read as markup.
// Stays at the end while following; scrolling up pauses that, not the stream. Keeps the last MOST_LINES lines.

const MOST_LINES = 5000;
const NEAR_END_PX = 24;
const viewers = new Set();

function attach(pre) {
  if (pre.dataset.attached) return;
  pre.dataset.attached = "yes";
  const card = pre.parentElement;
  const viewer = {
    pre,
    search: card.querySelector("[data-log-search]"),
    found: card.querySelector("[data-log-found]"),
    follow: card.querySelector("[data-log-follow]"),
    notice: card.querySelector("[data-log-notice]"),
    follows: true,
    source: null,
  };
  viewer.follow.addEventListener("click", () => setFollow(viewer, !viewer.follows));
  viewer.search.addEventListener("input", () => filter(viewer));
  pre.addEventListener("scroll", () => scrolled(viewer));
  viewers.add(viewer);
  open(viewer);
}

function open(viewer) {
  const source = new EventSource(viewer.pre.dataset.log);
  viewer.source = source;
  say(viewer, "Opening the log …");
  source.addEventListener("open", () => say(viewer, "Following; new lines appear by themselves."));
  source.addEventListener("lines", (event) => add(viewer, JSON.parse(event.data)));
  source.addEventListener("notice", (event) => say(viewer, JSON.parse(event.data)));
  source.addEventListener("end", (event) => {
    say(viewer, JSON.parse(event.data));
    source.close();
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) say(viewer, "The log cannot be read now. Load the page again.");
    else say(viewer, "The connection was lost; trying again.");
  });
}

function say(viewer, text) {
  viewer.notice.textContent = text;
}

function lineElement([at, text]) {
  const line = document.createElement("span");
  line.className = "l";
  if (at) {
    const time = document.createElement("span");
    time.className = "yc";
    time.textContent = `${at.slice(11, 23).replace("Z", "")}  `;
    time.title = at;
    line.append(time);
  }
  line.append(text || " ");
  return line;
}

function add(viewer, rows) {
  const { pre } = viewer;
  const lines = rows.slice(-MOST_LINES).map(lineElement);
  const words = needle(viewer);
  if (words) for (const line of lines) line.hidden = !line.textContent.toLowerCase().includes(words);
  pre.append(...lines);
  while (pre.childElementCount > MOST_LINES) pre.firstElementChild.remove();
  if (words) count(viewer);
  if (viewer.follows) toEnd(pre);
}

function needle(viewer) {
  return viewer.search.value.trim().toLowerCase();
}

function filter(viewer) {
  const words = needle(viewer);
  for (const line of viewer.pre.children) line.hidden = Boolean(words) && !line.textContent.toLowerCase().includes(words);
  count(viewer);
  if (viewer.follows) toEnd(viewer.pre);
}

function count(viewer) {
  const hits = viewer.pre.querySelectorAll(".l:not([hidden])").length;
  const text = hits === 1 ? "1 line" : `${hits.toLocaleString("en-GB")} lines`;
  viewer.found.textContent = needle(viewer) ? text : "";
}

function toEnd(pre) {
  pre.scrollTop = pre.scrollHeight;
}

function isAtEnd(pre) {
  return pre.scrollHeight - pre.scrollTop - pre.clientHeight < NEAR_END_PX;
}

function scrolled(viewer) {
  if (isAtEnd(viewer.pre) !== viewer.follows) setFollow(viewer, !viewer.follows);
}

function setFollow(viewer, follows) {
  viewer.follows = follows;
  viewer.follow.setAttribute("aria-pressed", String(follows));
  viewer.follow.classList.toggle("active", follows);
  if (follows) toEnd(viewer.pre);
}

function attachAll() {
  document.querySelectorAll("pre[data-log]").forEach((pre) => attach(pre));
}

// A stream whose viewer was swapped away would go on holding one of the browser's few connections.
function closeLeft() {
  for (const viewer of viewers) {
    if (viewer.pre.isConnected) continue;
    viewer.source.close();
    viewers.delete(viewer);
  }
}

document.addEventListener("htmx:load", attachAll);
document.addEventListener("htmx:afterSwap", closeLeft);
addEventListener("pagehide", () => viewers.forEach((viewer) => viewer.source.close()));
attachAll();
