// @ts-check
/**
 * The panel of a conversation with an agent: one file, no build step, nothing from elsewhere.
 *
 * It speaks as the panel of a run does: `model.state` is a snapshot, rows by table and key;
 * changes come as messages with the version they start from, and whoever misses one asks for
 * everything. Texts are only ever set as text, never as HTML.
 */

/**
 * @typedef {Record<string, any>} Row
 * @typedef {Record<string, Record<string, Row>>} Tables
 * @typedef {{ get(name: string): any, send(content: any): void,
 *   on(name: string, f: (value: any) => void): void,
 *   off(name: string, f: (value: any) => void): void }} Model
 * @typedef {(ok: boolean, text: string) => void} Done
 * @typedef {{ el: HTMLElement, update(): void }} Section
 */

const GLYPHS = /** @type {Record<string, string>} */ ({
  held: "⊘", queued: "◔", running: "▶", moved: "⚡", done: "✓", failed: "✗", rejected: "✗",
  up: "●", silent: "◌", draining: "◑", killed: "✕", lost: "⚡", left: "–",
});
const CALL_WORDS = /** @type {Record<string, string>} */ ({
  held: "waits for your approval", queued: "waits for a worker", running: "runs",
  moved: "lost its worker, starts again", done: "done", failed: "failed", rejected: "rejected",
});
const SESSION_WORDS = /** @type {Record<string, string>} */ ({
  running: "works", waiting: "waits to try again", held: "waits for you", idle: "done",
});
const SHOWN_EVENTS = 200;
const CHECK_MS = 250;
const BUSY_AFTER_MS = 2000;

/**
 * Make an element.
 * @param {string} name
 * @param {Record<string, any>} [props] attributes; `on…` are listeners, `text` is the content
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
function h(name, props = {}, ...children) {
  const el = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "text") el.textContent = value;
    else if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else el.setAttribute(key, value === true ? "" : String(value));
  }
  el.append(...children);
  return el;
}

/** Write a text only where it changed. @param {Node} node @param {string} text */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {number} ms */
const millis = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : `${(ms / 1000).toFixed(2)} s`);

/** @param {number} n @param {string} one */
const plural = (n, one) => `${n.toLocaleString("en")} ${one}${n === 1 ? "" : "s"}`;

let ids = 0;

// What a model holds, for all of its views

class Store {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.version = -1;
    this.waiting = false;
    this.requests = 0;
    this.filter = "";
    this.viewer = Math.random().toString(36).slice(2);
    /** @type {Tables} */ this.tables = {};
    /** @type {Set<View>} */ this.views = new Set();
    /** @type {Map<string, { sent: number, heard: boolean, done: Done }>} */ this.asked = new Map();
    /** What a person has typed, by call: it outlives a view. @type {Map<string, Map<string, any>>} */
    this.drafts = new Map();
    this.load(model.get("state"));
  }

  /** @param {string} table @returns {Record<string, Row>} */
  rows(table) { return this.tables[table] ?? {}; }
  get session() { return this.rows("session").session ?? {}; }

  /** @param {Row} snapshot */
  load(snapshot) {
    if (!snapshot || !snapshot.tables || (snapshot.version <= this.version && !this.waiting)) return;
    this.version = snapshot.version;
    this.tables = snapshot.tables;
    this.waiting = false;
    this.tell();
  }

  /** @param {Row} message */
  hear(message) {
    if (message.kind === "diff") this.apply(message);
    else if (message.kind === "snapshot") this.load(message);
    else if (message.kind === "problems") for (const view of this.views) view.problems(message.call, message.problems);
    else if (message.kind === "heard") { const request = this.asked.get(message.id); if (request) request.heard = true; }
    else if (message.kind === "answer") this.answered(message);
  }

  /** @param {Row} diff */
  apply(diff) {
    if (diff.to <= this.version) return;
    if (diff.from !== this.version) {
      if (!this.waiting) this.model.send({ op: "resync", version: this.version });
      this.waiting = true;
      return;
    }
    this.version = diff.to;
    const set = /** @type {Tables} */ (diff.set ?? {});
    const drop = /** @type {Record<string, string[]>} */ (diff.drop ?? {});
    for (const [table, rows] of Object.entries(set)) this.tables[table] = { ...this.tables[table], ...rows };
    for (const [table, keys] of Object.entries(drop)) {
      this.tables[table] = { ...this.tables[table] };
      for (const key of keys) delete this.tables[table][key];
    }
    this.tell();
  }

  tell() { for (const view of this.views) view.soon(); }

  /** Send a click. @param {Row} content @param {Done} done */
  ask(content, done) {
    const id = `${this.viewer}-${++this.requests}`;
    this.asked.set(id, { sent: performance.now(), heard: false, done });
    this.model.send({ ...content, id });
    setTimeout(() => this.tell(), BUSY_AFTER_MS + 50);
  }

  /** @param {Row} answer */
  answered(answer) {
    const request = this.asked.get(answer.id);
    this.asked.delete(answer.id);
    if (!request) return; // another tab's
    request.done(answer.ok, answer.text);
    for (const view of this.views) view.say(answer.text, !answer.ok);
  }

  /** Whether a click was not heard for too long. */
  get isBusy() {
    const now = performance.now();
    return [...this.asked.values()].some((r) => !r.heard && now - r.sent > BUSY_AFTER_MS);
  }
}

