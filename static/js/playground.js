// The conversation: sends a prompt, shows the answer while it comes, stops it. It lives in this page only.
// A prompt is never sent twice: what was cut off is shown as cut off. While an answer comes, its text goes in as text
// nodes; the HTML at the end is the server's, cleaned there.

const SILENT_MS = 3000; // then the page says that it still waits
const MOST_TURNS = 62; // before the prompt: the server takes 64, and some models want a prompt first
const MOST_ROWS = 12;
const BROKEN = "The connection to kaitoweb broke; the answer is not whole.";

// What the server sends

async function* eventsOf(body) {
  let rest = "";
  for await (const chunk of decoded(body)) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = block.match(/^event: (.+)$/m)?.[1];
      const data = block.match(/^data: (.+)$/m)?.[1];
      if (name && data) yield { name, data: JSON.parse(data) };
    }
  }
}

async function* decoded(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

class Refusal extends Error {
  constructor(message, detail = "") {
    super(message);
    this.detail = detail;
  }
}

const STATUS_WORDS = {
  403: "Your session has changed. Load the page again.",
  404: "This workspace is gone, or you may not see it.",
};

async function ask(form, wish, signal) {
  const headers = { "content-type": "application/json", "x-csrftoken": form.elements.csrfmiddlewaretoken.value };
  const answer = await fetch(form.action, { method: "POST", headers, body: JSON.stringify(wish), signal });
  if (answer.redirected) throw new Refusal("You are signed out. Load the page again to sign in.");
  const kind = answer.headers.get("content-type") ?? "";
  if (answer.ok && kind.startsWith("text/event-stream")) return answer.body;
  const told = kind.startsWith("application/json") ? (await answer.json()).message : null;
  throw new Refusal(told ?? STATUS_WORDS[answer.status] ?? `kaitoweb could not take the prompt (${answer.status}).`);
}

// One answer on the page

class Answer {
  constructor(element) {
    this.element = element;
    this.part = (name) => element.querySelector(`[data-${name}]`);
    this.text = "";
    this.thought = "";
    this.began = this.heard = Date.now();
    this.part("text").classList.add("plain", "caret");
    this.nodes = { text: this.textNode("text"), thought: this.textNode("thought") };
    this.clock = setInterval(() => this.tick(), 500);
  }

  textNode(name) {
    const node = document.createTextNode("");
    this.part(name).replaceChildren(node);
    return node;
  }

  // Painting once a frame keeps a fast model from keeping the browser busy.
  say(kind, text) {
    this.heard = Date.now();
    this[kind] += this[kind] ? text : text.trimStart();
    if (kind === "thought") this.part("thinking").hidden = false;
    this.frame ??= requestAnimationFrame(() => this.paint());
  }

  paint() {
    this.frame = null;
    this.onPaint(() => {
      for (const kind of ["text", "thought"]) {
        const node = this.nodes[kind];
        if (node.length < this[kind].length) node.appendData(this[kind].slice(node.length));
      }
    });
  }

  tick() {
    const isSilent = Date.now() - this.heard > SILENT_MS;
    this.part("waiting").hidden = !isSilent;
    if (isSilent) this.part("waiting-word").textContent = `${this.waitingWords} · ${this.seconds()} s so far`;
  }

  seconds() {
    return Math.round((Date.now() - this.began) / 1000);
  }

  end() {
    clearInterval(this.clock);
    cancelAnimationFrame(this.frame);
    this.paint();
    this.part("waiting").hidden = true;
    this.part("thinking-word").textContent = "Thought before answering";
    this.part("text").classList.remove("caret");
  }

  finish(data) {
    this.end();
    this.onPaint(() => {
      this.part("text").classList.remove("plain");
      this.part("text").innerHTML = data.html;
      this.showFacts(data.facts);
    });
  }

  stop() {
    this.end();
    this.showFacts([["", `${this.seconds()} s`, ""], ["stopped by you", "", ""]]);
  }

  fail(message, detail = "") {
    this.end();
    this.onPaint(() => {
      this.part("error").hidden = false;
      this.part("message").textContent = message;
      this.part("detail").textContent = detail;
      if (this.text) this.showFacts([]);
    });
  }

  showFacts(facts) {
    this.part("numbers").hidden = false;
    this.part("copy-answer").hidden = !this.text;
    this.part("copy-answer").dataset.copyText = this.text;
    this.part("facts").replaceChildren(...facts.map(factElement));
  }
}

function factElement([before, value, after]) {
  const span = document.createElement("span");
  const strong = document.createElement("b");
  strong.textContent = value;
  span.append(...[before, value && strong, after].filter(Boolean).flatMap((part) => [part, " "]));
  return span;
}

// Parameters

class Settings {
  constructor(root) {
    this.all = [...root.querySelectorAll("[data-setting]")].map((row) => ({
      row, field: row.querySelector("[data-value]"), slider: row.querySelector("[data-slider]"),
    }));
    this.resetAll = root.querySelector("[data-reset-all]");
    this.resetAll.addEventListener("click", () => this.all.forEach((setting) => this.reset(setting)));
    for (const setting of this.all) this.attach(setting);
    this.show();
  }

  attach(setting) {
    setting.field.addEventListener("input", () => this.show());
    setting.slider?.addEventListener("input", () => {
      setting.field.value = setting.slider.value;
      this.show();
    });
    setting.row.querySelector("[data-reset]").addEventListener("click", () => {
      this.reset(setting);
      setting.field.focus();
    });
  }

  reset(setting) {
    setting.field.value = setting.field.dataset.default;
    this.show();
  }

  show() {
    for (const { row, field, slider } of this.all) {
      row.classList.toggle("on", field.value !== field.dataset.default);
      if (slider) slider.value = field.value || field.dataset.resting;
    }
    const changed = this.all.filter(({ row }) => row.classList.contains("on")).length;
    this.resetAll.hidden = !changed;
    this.resetAll.querySelector("[data-reset-word]").textContent = `Reset ${changed}`;
  }

  values() {
    return Object.fromEntries(this.all.map(({ field }) => [field.name, field.value]));
  }

  // The server knows its limit only once it runs.
  limitTokens(most) {
    const { field, slider } = this.all.find((setting) => setting.field.name === "max_tokens");
    field.max = slider.max = most;
    if (Number(field.dataset.default) > most) {
      if (field.value === field.dataset.default) field.value = most;
      field.dataset.default = field.dataset.resting = most;
    }
    this.show();
  }
}

// The page

class Playground {
  constructor(root) {
    this.root = root;
    this.find = (name) => root.querySelector(`[data-${name}]`);
    this.form = root.querySelector("#prompt-form");
    this.field = root.querySelector("#prompt");
    this.settings = new Settings(root);
    this.history = JSON.parse(this.form.elements.history.value);
    this.under = null; // the AbortController of the answer that comes
    this.context = null;
    this.listen();
    this.grow();
    this.meet();
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(this.field.value);
    });
    this.field.addEventListener("input", () => this.grow());
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      if (!this.under && this.field.value.trim()) this.form.requestSubmit();
    });
    this.root.addEventListener("click", (event) => {
      const example = event.target.closest("[data-example]");
      if (example) this.send(example.textContent);
    });
    this.find("stop").addEventListener("click", () => this.under?.abort());
    this.find("new").addEventListener("click", () => this.startAfresh());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.under?.abort());
  }

  // What the model's server says of itself: its name, how much it can see, or why it does not answer.
  async meet() {
    const answer = await fetch(this.root.dataset.server).catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const told = await answer.json();
    if (!told.error) this.learn(told);
    else if (!this.find("empty").hidden) this.notice(told.error.message, told.error.detail); // later the answer says it
  }

  learn({ model, context_tokens: context }) {
    if (model) {
      this.find("model").textContent = model;
      this.find("model").hidden = false;
    }
    if (context && context !== this.context) {
      this.context = context;
      this.settings.limitTokens(context);
    }
  }

  async send(prompt) {
    if (this.under || !prompt.trim()) return;
    const wish = { workspace: this.form.elements.workspace.value, prompt, history: this.history.slice(-MOST_TURNS), ...this.settings.values() };
    this.under = new AbortController();
    const answer = this.open(prompt);
    let isDone = false;
    try {
      for await (const { name, data } of eventsOf(await ask(this.form, wish, this.under.signal))) {
        isDone ||= name === "done" || name === "error";
        this.take(answer, name, data);
      }
      if (!isDone) answer.fail(BROKEN);
    } catch (error) {
      this.giveUp(answer, error);
    }
    this.close(answer, prompt);
  }

  take(answer, name, data) {
    if (name === "start") this.learn(data);
    else if (name === "token") answer.say("text", data.text);
    else if (name === "reasoning") answer.say("thought", data.text);
    else if (name === "error") answer.fail(data.message, data.detail);
    else if (name === "done") {
      answer.finish(data);
      this.showUse(data.used_tokens);
      this.root.querySelector("#finished").textContent = `Answer: ${answer.text}`;
    }
  }

  giveUp(answer, error) {
    if (error.name === "AbortError") answer.stop();
    else if (error instanceof Refusal) answer.fail(error.message, error.detail);
    else if (answer.text) answer.fail(BROKEN);
    else answer.fail("kaitoweb cannot be reached. Your prompt is still here.");
  }

  open(prompt) {
    this.find("empty").hidden = true;
    this.find("new").hidden = false;
    this.find("notice").hidden = true;
    this.add("#turn-of-person").querySelector("[data-text]").textContent = prompt;
    const answer = new Answer(this.add("#turn-of-model"));
    answer.onPaint = (paint) => this.following(paint);
    answer.waitingWords = this.root.dataset.waiting;
    this.field.value = "";
    this.grow();
    this.showBusy(true);
    this.scrollDown();
    return answer;
  }

  add(template) {
    const turn = this.root.querySelector(template).content.firstElementChild.cloneNode(true);
    this.find("turns").append(turn);
    return turn;
  }

  // What brought no word is no part of the conversation; its prompt goes back where it can be sent again.
  close(answer, prompt) {
    this.under = null;
    this.showBusy(false);
    if (!answer.element.isConnected) return; // a new conversation has begun
    if (answer.text) this.history.push({ role: "user", content: prompt }, { role: "assistant", content: answer.text });
    else if (!this.field.value) this.field.value = prompt;
    this.grow();
    this.field.focus({ preventScroll: true });
  }

  startAfresh() {
    this.under?.abort();
    this.history = [];
    this.find("turns").replaceChildren(this.find("empty"));
    this.find("empty").hidden = false;
    this.find("new").hidden = true;
    this.find("context").hidden = true;
    this.field.focus();
  }

  showBusy(isBusy) {
    this.find("send").hidden = isBusy;
    this.find("stop").hidden = !isBusy;
    this.find("hint").textContent = isBusy ? "Esc stops" : "Enter sends · Shift+Enter makes a new line";
  }

  showUse(used) {
    if (!used || !this.context) return;
    this.find("context").hidden = false;
    this.find("context-word").textContent = `${used.toLocaleString("en")} of ${this.context.toLocaleString("en")}`;
    Object.assign(this.find("context").querySelector("progress"), { max: this.context, value: used });
  }

  notice(message, detail) {
    const notice = this.find("notice");
    notice.hidden = false;
    notice.querySelector("[data-message]").textContent = message;
    notice.querySelector("[data-detail]").textContent = detail;
  }

  grow() {
    this.field.rows = 1;
    while (this.field.rows < MOST_ROWS && this.field.scrollHeight > this.field.clientHeight) this.field.rows += 1;
  }

  // On a narrow page the whole page scrolls, not the conversation. Who has scrolled up to read is left there.
  get scroller() {
    const log = this.find("log");
    return log.scrollHeight > log.clientHeight + 1 ? log : document.scrollingElement;
  }

  following(change) {
    const log = this.find("log");
    const isAtEnd = this.scroller === log
      ? log.scrollHeight - log.scrollTop - log.clientHeight < 80
      : this.form.getBoundingClientRect().bottom < innerHeight + 120;
    change();
    if (isAtEnd) this.scrollDown();
  }

  scrollDown() {
    if (this.scroller === this.find("log")) this.scroller.scrollTop = this.scroller.scrollHeight;
    else this.form.scrollIntoView({ block: "end" });
  }
}

function setUp() {
  const root = document.querySelector("[data-playground]");
  if (root && !root.dataset.isSetUp) {
    root.dataset.isSetUp = "yes";
    new Playground(root);
  }
}

document.addEventListener("htmx:afterSettle", setUp); // a workspace has become ready
setUp();
