// What every page has: toasts, words for failed requests, copy buttons, running clocks, and focus kept over swaps.
// Other modules show a toast by document.dispatchEvent(new CustomEvent("kaitoweb:toast", {detail: {text, tone}})).

const TOAST_S = 7; // errors stay until they are closed
const COPIED_MS = 1600;
const SPRITE = document.querySelector("use")?.getAttribute("href").split("#")[0] ?? "";

// Toasts

const TOAST_ICONS = { red: "alert-circle", yellow: "alert-triangle", green: "check", blue: "info-circle" };

function svgIcon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${SPRITE}#${name}`);
  svg.append(use);
  return svg;
}

function showToast(text, tone = "blue", status = "") {
  const region = document.querySelector("#messages");
  const same = [...region.querySelectorAll("[data-toast-text]")].find((t) => t.dataset.toastText === text);
  if (same) return;
  const toast = document.createElement("div");
  toast.className = `toast show tone-${tone}`;
  toast.dataset.toastText = text;
  toast.dataset.status = status;
  if (tone === "red") toast.setAttribute("role", "alert");
  const body = document.createElement("div");
  body.className = "toast-body";
  const words = document.createElement("span");
  words.className = "flex-fill";
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn-close";
  close.dataset.bsDismiss = "toast";
  close.setAttribute("aria-label", "Close");
  body.append(svgIcon(TOAST_ICONS[tone] ?? TOAST_ICONS.blue), words, close);
  toast.append(body);
  region.append(toast);
  leaveInTime(toast);
}

function leaveInTime(toast) {
  if (toast.getAttribute("role") === "alert" || toast.dataset.leaves) return;
  toast.dataset.leaves = "soon";
  setTimeout(() => toast.matches(":hover, :focus-within") ? (delete toast.dataset.leaves, leaveInTime(toast)) : toast.remove(), TOAST_S * 1000);
}

function watchToasts() {
  document.querySelectorAll("#messages .toast").forEach(leaveInTime);
}

document.addEventListener("hidden.bs.toast", (event) => event.target.remove()); // Bootstrap only hides it
document.addEventListener("kaitoweb:toast", (event) => showToast(event.detail.text, event.detail.tone));

// Requests that fail

const STATUS_WORDS = {
  401: "You are signed out. Load the page again to sign in.",
  403: "Your account may not do this.",
  404: "This is gone, or you may not see it.",
  429: "Too many requests. Wait a little and try again.",
  502: "kaitoweb is starting again. Try in a moment.",
  503: "kaitoweb is busy or starting again. Try in a moment.",
};

function failureWords(xhr) {
  const isPlain = (xhr.getResponseHeader("content-type") ?? "").startsWith("text/plain");
  if (isPlain && xhr.responseText.trim()) return xhr.responseText.trim().slice(0, 400);
  return STATUS_WORDS[xhr.status] ?? `That did not work (${xhr.status}). What you typed is still here; try again.`;
}

// A fragment that refreshes itself fails silently here: the live badge says that the page is not live. That kaitoweb has
// no database (503, with a sentence) is said all the same, and taken back by the next answer.
function isOwnRefresh(event) {
  const trigger = event.detail.requestConfig?.triggeringEvent;
  return !trigger || trigger.type.startsWith("live:") || trigger.type === "htmx:trigger";
}

document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 401) location.reload();
  else if (event.detail.xhr.status === 503 || !isOwnRefresh(event)) showToast(failureWords(event.detail.xhr), "red", event.detail.xhr.status);
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.querySelectorAll('#messages [data-status="503"]').forEach((toast) => toast.remove());
});
document.addEventListener("htmx:sendError", (event) => {
  if (!isOwnRefresh(event)) showToast("kaitoweb cannot be reached. Nothing was changed; try again.", "red");
});
document.addEventListener("htmx:timeout", (event) => {
  if (!isOwnRefresh(event)) showToast("kaitoweb took too long to answer. Look at the page again before you repeat it.", "red");
});

// A page that could not be had comes back by itself, without flicker: it is asked for until it is there.

function watchReload(note) {
  const asking = setInterval(async () => {
    const answer = await fetch(location.href).catch(() => null);
    if (!answer || answer.status === 503) return;
    clearInterval(asking);
    location.reload();
  }, note.dataset.reload * 1000);
}