// One view

class View {
  /** @param {Store} store @param {HTMLElement} el */
  constructor(store, el) {
    this.store = store;
    this.el = el;
    this.frame = 0;
    el.classList.add("afx");
    this.defect = h("p", { class: "afx-problem", role: "alert", hidden: true });
    this.status = h("p", { class: "afx-said", role: "status", "aria-live": "polite" });
    /** @type {Map<string, Form>} */ this.forms = new Map();
    const only = store.session.only;
    const made = only === "log" ? [header, log] : [header, talk, workers, log];
    /** @type {Section[]} */ this.sections = made.map((make) => make(this));
    const [head, ...rest] = this.sections;
    el.replaceChildren(this.defect, head.el, this.status, ...rest.map((section) => section.el));
    this.soon();
  }

  soon() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    try {
      for (const section of this.sections) section.update();
    } catch (error) {
      this.defect.hidden = false;
      put(this.defect, `The panel has a defect: ${error instanceof Error ? error.message : error}. Magics still work: %log, %approve.`);
      console.error(error);
    }
  }

  /** @param {string} text @param {boolean} [bad] */
  say(text, bad = false) {
    this.status.classList.toggle("afx-bad", bad);
    put(this.status, text);
  }

  /** @param {string} call @param {Record<string, string>} found */
  problems(call, found) { this.forms.get(call)?.problems(found); }

  /**
   * A button that sends a click and says what came of it.
   * @param {string} text @param {string} name full name, for those who do not see the row
   * @param {() => Row} content @param {string} [kind] class
   */
  button(text, name, content, kind = "") {
    const button = /** @type {HTMLButtonElement} */ (h("button", { type: "button", "aria-label": name, title: name, text, class: kind }));
    button.addEventListener("click", () => {
      button.disabled = true;
      this.store.ask(content(), () => { button.disabled = false; });
    });
    return button;
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.store.views.delete(this);
  }
}

/** A section with a heading; no landmark, since a notebook has many panels. @param {string} name @param {string} title @param {Node[]} children */
function section(name, title, ...children) {
  const id = `afx-${name}-${++ids}`;
  return h("div", { class: `afx-${name}`, role: "group", "aria-labelledby": id }, h("h3", { id, text: title }), ...children);
}

/** @param {string} caption @param {string[]} columns @param {Record<string, string>} [classes] of columns by name */
function table(caption, columns, classes = {}) {
  const head = h("tr", {}, ...columns.map((text) => h("th", { scope: "col", class: classes[text], text })));
  const body = h("tbody");
  const el = h("table", {}, h("caption", { class: "afx-hidden", text: caption }), h("thead", {}, head), body);
  return { el: h("div", { class: "afx-scroll", tabindex: "0", role: "group", "aria-label": caption }, el), body };
}

/**
 * Rows by key in the order of their keys, made anew only where they changed.
 * @param {HTMLElement} body
 * @param {(row: Row, key: string) => HTMLElement} make
 */
function keyed(body, make) {
  /** @type {Map<string, { text: string, el: HTMLElement }>} */ const made = new Map();
  return (/** @type {[string, Row][]} */ rows) => {
    const keys = new Set(rows.map(([key]) => key));
    for (const [key, known] of made) if (!keys.has(key)) { known.el.remove(); made.delete(key); }
    /** @type {Element | null} */ let place = body.firstElementChild;
    for (const [key, row] of rows) {
      const text = JSON.stringify(row), known = made.get(key);
      if (known && known.text === text) {
        if (known.el === place) place = place.nextElementSibling;
        else body.insertBefore(known.el, place);
        continue;
      }
      const el = make(row, key);
      if (known && known.el === place) place = place.nextElementSibling;
      known?.el.remove();
      body.insertBefore(el, place);
      made.set(key, { text, el });
    }
  };
}

/** @param {Record<string, Row>} rows @returns {[string, Row][]} */
const sorted = (rows) => Object.entries(rows).sort((a, b) => (a[0] < b[0] ? -1 : 1));

// Header

/** @param {View} view @returns {Section} */
function header(view) {
  const store = view.store;
  const name = h("h2", {}), badge = h("span", { class: "afx-badge" }), facts = h("span", { class: "afx-facts" });
  const cancel = view.button("Cancel turn", "Cancel what the agent does now", () => ({ op: "cancel" }), "afx-danger");
  const unwatch = view.button("Stop watching", "Stop watching; the agent goes on", () => ({ op: "unwatch" }));
  const notice = h("p", { class: "afx-notice", hidden: true });
  const el = h("div", {}, h("div", { class: "afx-head" }, name, badge, facts, h("span", { class: "afx-space" }), unwatch, cancel), notice);
  return { el, update() {
    const row = store.session;
    put(name, `${row.agent ?? "agent"} · ${row.id}`);
    badge.dataset.state = row.state;
    put(badge, SESSION_WORDS[row.state] ?? "");
    badge.hidden = row.only !== undefined;
    facts.hidden = cancel.hidden = row.only !== undefined;
    const cost = row.cost === undefined ? "" : `, cost ${row.cost.toFixed(4)}`;
    const unused = row.unused ? ` (${row.unused.toFixed(4)} paid and not used)` : "";
    put(facts, `${row.model ?? ""}, ${plural(row.calls, "model call")}, ${row.input.toLocaleString("en")} tokens in, ${row.output.toLocaleString("en")} out${cost}${unused}`);
    cancel.hidden = cancel.hidden || row.state === "idle";
    unwatch.hidden = !row.watched;
    const text = store.isBusy ? "The kernel has not heard the click yet: it is busy with another cell." : row.notice ?? "";
    notice.hidden = !text;
    put(notice, text);
  } };
}

// What was said and done

/** @param {View} view @returns {Section} */
function talk(view) {
  const store = view.store;
  const list = h("ol");
  const scroll = h("div", { class: "afx-scroll", role: "log", "aria-label": "Conversation", tabindex: "0" }, list);
  const el = section("talk", "Conversation", scroll);
  const write = keyed(list, (row, key) => item(view, row, key));
  return { el, update() {
    const atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 40;
    for (const call of [...view.forms.keys()]) if (!store.rows("held")[call]) view.forms.delete(call);
    write(sorted(store.rows("talk")));
    if (atEnd) scroll.scrollTop = scroll.scrollHeight;
  } };
}

/** @param {View} view @param {Row} row @param {string} key @returns {HTMLElement} */
function item(view, row, key) {
  const el = h("li", { "data-key": key, "data-type": row.type, "data-state": row.state, "data-tone": row.tone, "data-live": row.live });
  if (row.type === "call") return call(view, el, row);
  if (row.thinking) el.append(h("details", {}, h("summary", { text: "thinking" }), h("div", { class: "afx-words afx-meta", text: row.thinking })));
  const by = row.type === "user" ? (row.by === "notebook" ? "you" : row.by) : row.type === "answer" ? view.store.session.agent ?? "agent" : "";
  if (by) el.append(h("span", { class: "afx-by", text: by }));
  el.append(h("span", { class: "afx-words", text: row.text }));
  const about = [row.worker && `step on ${row.worker}`, row.ms !== undefined && millis(row.ms), row.stop].filter(Boolean).join(", ");
  if (about) el.append(h("span", { class: "afx-meta", text: `  ${about}` }));
  moves(el, row);
  return el;
}