document.querySelectorAll("[data-reload]").forEach(watchReload);

// Copy buttons: <button data-copy="#id"> copies the text of that element, data-copy-text="…" that text

async function copyFrom(button) {
  const source = button.dataset.copy && document.querySelector(button.dataset.copy);
  const text = source ? (source.value ?? source.innerText) : button.dataset.copyText;
  try {
    await navigator.clipboard.writeText(text.trimEnd());
  } catch {
    showToast("The browser did not allow copying. Select the text and copy it by hand.", "yellow");
    return;
  }
  sayCopied(button);
}

function sayCopied(button) {
  const use = button.querySelector("use");
  if (!use || button.classList.contains("copied")) return;
  const before = { href: use.getAttribute("href"), label: button.getAttribute("aria-label") };
  use.setAttribute("href", `${SPRITE}#check`);
  button.classList.add("copied");
  if (before.label) button.setAttribute("aria-label", "Copied");
  document.querySelector("#said").textContent = "Copied";
  setTimeout(() => {
    use.setAttribute("href", before.href);
    button.classList.remove("copied");
    if (before.label) button.setAttribute("aria-label", before.label);
    document.querySelector("#said").textContent = "";
  }, COPIED_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy], [data-copy-text]");
  if (button) copyFrom(button);
});

// Clocks. The server's clock counts: the two may differ by minutes.

const skewMs = Date.now() - Date.parse(document.body.dataset.now);

function secondsSince(time) {
  return Math.max(0, Math.floor((Date.now() - skewMs - Date.parse(time.dateTime)) / 1000));
}

function clockText(seconds) {
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function durationText(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  const [big, small, units] = seconds < 86400
    ? [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), ["h", "min"]]
    : [Math.floor(seconds / 86400), Math.floor((seconds % 86400) / 3600), ["d", "h"]];
  return small ? `${big} ${units[0]} ${small} ${units[1]}` : `${big} ${units[0]}`;
}

function ageText(seconds, suffix) {
  return suffix && seconds < 1 ? "just now" : durationText(seconds) + suffix;
}

// In the browser's own time zone; the server knows none.
function timeText(time) {
  const moment = new Date(time.dateTime);
  const isToday = moment.toDateString() === new Date(Date.now() - skewMs).toDateString();
  const day = isToday ? {} : { day: "numeric", month: "short" };
  return moment.toLocaleString("en-GB", { hour: "2-digit", minute: "2-digit", ...day });
}

function tick() {
  for (const time of document.querySelectorAll("time[data-at]")) setText(time, timeText(time));
  for (const time of document.querySelectorAll("time[data-since]")) setText(time, clockText(secondsSince(time)));
  for (const time of document.querySelectorAll("time[data-age]")) setText(time, ageText(secondsSince(time), time.dataset.age));
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

setInterval(tick, 1000);

// Focus: htmx keeps it where the element has an id; this finds the same control again by what else names it.

let lost = null;

function whatNames(element) {
  const attribute = ["href", "name", "data-copy", "aria-label"].find((a) => element.hasAttribute(a));
  return attribute ? `${element.localName}[${attribute}="${CSS.escape(element.getAttribute(attribute))}"]` : null;
}

document.addEventListener("htmx:beforeSwap", (event) => {
  const focused = document.activeElement;
  const isInside = focused !== document.body && event.detail.target?.contains(focused);
  lost = isInside && !focused.id ? { root: event.detail.target.id, selector: whatNames(focused) } : null;
});

document.addEventListener("htmx:afterSettle", (event) => {
  if (lost?.selector && document.activeElement === document.body) {
    const root = document.getElementById(lost.root) ?? document;
    root.querySelector(lost.selector)?.focus({ preventScroll: true });
  }
  lost = null;
  watchToasts();
  if (event.detail.requestConfig?.triggeringEvent?.type === "submit") {
    document.querySelector('[aria-invalid="true"]')?.focus();
  }
});

watchToasts();
tick();
document.querySelector('[aria-invalid="true"]')?.focus(); // a refused form may have its mistake below the fold