/** @param {View} view @param {HTMLElement} el @param {Row} row */
function call(view, el, row) {
  const about = [CALL_WORDS[row.state], row.worker && `on ${row.worker}`, row.ms !== undefined && `in ${millis(row.ms)}`, row.decided && `(${row.decided})`];
  el.dataset.call = row.call;
  el.append(h("div", { class: "afx-call-head" },
    h("span", { class: "afx-glyph", "aria-hidden": "true", text: GLYPHS[row.state] ?? "" }),
    h("code", { text: `${row.name}(${row.arguments ?? ""})` }),
    h("span", { class: "afx-meta", text: about.filter(Boolean).join(" ") })));
  moves(el, row);
  if (row.output) el.append(h("pre", { class: "afx-meta", text: row.output.join("\n") }));
  const held = view.store.rows("held")[row.call];
  if (row.state === "held" && held) {
    const form = view.forms.get(row.call) ?? new Form(view, row.call, held);
    view.forms.set(row.call, form);
    el.append(form.el);
  }
  if (row.result) el.append(h("pre", { text: row.result }));
  return el;
}

/** Hand-offs. @param {HTMLElement} el @param {Row} row */
function moves(el, row) {
  for (const move of row.moves ?? []) {
    const waited = move.waited_ms < 1 ? "started at once" : `waited ${millis(move.waited_ms)} for a slot`;
    const times = move.noticed_ms === undefined ? "" : `: noticed and queued again in ${millis(move.noticed_ms)}, ${waited}`;
    el.append(h("div", { class: "afx-hand-off", text: `⚡ ${move.from} → ${move.to ?? "…"}${times}` }));
  }
}

// The form of a held call

class Form {
  /** @param {View} view @param {string} call @param {Row} held */
  constructor(view, call, held) {
    this.view = view;
    this.call = call;
    this.fields = /** @type {Row[]} */ (held.fields);
    this.timer = 0;
    const drafts = view.store.drafts;
    if (!drafts.has(call)) drafts.set(call, new Map());
    this.draft = /** @type {Map<string, any>} */ (drafts.get(call));
    /** @type {Map<string, any>} */ this.controls = new Map();
    /** @type {Map<string, HTMLElement>} */ this.wrong = new Map();
    this.whole = h("p", { class: "afx-wrong afx-wide", role: "alert", hidden: true });
    this.reason = /** @type {HTMLInputElement} */ (h("input", { type: "text", "aria-label": "Why not, for the agent to read", placeholder: "Why not, for the agent to read" }));
    this.go = /** @type {HTMLButtonElement} */ (h("button", { type: "submit", class: "afx-go", text: "Approve", title: "Approve (Ctrl+Enter)" }));
    this.no = /** @type {HTMLButtonElement} */ (h("button", { type: "button", class: "afx-danger", text: "Reject" }));
    this.el = h("form", { class: "afx-approve", "aria-label": `Approve ${held.name}` });
    for (const field of this.fields) this.el.append(...this.row(field));
    this.el.append(this.whole, h("div", { class: "afx-acts-row afx-wide" }, this.go, this.no, this.reason));
    this.el.addEventListener("submit", (event) => { event.preventDefault(); this.approve(); });
    this.no.addEventListener("click", () => this.send({ op: "reject", call, reason: this.reason.value }));
    this.el.addEventListener("keydown", (event) => this.key(event));
    this.el.addEventListener("input", () => this.changed());
  }

  /** @param {Row} field @returns {HTMLElement[]} */
  row(field) {
    const id = `afx-field-${++ids}`;
    const value = this.draft.has(field.name) ? this.draft.get(field.name) : field.value;
    const control = input(field, value);
    const wrong = h("div", { class: "afx-wrong", id: `${id}-wrong`, hidden: true });
    const about = h("div", { class: "afx-meta", id: `${id}-about`, text: field.about, hidden: !field.about });
    control.id = id;
    control.setAttribute("aria-describedby", `${id}-about ${id}-wrong`);
    if (field.required) control.setAttribute("aria-required", "true");
    this.controls.set(field.name, control);
    this.wrong.set(field.name, wrong);
    return [h("label", { for: id, text: field.name + (field.required ? "" : " (may be left out)") }), h("div", {}, control, about, wrong)];
  }

  /** Keys stay here: the notebook has commands on plain letters. @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.approve();
    } else if (event.key === "Enter" && event.target instanceof HTMLInputElement) {
      event.preventDefault(); // nothing is approved by accident
    }
    event.stopPropagation();
  }

  changed() {
    for (const [name, control] of this.controls) this.draft.set(name, control.type === "checkbox" ? control.checked : control.value);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), CHECK_MS);
  }

  /** The arguments as they stand, and what is no JSON among them. */
  read() {
    /** @type {Row} */ const found = Object.create(null); // an argument may be called `__proto__`
    /** @type {Record<string, string>} */ const problems = {};
    for (const field of this.fields) {
      const control = this.controls.get(field.name), box = field.control === "boolean";
      const untouched = box ? control.checked === (field.value === true) : control.value === String(field.value ?? "");
      if (untouched && !field.given && !field.required) continue; // a default is no change of the call
      if (box) {
        found[field.name] = control.checked;
      } else if (field.control === "text") {
        if (control.value || field.given || field.required) found[field.name] = control.value;
      } else if (control.value.trim() === "") {
        if (field.required) problems[field.name] = "it is missing";
      } else {
        try {
          found[field.name] = JSON.parse(control.value);
        } catch {
          problems[field.name] = field.control === "json" ? "this is no JSON" : "this is no number";
        }
      }
    }
    return { found, problems };
  }

  check() {
    const { found, problems } = this.read();
    if (Object.keys(problems).length) this.problems(problems);
    else this.view.store.model.send({ op: "check", call: this.call, arguments: found });
  }

  /** @param {Record<string, string>} problems */
  problems(problems) {
    for (const [name, control] of this.controls) {
      const wrong = /** @type {HTMLElement} */ (this.wrong.get(name));
      control.setAttribute("aria-invalid", String(name in problems));
      wrong.hidden = !(name in problems);
      put(wrong, problems[name] ?? "");
    }
    this.whole.hidden = !problems[""];
    put(this.whole, problems[""] ?? "");
    this.go.disabled = Object.keys(problems).length > 0;
  }

  approve() {
    clearTimeout(this.timer);
    const { found, problems } = this.read();
    this.problems(problems);
    if (Object.keys(problems).length === 0) this.send({ op: "approve", call: this.call, arguments: found });
  }

  /** @param {Row} content */
  send(content) {
    this.go.disabled = this.no.disabled = true;
    this.view.store.ask(content, (ok) => {
      this.no.disabled = false;
      if (ok) this.view.store.drafts.delete(this.call);
    });
  }
}

/** @param {Row} field @param {any} value @returns {any} */
function input(field, value) {
  if (field.control === "boolean") {
    const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox" }));
    box.checked = value === true;
    return box;
  }
  if (field.control === "choice") {
    const none = field.required ? [] : [h("option", { value: "", text: "" })];
    const list = /** @type {HTMLSelectElement} */ (h("select", {}, ...none, ...field.choices.map((/** @type {string} */ choice) => h("option", { value: choice, text: choice.startsWith('"') ? JSON.parse(choice) : choice }))));
    list.value = value;
    return list;
  }
  const text = value === undefined || value === null ? "" : String(value);
  const long = field.control === "json" || text.length > 60 || text.includes("\n");
  const control = /** @type {HTMLInputElement} */ (long ? h("textarea", { rows: Math.min(6, text.split("\n").length + 1), spellcheck: "false" }) : h("input", { type: "text", inputmode: field.control === "integer" ? "numeric" : undefined }));
  control.value = text;
  return control;
}

// Workers

/** A job in a table: a tool call by its name in the log, or a step. @param {string} path */
const runs = (path) => path.replace(/^step call\//, "call ").replace(/^step wake\/\d+$/, "a step");

/** @param {View} view @returns {Section} */
function workers(view) {
  const store = view.store;
  const { el: scroll, body } = table("Workers", ["worker", "pid", "runs now", "actions"], { actions: "afx-acts" });
  const spawn = view.button("Spawn worker", "Spawn a worker", () => ({ op: "spawn" }));
  const help = h("span", { class: "afx-help", text: "Kill ends a process at once (SIGKILL): the agent goes on elsewhere." });
  const el = section("workers", "Workers", scroll, h("div", { class: "afx-acts-row" }, spawn, help));
  const write = keyed(body, (row, key) => {
    const kill = view.button("Kill", `Kill worker ${key}`, () => ({ op: "kill", worker: key }), "afx-danger");
    kill.hidden = ["killed", "lost", "left"].includes(row.state);
    return h("tr", { "data-worker": key, "data-state": row.state },
      h("th", { scope: "row", text: `${GLYPHS[row.state] ?? ""} ${key}${row.state === "up" ? "" : ` ${row.state}`}` }),
      h("td", { text: row.pid ?? "" }), h("td", { text: (row.running ?? []).map(runs).join(", ") || "–" }),
      h("td", { class: "afx-acts" }, kill));
  });
  return { el, update() {
    write(Object.entries(store.rows("workers")).sort((a, b) => a[0].localeCompare(b[0], "en", { numeric: true })));
  } };
}

// The log

/** @param {View} view @returns {Section} */
function log(view) {
  const store = view.store;
  const numbers = Object.fromEntries(["#", "at", "epoch", "tokens", "cost", "took"].map((name) => [name, "afx-number"]));
  const { el: scroll, body } = table("Events, newest first", ["#", "at", "writer", "epoch", "event", "what", "tokens", "cost", "took"], numbers);
  const filter = /** @type {HTMLInputElement} */ (h("input", { type: "search", "aria-label": "Filter events", placeholder: "Filter: tool_result, w1, failed …" }));
  const count = h("span", { class: "afx-help", role: "status" });
  const tools = h("div", { class: "afx-filter" }, filter, count);
  const only = store.session.only === "log";
  const el = only ? section("log", "Log", tools, scroll)
    : h("div", { class: "afx-log" }, h("details", {}, h("summary", { text: "Log" }), tools, scroll));
  filter.value = store.filter;
  const write = keyed(body, (row, key) => h("tr", { "data-type": row.kind },
    h("td", { class: "afx-number", text: String(Number(key)) }), h("td", { class: "afx-number", text: row.at }),
    h("td", { text: row.writer }), h("td", { class: "afx-number", text: String(row.epoch) }),
    h("th", { scope: "row", text: row.kind }), h("td", { text: row.text }),
    h("td", { class: "afx-number", text: row.tokens === undefined ? "" : row.tokens.toLocaleString("en") }),
    h("td", { class: "afx-number", text: row.cost === undefined ? "" : row.cost.toFixed(6) }),
    h("td", { class: "afx-number", text: row.ms === undefined ? "" : millis(row.ms) })));
  function draw() {
    store.filter = filter.value;
    const wanted = filter.value.trim().toLowerCase();
    const all = sorted(store.rows("log"));
    const found = all.filter(([key, row]) => !wanted || `${Number(key)} ${row.writer} ${row.kind} ${row.text}`.toLowerCase().includes(wanted)).reverse();
    write(found.slice(0, SHOWN_EVENTS));
    put(count, `${Math.min(found.length, SHOWN_EVENTS)} shown of the latest ${all.length.toLocaleString("en")}; %log ${store.session.id ?? ""} has every one`);
  }
  filter.addEventListener("input", draw);
  filter.addEventListener("keydown", (event) => event.stopPropagation());
  return { el, update: draw };
}

// What anywidget calls: once for each model, then for each of its views

export default () => {
  /** @type {Store} */ let store;
  return {
    /** @param {{ model: Model }} props */
    initialize({ model }) {
      store = new Store(model);
      const hear = (/** @type {Row} */ message) => store.hear(message);
      const state = () => store.load(model.get("state"));
      model.on("msg:custom", hear);
      model.on("change:state", state);
      // The state in the model is as old as its display: a later view asks for what it missed.
      model.send({ op: "resync", version: store.version });
      return () => {
        model.off("msg:custom", hear);
        model.off("change:state", state);
      };
    },
    /** @param {{ el: HTMLElement }} props */
    render({ el }) {
      const view = new View(store, el);
      store.views.add(view);
      return () => view.close();
    },
  };
};
