// @ts-check
/**
 * The panel of a run: one file, no build step, nothing from elsewhere.
 *
 * `model.state` is a snapshot, rows by table and key. Changes come as messages with the version
 * they start from; whoever misses one asks for everything. A view keeps nothing but what is
 * folded open and which moment is shown, so it can be thrown away and made again.
 */

/**
 * @typedef {Record<string, any>} Row
 * @typedef {Record<string, Record<string, Row>>} Tables
 * @typedef {{ get(name: string): any, send(content: any): void,
 *   on(name: string, f: (value: any) => void): void,
 *   off(name: string, f: (value: any) => void): void }} Model
 * @typedef {Map<string, Set<string>>} Changes   keys by table
 * @typedef {{ el: HTMLElement, update(changes: Changes | null): void }} Section
 */

const GLYPHS = /** @type {Record<string, string>} */ ({
  planned: "○", waiting: "◔", blocked: "⊘", running: "▶", done: "✓", failed: "✗", caught: "↪", dead: "✉",
  cancelled: "–", lost: "⚡", dropped: "–", up: "●", silent: "◌", draining: "◑", killed: "✕",
  left: "–", fold: "⋯",
});
const WORDS = /** @type {Record<string, string>} */ ({
  dead: "dead letter", up: "up", killed: "killed", left: "stopped", planned: "not begun",
  draining: "finishing", lost: "lost", dropped: "not needed", caught: "failed, caught",
});
const MARK_STATES = /** @type {Record<string, string>} */ ({
  ".": "planned", w: "waiting", r: "running", d: "done", k: "kept", f: "failed", h: "caught",
  x: "dead", c: "cancelled",
});
const STRIP_CELLS = 100;
const SHOWN_ITEMS = 24; // of a fan-out, without pages; as the kernel's side has it
const PAGE = 50;
const SLICE_MS = 12;
const BUSY_AFTER_MS = 2000;
const SILENT_AFTER_MS = 8000; // something comes every two seconds while a run is watched

// Small tools

/**
 * Make an element.
 * @param {string} name
 * @param {Record<string, any>} [props] attributes; `on…` are listeners, `text` is the content
 * @param {(Node | string)[]} children
 * @returns {HTMLElement}
 */
function h(name, props = {}, ...children) {
  const el = document.createElement(name);
  dress(el, props);
  el.append(...children);
  return el;
}

/**
 * @param {string} name
 * @param {Record<string, any>} [props]
 * @param {(Node | string)[]} children
 * @returns {SVGElement}
 */
function s(name, props = {}, ...children) {
  const el = document.createElementNS("http://www.w3.org/2000/svg", name);
  dress(el, props);
  el.append(...children);
  return el;
}

/** @param {Element} el @param {Record<string, any>} props */
function dress(el, props) {
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "text") el.textContent = value;
    else if (key.startsWith("on")) el.addEventListener(key.slice(2), value);
    else el.setAttribute(key, value === true ? "" : String(value));
  }
}

/** Write a text only where it changed. @param {Node} node @param {string} text */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** @param {Element} el @param {string} name @param {string | null} value */
function attr(el, name, value) {
  if (value === null) el.removeAttribute(name);
  else if (el.getAttribute(name) !== value) el.setAttribute(name, value);
}

/** @param {number} seconds */
const clock = (seconds) => `${seconds.toFixed(seconds < 100 ? 2 : 0)} s`;

/** @param {number} ms */
const millis = (ms) => (ms < 1000 ? `${ms.toFixed(ms < 10 ? 1 : 0)} ms` : clock(ms / 1000));

/** @param {number} n @param {string} one @param {string} [many] */
const plural = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many ?? one + "s"}`;

/** @param {number} n */
const ordinal = (n) => n + (["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th");

/** @param {string} state */
const word = (state) => WORDS[state] ?? state;

/** Paths compare by their numbers. @param {string} a @param {string} b */
function byPath(a, b) {
  const left = a.split("/"), right = b.split("/");
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    if (left[i] === right[i]) continue;
    if (left[i] === undefined) return -1;
    if (right[i] === undefined) return 1;
    const difference = Number(left[i]) - Number(right[i]);
    if (difference) return difference;
    return left[i] < right[i] ? -1 : 1;
  }
  return 0;
}

// What a model holds, for all of its views

class Store {
  /** @param {Model} model */
  constructor(model) {
    this.model = model;
    this.version = -1;
    /** @type {Tables} */ this.live = {};
    /** @type {Tables | null} */ this.past = null;
    this.pastAt = 0;
    this.now = 0;
    this.heardAt = performance.now();
    this.waiting = false;
    this.requests = 0;
    this.viewer = Math.random().toString(36).slice(2);
    this.filter = "";
    /** @type {Map<string, { sent: number, heard: boolean, done: (ok: boolean, text: string) => void }>} */
    this.asked = new Map();
    /** @type {Set<View>} */ this.views = new Set();
    /** @type {Map<string, boolean>} */ this.folds = new Map();
    this.load(model.get("state"));
  }

  get tables() { return this.past ?? this.live; }
  /** @param {string} table @returns {Record<string, Row>} */
  rows(table) { return this.tables[table] ?? {}; }
  get run() { return this.rows("run").run ?? {}; }
  get isLive() { return this.past === null; }
  /** When the run ended, in seconds; undefined while it runs. @returns {number | undefined} */
  get ended() { return this.live.run?.run?.took; }
  /** Seconds of the run that have passed. */
  get elapsed() {
    return this.ended ?? this.now + Math.min(performance.now() - this.heardAt, SILENT_AFTER_MS) / 1000;
  }
  /** Whether nothing comes any more from a kernel that still watched. */
  get isSilent() {
    return this.live.run?.run?.live === true && performance.now() - this.heardAt > SILENT_AFTER_MS;
  }

  /** @param {Row} snapshot */
  load(snapshot) {
    if (!snapshot || !snapshot.tables || snapshot.version < this.version + (this.waiting ? 0 : 1)) return;
    this.version = snapshot.version;
    this.live = snapshot.tables;
    this.waiting = false;
    this.time(snapshot.now);
    this.tell(null);
  }

  /** @param {number | undefined} now */
  time(now) {
    if (now === undefined) return;
    this.now = now;
    this.heardAt = performance.now();
  }

  /** @param {Row} message */
  hear(message) {
    if (message.kind === "diff") this.apply(message);
    else if (message.kind === "snapshot") this.load(message);
    else if (message.kind === "past") this.show(message);
    else if (message.kind === "heard") this.noted(message.id);
    else if (message.kind === "answer") this.answered(message);
  }

  /** @param {Row} diff */
  apply(diff) {
    this.time(diff.now);
    if (diff.to <= this.version) return;
    if (diff.from !== this.version) {
      if (!this.waiting) this.model.send({ op: "resync", version: this.version });
      this.waiting = true;
      return;
    }
    this.version = diff.to;
    const changes = merge(this.live, diff);
    if (this.isLive) this.tell(changes);
  }

  /** @param {Row} message */
  show(message) {
    if (this.wanted === undefined || message.viewer !== this.viewer) return; // back to live meanwhile, or another tab's
    const first = this.past === null || message.from === 0;
    if (first) this.past = {};
    const changes = merge(/** @type {Tables} */ (this.past), message);
    this.pastAt = message.at;
    this.tell(first ? null : changes);
    this.asking = false;
    if (this.wanted !== message.at) this.look(this.wanted);
  }

  /** Ask for a moment of the past; one question at a time. @param {number | undefined} at */
  look(at) {
    this.wanted = at;
    if (at === undefined) {
      this.past = null;
      this.asking = false;
      this.model.send({ op: "live", viewer: this.viewer });
      this.tell(null);
    } else if (!this.asking) {
      this.asking = true;
      this.model.send({ op: "at", at, viewer: this.viewer });
    }
  }

  /** @type {number | undefined} */ wanted = undefined;
  asking = false;

  /** @param {Changes | null} changes */
  tell(changes) { for (const view of this.views) view.changed(changes); }

  /**
   * Send a click.
   * @param {Row} content
   * @param {(ok: boolean, text: string) => void} done
   */
  ask(content, done) {
    const id = `${this.viewer}-${++this.requests}`;
    this.asked.set(id, { sent: performance.now(), heard: false, done });
    this.model.send({ ...content, id });
    setTimeout(() => this.tell(new Map()), BUSY_AFTER_MS + 50);
  }

  /** @param {string} id */
  noted(id) {
    const request = this.asked.get(id);
    if (request) request.heard = true;
  }

  /** @param {Row} answer */
  answered(answer) {
    const request = this.asked.get(answer.id);
    this.asked.delete(answer.id);
    if (answer.id && !request) return; // another tab's
    request?.done(answer.ok, answer.text);
    for (const view of this.views) view.say(answer.text, !answer.ok);
  }

  /** Whether a click was not heard for too long. */
  get isBusy() {
    const now = performance.now();
    return [...this.asked.values()].some((r) => !r.heard && now - r.sent > BUSY_AFTER_MS);
  }
}

/** Apply a diff to tables; what it touched. @param {Tables} tables @param {Row} diff */
function merge(tables, diff) {
  /** @type {Changes} */ const changes = new Map();
  for (const [table, rows] of Object.entries(diff.set ?? {})) {
    Object.assign((tables[table] ??= {}), rows);
    changes.set(table, new Set(Object.keys(rows)));
  }
  for (const [table, keys] of Object.entries(diff.drop ?? {})) {
    const touched = changes.get(table) ?? new Set();
    for (const key of /** @type {string[]} */ (keys)) {
      delete (tables[table] ?? {})[key];
      touched.add(key);
    }
    changes.set(table, touched);
  }
  return changes;
}

// One view: sections that are brought up to date in slices, so that no task is long

class View {
  /** @param {Store} store @param {HTMLElement} el */
  constructor(store, el) {
    this.store = store;
    /** @type {Changes | null | undefined} */ this.pending = undefined;
    /** @type {Array<() => void>} */ this.jobs = [];
    this.frame = 0;
    this.el = el;
    el.classList.add("afx");
    this.problem = h("p", { class: "afx-problem", role: "alert", hidden: true });
    this.status = h("p", { class: "afx-said", role: "status", "aria-live": "polite" });
    this.announced = h("p", { class: "afx-hidden", role: "status", "aria-live": "polite" });
    /** @type {Section[]} */
    this.sections = [header, tree, workers, queues, timeline, dead, output, log].map((make) => make(this));
    const [head, effect, team, queue, chart, letters, prints, events] = this.sections.map((section) => section.el);
    el.replaceChildren(this.problem, head, columns("top", effect, columns("stack", team, queue)), chart, letters, columns("end", prints, events), this.announced);
    this.timer = setInterval(() => this.tick(), 250);
    this.changed(null);
  }

  /** @param {Changes | null} changes null for everything */
  changed(changes) {
    if (changes === null || this.pending === null) this.pending = null;
    else if (this.pending === undefined) this.pending = new Map([...changes].map(([t, keys]) => [t, new Set(keys)]));
    else for (const [table, keys] of changes) {
      const known = this.pending.get(table) ?? new Set();
      for (const key of keys) known.add(key);
      this.pending.set(table, known);
    }
    this.soon();
  }

  /** Do something when there is time for it. @param {() => void} job */
  later(job) {
    this.jobs.push(job);
    this.soon();
  }

  soon() {
    this.el.removeAttribute("data-drawn");
    if (!this.frame) this.frame = requestAnimationFrame(() => this.guard(() => this.draw()));
  }

  draw() {
    this.frame = 0;
    const begun = performance.now();
    if (this.pending !== undefined) {
      const changes = this.pending;
      this.pending = undefined;
      this.jobs.unshift(...this.sections.map((section) => () => section.update(changes)));
    }
    while (this.jobs.length && performance.now() - begun < SLICE_MS) {
      const job = this.jobs.shift();
      if (job) this.guard(job);
    }
    attr(this.el, "data-drawn", this.jobs.length ? null : "");
    if (this.jobs.length) this.soon();
  }

  tick() {
    if (!this.el.isConnected || document.hidden) return;
    if (this.store.isLive && this.store.run.took === undefined) this.changed(new Map([["now", new Set()]]));
  }

  /** Show our own mistakes where somebody sees them. @param {() => void} work */
  guard(work) {
    try {
      work();
    } catch (error) {
      this.problem.hidden = false;
      put(this.problem, `The panel has a defect: ${error instanceof Error ? error.message : error}. Tables and commands still work: %workers, %events.`);
      console.error(error);
    }
  }

  /** @param {string} text @param {boolean} [bad] */
  say(text, bad = false) {
    this.status.classList.toggle("afx-bad", bad);
    put(this.status, text);
  }

  /** For screen readers alone. @param {string} text */
  announce(text) { put(this.announced, text); }

  /**
   * A button that sends a click and says what came of it.
   * @param {string} text
   * @param {string} name full name, for those who do not see the row
   * @param {() => Row} content
   * @param {{ busy?: string, confirm?: string, danger?: boolean }} [options]
   */
  button(text, name, content, options = {}) {
    const button = /** @type {HTMLButtonElement} */ (h("button", { type: "button", "aria-label": name, title: name, text }));
    if (options.danger) button.classList.add("afx-danger");
    button.dataset.acts = "";
    button.disabled = !this.store.isLive;
    const send = () => {
      button.dataset.sent = "";
      button.disabled = true;
      put(button, options.busy ?? text);
      this.store.ask(content(), () => {
        delete button.dataset.sent;
        button.disabled = !this.store.isLive;
        put(button, text);
      });
    };
    button.addEventListener("click", () => (options.confirm ? confirm(button, options.confirm, text, send) : send()));
    return button;
  }

  close() {
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
    this.store.views.delete(this);
  }
}

/**
 * Ask once more where something would be lost.
 * @param {HTMLButtonElement} button @param {string} question @param {string} text @param {() => void} send
 */
function confirm(button, question, text, send) {
  const yes = h("button", { type: "button", class: "afx-danger", text });
  const no = h("button", { type: "button", text: "Keep" });
  const box = h("span", { class: "afx-confirm", role: "group", "aria-label": question }, h("span", { text: question }), yes, no);
  const back = () => { box.replaceWith(button); button.focus(); };
  yes.addEventListener("click", () => { back(); send(); });
  no.addEventListener("click", back);
  box.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.stopPropagation(); back(); } });
  button.replaceWith(box);
  no.focus();
}

let ids = 0;

/**
 * A section with a heading.
 * @param {string} name @param {string} title
 * @param {{ beside?: Node[] }} options what stands in the line of the heading
 * @param {Node[]} children
 */
function section(name, title, options, ...children) {
  const line = h("div", { class: "afx-title" }, h("h3", { text: title }), ...(options.beside ?? []));
  return h("section", { class: `afx-${name}` }, line, ...children);
}

/** Sections beside each other where there is room. @param {string} name @param {HTMLElement[]} children */
const columns = (name, ...children) => h("div", { class: `afx-columns afx-${name}` }, ...children);

/**
 * @param {string} caption @param {string[]} names of the columns
 * @param {{ numbers?: number[], last?: boolean }} [options] columns of numbers; whether the last holds buttons
 */
function table(caption, names, options = {}) {
  const kind = (/** @type {number} */ i) => (options.numbers?.includes(i) ? "afx-number" : options.last && i === names.length - 1 ? "afx-acts" : null);
  const head = h("tr", {}, ...names.map((text, i) => h("th", { scope: "col", class: kind(i), text })));
  const body = h("tbody");
  const el = h("table", {}, h("caption", { class: "afx-hidden", text: caption }), h("thead", {}, head), body);
  return { el: h("div", { class: "afx-scroll", tabindex: "0", role: "region", "aria-label": caption }, el), body };
}

/**
 * Rows by key, made once and changed where they changed.
 * @template T
 * @param {HTMLElement} body
 * @param {(key: string) => { el: HTMLElement } & T} make
 * @param {(made: T, row: Row, key: string) => void} write
 * @param {(a: string, b: string) => number} order
 */
function keyed(body, make, write, order) {
  /** @type {Map<string, { el: HTMLElement } & T>} */ const made = new Map();
  return (/** @type {Record<string, Row>} */ rows, /** @type {Set<string> | null} */ keys) => {
    for (const key of keys === null ? new Set([...made.keys(), ...Object.keys(rows)]) : keys) {
      const row = rows[key];
      const known = made.get(key);
      if (!row) {
        known?.el.remove();
        made.delete(key);
        continue;
      }
      const item = known ?? make(key);
      write(item, row, key);
      if (known) continue;
      made.set(key, item);
      let before = /** @type {HTMLElement | null} */ (body.lastElementChild);
      while (before && order(before.dataset.key ?? "", key) > 0) before = /** @type {HTMLElement | null} */ (before.previousElementSibling);
      item.el.dataset.key = key;
      if (before) before.after(item.el);
      else body.prepend(item.el);
    }
    return made;
  };
}

/** Glyph and word of a state. @param {HTMLElement} el @param {string} state @param {string} [text] */
function stateOf(el, state, text) {
  attr(el, "data-state", state);
  put(el, `${GLYPHS[state] ?? ""} ${text ?? word(state)}`.trim());
}

// Header

const PROGRESS = ["kept", "done", "running", "waiting", "failed", "caught", "dead", "cancelled"];

/** @param {View} view @returns {Section} */
function header(view) {
  const badge = h("span", { class: "afx-badge" });
  const name = h("h2", {});
  const id = h("code", { class: "afx-id" });
  const progress = h("div", { class: "afx-progress", role: "img" }, ...PROGRESS.map((state) => h("span", { "data-state": state })));
  const figures = h("ul", { class: "afx-figures", "aria-label": "The run in figures" });
  const result = h("p", { class: "afx-result" });
  const notice = h("p", { class: "afx-notice", hidden: true });
  const unwatch = view.button("Stop watching", "Stop watching this run; it goes on", () => ({ op: "unwatch" }));
  const cancel = view.button("Cancel run", "Cancel this run for good", () => ({ op: "cancel" }), {
    busy: "Cancelling…", confirm: "End this run for good?", danger: true,
  });
  const line = h("div", { class: "afx-line" }, id, view.status);
  const el = h("div", { class: "afx-header" }, h("div", { class: "afx-head" }, badge, name, h("span", { class: "afx-space" }), unwatch, cancel),
    line, progress, figures, result, notice);
  let said = "";
  return { el, update() {
    const store = view.store, run = store.run;
    put(name, run.name || (run.kind === "memory" ? "Run in this process" : "Run"));
    put(id, run.id ?? "");
    line.hidden = run.kind === "memory" && !view.status.textContent;
    stateOf(badge, run.status === "waiting" ? "blocked" : run.status ?? "planned", run.status === "waiting" ? "waiting for a worker" : run.status);
    shares(progress, run);
    figuresOf(figures, store, run);
    const failed = run.error && run.status !== "cancelled";
    put(result, failed ? `failed: ${run.error}` : run.result && !run.error ? `result: ${run.result}` : "");
    attr(result, "data-state", failed ? "failed" : null);
    result.hidden = !result.textContent;
    const silent = `Nothing has come from the kernel for ${SILENT_AFTER_MS / 1000} s. If it was restarted, run the cell again: the run goes on. `;
    const busy = store.isBusy ? "The kernel is busy: your click waits until it is free. " : "";
    put(notice, (store.isSilent ? silent : busy) + (run.notice ?? ""));
    notice.hidden = !notice.textContent;
    const over = run.took !== undefined;
    unwatch.hidden = over || run.watched !== true;
    cancel.hidden = over || run.kind === "memory";
    for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (view.el.querySelectorAll("button[data-acts]")))
      button.disabled = !store.isLive || "sent" in button.dataset;
    view.el.classList.toggle("afx-past", !store.isLive);
    if (run.status !== said && said && store.isLive) view.announce(`run ${run.status}`);
    said = run.status;
  } };
}

/** A moment of the run; of a quick one, once it has ended, in milliseconds. @param {Store} store @param {number} at */
const moment = (store, at) => ((store.ended ?? 1) < 0.1 ? millis(at * 1000) : clock(at));

/** Steps that ended, and all that are known of. @param {Row} run */
function stepsOf(run) {
  const counts = run.jobs ?? {};
  const begun = Object.values(counts).reduce((a, b) => a + b, 0);
  return { ended: (counts.done ?? 0) + (counts.failed ?? 0) + (counts.caught ?? 0), all: begun + (run.to_come ?? 0) };
}

/** How the steps stand, as parts of a bar. @param {HTMLElement} el @param {Row} run */
function shares(el, run) {
  const counts = run.jobs ?? {}, { ended, all } = stepsOf(run);
  const kept = Math.min(run.kept ?? 0, counts.done ?? 0);
  PROGRESS.forEach((state, i) => {
    const number = state === "kept" ? kept : state === "done" ? (counts.done ?? 0) - kept : counts[state] ?? 0;
    /** @type {HTMLElement} */ (el.children[i]).style.width = `${all ? (100 * number) / all : 0}%`;
  });
  attr(el, "aria-label", `${ended} of ${plural(all, "step")} ended`);
}

/** @param {HTMLElement} el @param {Store} store @param {Row} run */
function figuresOf(el, store, run) {
  const { ended, all } = stepsOf(run);
  /** @type {Array<[string, string, string?]>} */
  const found = [[moment(store, store.isLive ? store.elapsed : store.pastAt), store.isLive ? "" : "into the run", "time"]];
  if (all) found.push([ended === all ? all.toLocaleString("en") : `${ended.toLocaleString("en")} of ${all.toLocaleString("en")}`, `${all === 1 ? "step" : "steps"} ended`]);
  if (run.kept) found.push([run.kept.toLocaleString("en"), `${run.kept === 1 ? "step" : "steps"} from the record`, "kept"]);
  if (run.lost) found.push([run.lost.toLocaleString("en"), `${run.lost === 1 ? "job" : "jobs"} lost a worker`, "lost"]);
  if (run.moved) found.push([run.moved.toLocaleString("en"), `handed over${slowest(store)}`, "again"]);
  const others = (run.again ?? 0) - (run.moved ?? 0);
  if (others > 0) found.push([others.toLocaleString("en"), "took another try", "again"]);
  if (run.kind === "dist" && (run.lost || run.kept)) found.push([String(run.redone ?? 0), "finished jobs run again", run.redone ? "lost" : "done"]);
  while (el.children.length > found.length) el.lastElementChild?.remove();
  found.forEach(([value, label, tone], i) => {
    const li = el.children[i] ?? el.appendChild(h("li", {}, h("b"), " ", h("span")));
    attr(li, "data-tone", tone ?? null);
    put(li.children[0], value);
    put(li.children[1], label);
  });
}

/** @param {Store} store */
function slowest(store) {
  const took = Object.values(store.rows("moves")).filter((move) => move.waited_ms !== undefined).map((move) => (move.noticed_ms ?? 0) + move.waited_ms);
  return took.length ? `, in ${millis(Math.max(...took))}${took.length > 1 ? " at most" : ""}` : "";
}

// Effect tree

/** @typedef {{ li: HTMLElement, glyph: HTMLElement, text: HTMLElement, meta: HTMLElement, strip: HTMLElement, group: HTMLElement, kids: string[] | null }} Item */

/** @param {View} view @returns {Section} */
function tree(view) {
  const store = view.store;
  const root = h("ul", { role: "tree", "aria-label": "Steps of the run" });
  const el = section("tree", "Effect", {}, root);
  /** @type {Map<string, Item>} */ const items = new Map();
  /** @type {Map<string, string[]>} */ const children = new Map();
  /** @type {Map<string, string>} */ const parents = new Map();

  /** @param {string} key @returns {Row | undefined} */
  const rowOf = (key) => store.rows("nodes")[key] ?? store.rows("stages")[key];
  /** @param {string} key @returns {[string, number]} */
  const place = (key) => {
    const row = rowOf(key) ?? {};
    return row.number === undefined ? [key, 0] : [row.after ?? "", row.number];
  };
  /** @param {string} a @param {string} b */
  const order = (a, b) => {
    const [pathA, numberA] = place(a), [pathB, numberB] = place(b);
    return byPath(pathA, pathB) || numberA - numberB;
  };

  /** @param {string} key @param {Row} row */
  const isOpen = (key, row) => store.folds.get(key) ?? (row.kind === "scope" && row.index === undefined);

  /** @param {string} key */
  function index(key) {
    const row = rowOf(key), known = parents.get(key);
    if (!row) {
      if (known === undefined) return;
      const siblings = children.get(known) ?? [];
      siblings.splice(siblings.indexOf(key), 1);
      parents.delete(key);
      items.get(key)?.li.remove();
      items.delete(key);
    } else if (known === undefined) {
      const parent = row.parent ?? "", siblings = children.get(parent) ?? [];
      let at = siblings.length;
      while (at && order(siblings[at - 1], key) > 0) at--;
      siblings.splice(at, 0, key);
      children.set(parent, siblings);
      parents.set(key, parent);
    }
  }

  /** @param {string} key */
  function draw(key) {
    const row = rowOf(key);
    if (!row) return;
    const parent = parents.get(key) ?? "";
    const above = parent ? items.get(parent) : undefined;
    if (parent && (!above || above.kids === null)) return; // folded: made when it is opened
    let item = items.get(key);
    if (!item) {
      item = make(key, row);
      items.set(key, item);
      insert(above ? above.group : root, item.li, key, children.get(parent) ?? []);
    }
    write(item, key, row);
    fold(item, key, row, isOpen(key, row));
  }

  /** @param {HTMLElement} group @param {HTMLElement} li @param {string} key @param {string[]} siblings */
  function insert(group, li, key, siblings) {
    for (let at = siblings.indexOf(key) - 1; at >= 0; at--) {
      const before = items.get(siblings[at]);
      if (before && before.li.parentElement === group) return before.li.after(li);
    }
    group.prepend(li);
  }

  /** @param {string} key @param {Row} row @returns {Item} */
  function make(key, row) {
    const parts = { glyph: h("span", { class: "afx-glyph", "aria-hidden": "true" }), text: h("span", { class: "afx-text" }),
      meta: h("span", { class: "afx-meta" }), strip: h("div", { class: "afx-strip", role: "img", hidden: true }),
      group: h("ul", { role: "group", hidden: true }) };
    const line = h("div", { class: "afx-node" }, h("span", { class: "afx-twist", "aria-hidden": "true" }), parts.glyph, h("span", { class: "afx-what" }, parts.text, " ", parts.meta));
    const li = h("li", { role: "treeitem", tabindex: items.size ? "-1" : "0", "data-kind": row.kind ?? "stage" }, line, parts.strip, parts.group);
    line.addEventListener("click", () => toggle(key));
    parts.strip.addEventListener("click", (event) => openAt(key, /** @type {HTMLElement} */ (event.target)));
    return { li, ...parts, kids: null };
  }

  /** @param {Item} item @param {string} key @param {Row} row */
  function write(item, key, row) {
    const over = store.run.took !== undefined;
    const blocked = row.state === "waiting" && store.run.status === "waiting";
    const state = blocked ? "blocked" : row.state;
    attr(item.li, "data-state", state ?? null);
    attr(item.li, "data-kept", row.kept ? "" : null);
    put(item.glyph, row.kind === undefined ? "·" : GLYPHS[row.kind === "fold" ? "fold" : state] ?? "");
    const text = title(key, row), meta = about(row, state, over);
    put(item.text, text);
    put(item.meta, meta);
    const known = row.kind === undefined ? "" : state === "planned" && over ? ", not reached" : `, ${word(state)}`;
    attr(item.li, "aria-label", `${text}${known}${meta ? ", " + meta : ""}`);
    item.strip.hidden = row.kind !== "fan_out";
    if (row.kind === "fan_out") strip(item.strip, row);
  }

  /** @param {string} key @param {Row} row */
  const foldable = (key, row) => row.kind === "fan_out" || row.kind === "scope" || (children.get(key) ?? []).length > 0;

  /** @param {Item} item @param {string} key @param {Row} row @param {boolean} open */
  function fold(item, key, row, open) {
    attr(item.li, "aria-expanded", foldable(key, row) ? String(open) : null);
    item.group.hidden = !open;
    if (open && item.kids === null) {
      item.kids = children.get(key) ?? [];
      for (const kid of item.kids) view.later(() => draw(kid));
    } else if (!open && item.kids !== null) {
      item.kids = null;
      for (const li of item.group.querySelectorAll("li")) items.delete(/** @type {HTMLElement} */ (li).dataset.key ?? "");
      item.group.replaceChildren();
    }
    item.li.dataset.key = key;
    if (open && row.kind === "fan_out") more(item, key, row);
  }

  /** Where a fan-out has more items than are shown. @param {Item} item @param {string} key @param {Row} row */
  function more(item, key, row) {
    const shown = (children.get(key) ?? []).length, count = row.count ?? 0;
    let li = /** @type {HTMLElement | null} */ (item.group.querySelector(":scope > .afx-more"));
    if (shown >= count || count <= SHOWN_ITEMS) return li?.remove();
    if (!li) {
      const number = /** @type {HTMLInputElement} */ (h("input", { type: "number", min: "0", max: String(count - 1), value: "0", "aria-label": "Number of an item" }));
      const go = h("button", { type: "button", text: "Show items from there" });
      go.addEventListener("click", () => page(key, Number(number.value)));
      li = h("li", { role: "treeitem", tabindex: "-1", class: "afx-more", "aria-label": "more items" }, number, go);
      li.addEventListener("keydown", (event) => event.stopPropagation());
    }
    item.group.append(li);
  }

  /** @param {string} key @param {number} item */
  const page = (key, item) => store.model.send({ op: "open", path: key, page: Math.floor(item / PAGE) });

  /** @param {string} key */
  function toggle(key) {
    const row = rowOf(key), item = items.get(key);
    if (!row || !item || !foldable(key, row)) return;
    const open = !isOpen(key, row);
    store.folds.set(key, open);
    if (row.kind === "fan_out") store.model.send({ op: open ? "open" : "close", path: key, page: 0 });
    fold(item, key, row, open);
  }

  /** @param {string} key @param {HTMLElement} cell */
  function openAt(key, cell) {
    const row = rowOf(key);
    if (!row) return;
    if (!isOpen(key, row)) toggle(key);
    if (cell.dataset.from) page(key, Number(cell.dataset.from));
  }

  root.addEventListener("keydown", (event) => arrows(event, root, toggle));
  return { el, update(changes) {
    if (changes === null) {
      items.clear(), children.clear(), parents.clear();
      root.replaceChildren();
    }
    const keys = changes === null
      ? [...Object.keys(store.rows("nodes")), ...Object.keys(store.rows("stages"))].sort((a, b) => byPath(place(a)[0], place(b)[0]))
      : [...(changes.get("nodes") ?? []), ...(changes.get("stages") ?? [])];
    if (changes?.has("run")) for (const key of items.keys()) if (!keys.includes(key) && keys.length < 50) keys.push(key);
    inSlices(view, keys, (key) => { index(key); draw(key); });
  } };
}

/** @template T @param {View} view @param {T[]} things @param {(thing: T) => void} work */
function inSlices(view, things, work) {
  for (let from = 0; from < things.length; from += 40) {
    const some = things.slice(from, from + 40);
    view.later(() => some.forEach(work));
  }
}

/** @param {string} key @param {Row} row */
function title(key, row) {
  if (row.kind === "fold") return `${plural(row.count, "earlier step")}`;
  if (row.kind === undefined) return row.text;
  const number = row.index !== undefined ? `#${row.index} ` : "";
  if (row.kind === "fan_out") {
    const what = `for_each ${row.task ?? ""}`.trim();
    return `${number}${row.label ? `${row.label}: ` : ""}${what} × ${(row.count ?? 0).toLocaleString("en")}`;
  }
  return `${number}${row.label ?? row.text ?? row.task ?? (row.index === undefined ? "step " + key : "")}`.trim();
}

/** @param {Row} row @param {string} state @param {boolean} over */
function about(row, state, over) {
  const parts = [];
  if (row.note && !over) parts.push(row.note);
  if (row.kind === undefined || row.kind === "fold") return parts.join(" · ");
  if (row.tries > 1) parts.push(`${ordinal(row.tries)} try`);
  if (row.kept) parts.push("from the record");
  if (row.kind === "scope" || row.kind === "fan_out") {
    const counts = row.counts ?? {};
    const begun = Object.values(counts).reduce((a, b) => a + b, 0);
    for (const name of ["done", "running", "waiting", "failed", "caught", "dead", "cancelled"])
      if (counts[name]) parts.push(name === "dead" ? plural(counts[name], "dead letter") : `${counts[name].toLocaleString("en")} ${word(name)}`);
    if (row.again) parts.push(`${row.again.toLocaleString("en")} took another try`);
    const goesOn = ["planned", "waiting", "running", "blocked"].includes(state) && !over;
    if (row.kind === "fan_out" && begun < (row.count ?? 0) && goesOn) parts.push(`${((row.count ?? 0) - begun).toLocaleString("en")} to come`);
    return parts.join(" · ");
  }
  if (state === "planned") parts.push(over ? "not reached" : "");
  else if (state === "failed" && row.error?.startsWith("ContractViolation(")) parts.push("failed (contract)");
  else if (state !== "done") parts.push(state === "blocked" ? "no worker can run it" : word(state));
  if (row.worker && row.worker !== "memory") parts.push(row.worker);
  if (row.ms !== undefined) parts.push(millis(row.ms));
  if (row.error) parts.push(row.error);
  return parts.filter(Boolean).join(" · ");
}

const WORST = "xfrw.chkd";

/** @param {string} lengths */
function marksOf(lengths) {
  return lengths.replace(/(\d+)(\D)/g, (_, n, mark) => mark.repeat(Number(n)));
}

/** Draw the items of a fan-out as a strip. @param {HTMLElement} el @param {Row} row */
function strip(el, row) {
  const text = row.marks + JSON.stringify(row.tried ?? {});
  if (el.dataset.drawn === text) return;
  el.dataset.drawn = text;
  const marks = marksOf(row.marks ?? "");
  const size = Math.max(Math.ceil(marks.length / STRIP_CELLS), 1);
  const cells = Math.ceil(marks.length / size);
  while (el.children.length > cells) el.lastElementChild?.remove();
  while (el.children.length < cells) el.append(h("span"));
  el.classList.toggle("afx-dense", marks.length > STRIP_CELLS);
  for (let at = 0; at < cells; at++) {
    const part = marks.slice(at * size, (at + 1) * size);
    const mark = size === 1 ? part : [...WORST].find((m) => part.includes(m)) ?? ".";
    const state = MARK_STATES[mark] ?? "planned";
    const cell = /** @type {HTMLElement} */ (el.children[at]);
    attr(cell, "data-state", state);
    cell.dataset.from = String(at * size);
    const tries = size === 1 ? row.tried?.[at] : undefined;
    attr(cell, "data-again", tries > 1 ? "" : null);
    const glyph = size > 1 || state === "planned" ? "" : GLYPHS[state === "kept" ? "done" : state], again = tries > 1 ? ordinal(tries) : "";
    if (cell.textContent !== glyph + again) cell.replaceChildren(glyph, ...(again ? [h("small", { text: again })] : []));
    attr(cell, "title", size === 1 ? `#${at} ${state === "kept" ? "done, from the record" : word(state)}${tries > 1 ? `, ${ordinal(tries)} try` : ""}` : `#${at * size} to #${at * size + part.length - 1}`);
  }
  attr(el, "aria-label", `${plural(marks.length, "item")}: ${about(row, row.state, false)}`);
}

/** Arrow keys in a tree. @param {KeyboardEvent} event @param {HTMLElement} root @param {(key: string) => void} toggle */
function arrows(event, root, toggle) {
  const here = /** @type {HTMLElement | null} */ (/** @type {HTMLElement} */ (event.target).closest("[role=treeitem]"));
  if (!here) return;
  const all = /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[role=treeitem]")].filter((li) => !li.parentElement?.hidden));
  const at = all.indexOf(here), open = here.getAttribute("aria-expanded"), key = here.dataset.key ?? "";
  /** @type {HTMLElement | null | undefined} */ let next;
  if (event.key === "ArrowDown") next = all[at + 1];
  else if (event.key === "ArrowUp") next = all[at - 1];
  else if (event.key === "Home") next = all[0];
  else if (event.key === "End") next = all[all.length - 1];
  else if (event.key === "ArrowRight" && open === "true") next = here.querySelector("[role=treeitem]");
  else if (event.key === "ArrowLeft" && open !== "true") next = /** @type {HTMLElement | null | undefined} */ (here.parentElement?.closest("[role=treeitem]"));
  else if (["Enter", " "].includes(event.key) || (open === "false" && event.key === "ArrowRight") || (open === "true" && event.key === "ArrowLeft")) toggle(key);
  else return;
  event.preventDefault();
  event.stopPropagation();
  if (!next) return;
  here.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}

// Timeline

const LEFT = 76, RIGHT = 14, TOP = 10, LANE = 18, GAP = 3, NOTE = 15, MOST_NOTES = 4, AXIS = 22, GUTTER = 10, TRACK = 5, CORNER = 4;

/** The length of a live axis: a round number, so that bars seldom have to move. @param {number} seconds */
function reach(seconds) {
  const unit = 10 ** Math.floor(Math.log10(Math.max(seconds, 0.1)));
  return unit * ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * unit >= seconds) ?? 10);
}

/** Round moments along an axis. @param {number} end @param {number} most */
function ticksOf(end, most) {
  const unit = 10 ** Math.floor(Math.log10(end / most));
  const step = unit * ([1, 2, 5, 10].find((n) => n * unit * most >= end) ?? 10);
  return Array.from({ length: Math.floor(end / step + 1e-9) + 1 }, (_, n) => n * step);
}

/** @param {number} t @param {number} end */
const tickText = (t, end) => (end < 1 ? `${Number((t * 1000).toPrecision(3))} ms` : `${Number(t.toPrecision(4))} s`);

const ruler = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
/** @type {Map<string, number>} */ const widths = new Map();

/** Width of a text of the chart in pixels. @param {string} text */
function widthOf(text) {
  let known = widths.get(text);
  if (known === undefined) widths.set(text, (known = ruler.measureText(text).width));
  if (widths.size > 5000) widths.clear();
  return known;
}

/** A path along points, with round corners. @param {Array<[number, number]>} points */
function route(points) {
  let path = `M${points[0][0]},${points[0][1]}`;
  for (let i = 1; i < points.length - 1; i++) {
    const [px, py] = points[i - 1], [x, y] = points[i], [nx, ny] = points[i + 1];
    const before = Math.min(CORNER, Math.hypot(x - px, y - py) / 2), after = Math.min(CORNER, Math.hypot(nx - x, ny - y) / 2);
    path += ` L${x - Math.sign(x - px) * before},${y - Math.sign(y - py) * before} Q${x},${y} ${x + Math.sign(nx - x) * after},${y + Math.sign(ny - y) * after}`;
  }
  const [x, y] = points[points.length - 1];
  return `${path} L${x},${y}`;
}

/**
 * What the chart knows of a worker: `from` and `to` are its life in seconds, `top` and `height`
 * the place of its lanes, `gutter` the space below them. `notes` tell of the jobs it lost, in the
 * space its death left free or else in the gutter.
 * @typedef {{ label: string, number: number, lanes: number, from: number, to: number | undefined, busyUntil: number,
 *   moves: Array<[string, Row]>, lines: string[], beside: boolean, top: number, height: number,
 *   gutter: number, down: number, up: number }} Team
 */

/** @param {View} view @returns {Section} */
function timeline(view) {
  const store = view.store;
  const arrow = `afx-arrow-${++ids}`, hatch = `afx-hatch-${ids}`;
  const back = s("g"), bars = s("g"), front = s("g"), names = s("g"); // names over arrows, on the colour of their bar
  const now = s("line", { class: "afx-now" });
  const svg = s("svg", { role: "img", "aria-label": "Timeline" },
    s("defs", {}, s("marker", { id: arrow, viewBox: "0 0 8 8", refX: "6", refY: "4", markerWidth: "7", markerHeight: "7", orient: "auto" }, s("path", { d: "M0,0 L8,4 L0,8 z" })),
      s("pattern", { id: hatch, class: "afx-hatch", width: "6", height: "6", patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, s("rect", { width: "6", height: "6" }), s("line", { y2: "6" }))),
    back, bars, front, names, now);
  svg.style.setProperty("--hatch", `url(#${hatch})`);
  const replay = slider(view);
  const twin = timelineTable(view);
  const keys = h("ul", { class: "afx-legend", "aria-hidden": "true" }, ...[["done", "done"], ["running", "running"], ["again", "another try"], ["failed", "failed"], ["lost", "broke off"]].map(([key, text]) => h("li", { "data-key": key, text })));
  const el = section("timeline", "Timeline", { beside: [keys] }, h("div", { class: "afx-chart" }, svg), replay.el, twin.el);
  /** @type {Map<string, { g: SVGElement, name: SVGElement }>} */ const drawn = new Map();
  const layout = { width: 600, end: 1, height: 0, shape: "", teams: /** @type {Map<string, Team>} */ (new Map()) };

  const x = (/** @type {number} */ t) => LEFT + (Math.min(t, layout.end) / layout.end) * (layout.width - LEFT - RIGHT);
  const y = (/** @type {string} */ worker, /** @type {number} */ lane) => (layout.teams.get(worker)?.top ?? 0) + lane * (LANE + GAP);

  /** Find the place of everything; whether it has changed. */
  function measure() {
    ruler.font = `11px ${getComputedStyle(el).fontFamily}`;
    const took = store.run.took;
    layout.end = took === undefined || !store.isLive ? reach(Math.max(store.elapsed, 0.1)) : Math.max(took * 1.02, 0.001);
    if (!store.isLive && store.ended !== undefined) layout.end = Math.max(store.ended * 1.02, 0.001);
    layout.width = Math.max(svg.parentElement?.clientWidth ?? 600, 320);
    layout.teams = teams();
    let top = TOP;
    for (const team of layout.teams.values()) {
      team.top = top;
      team.height = Math.max(team.lanes * (LANE + GAP) - GAP, 30);
      team.beside = besideFits(team);
      team.gutter = GUTTER + (team.down + team.up) * TRACK + (team.beside ? 0 : team.lines.length * NOTE);
      top += team.height + team.gutter;
    }
    layout.height = top + AXIS;
    const places = [...layout.teams.values()].map((t) => [t.label, t.lanes, t.top, t.from, t.to, t.beside]);
    const shape = JSON.stringify([layout.end, layout.width, layout.height, places]);
    const same = shape === layout.shape;
    layout.shape = shape;
    return !same;
  }

  function teams() {
    /** @type {Map<string, Team>} */ const found = new Map();
    const add = (/** @type {string} */ label) => {
      const team = { label, number: 0, lanes: 1, from: 0, to: undefined, busyUntil: 0, moves: [], lines: [], beside: false, top: 0, height: 0, gutter: 0, down: 0, up: 0 };
      found.set(label, team);
      return team;
    };
    const memory = store.run.kind === "memory";
    for (const label of Object.keys(store.rows("workers")).sort(byLabel)) if (memory || label !== "memory") add(label);
    for (const bar of Object.values(store.rows("bars"))) {
      const team = found.get(bar.worker) ?? add(bar.worker);
      team.lanes = Math.max(team.lanes, bar.lane + 1);
      team.busyUntil = Math.max(team.busyUntil, bar.begin);
    }
    for (const mark of Object.values(store.rows("marks"))) {
      const team = found.get(mark.worker);
      if (!team) continue;
      if (mark.kind === "worker_joined") Object.assign(team, { from: Math.max(mark.at, 0), to: undefined });
      else if (mark.kind === "worker_lost" || mark.kind === "worker_left") team.to = mark.at;
    }
    [...found.values()].forEach((team, number) => (team.number = number));
    for (const [key, move] of Object.entries(store.rows("moves"))) found.get(move.from)?.moves.push([key, move]);
    for (const team of found.values()) {
      team.moves.sort((a, b) => a[1].lane - b[1].lane);
      tell(team);
      for (const [, move] of team.moves.slice(0, MOST_ARROWS)) {
        const target = found.get(move.to);
        if (!target) continue;
        if (target.number >= team.number) team.down++;
        else [...found.values()][team.number - 1].up++;
      }
    }
    return found;
  }

  /** @param {Team} team */
  function tell(team) {
    team.lines = team.moves.slice(0, MOST_NOTES).map(([, move]) => moveText(move));
    const more = team.moves.length - MOST_NOTES;
    if (more > 0) team.lines[MOST_NOTES - 1] = `and ${more + 1} more: see the table`;
  }

  /** Whether the notes find room where the worker's lanes are empty now. @param {Team} team */
  function besideFits(team) {
    const { to } = team;
    if (to === undefined || team.busyUntil > to || team.lines.length * NOTE > team.height + 2) return false;
    const from = x(to) + 14 + Math.min(team.moves.length, MOST_ARROWS) * 4;
    return team.lines.every((line) => from + widthOf(line) < layout.width - RIGHT);
  }

  function scaffold() {
    const parts = [];
    const bottom = layout.height - AXIS;
    const room = Math.max(Math.floor((layout.width - LEFT - RIGHT) / 90), 2);
    for (const t of ticksOf(layout.end, room)) {
      parts.push(s("line", { class: "afx-grid-line", x1: x(t), x2: x(t), y1: TOP - 6, y2: bottom }));
      parts.push(s("text", { class: "afx-tick", x: x(t), y: bottom + 14, "text-anchor": x(t) > layout.width - 30 ? "end" : "middle", text: tickText(t, layout.end) }));
    }
    for (const team of layout.teams.values()) {
      const right = team.to === undefined ? layout.width - RIGHT : x(team.to);
      parts.push(s("rect", { class: "afx-lane", x: x(team.from), y: team.top - 3, width: Math.max(right - x(team.from), 1), height: team.height + 6, rx: 3 }));
      parts.push(s("text", { class: "afx-who", x: 2, y: team.top + 12, text: team.label === "memory" ? "here" : team.label }));
      parts.push(s("text", { class: "afx-fate", x: 2, y: team.top + 26 }));
    }
    attr(svg, "viewBox", `0 0 ${layout.width} ${layout.height}`);
    attr(svg, "height", String(layout.height));
    back.replaceChildren(...parts);
    bars.replaceChildren();
    names.replaceChildren();
    drawn.clear();
  }

  /** What became of each worker, beside its name. */
  function fates() {
    const texts = back.querySelectorAll(".afx-fate");
    [...layout.teams.values()].forEach((team, i) => {
      const state = store.rows("workers")[team.label]?.state ?? "";
      attr(texts[i], "data-state", state);
      put(texts[i], state === "up" || state === "" ? "" : `${GLYPHS[state] ?? ""} ${word(state)}`);
    });
  }

  /** @param {string} key */
  function bar(key) {
    const row = store.rows("bars")[key];
    const known = drawn.get(key);
    if (!row) {
      known?.g.remove();
      known?.name.remove();
      drawn.delete(key);
      return;
    }
    const { g, name: text } = known ?? {
      g: s("g", { class: "afx-bar" }, s("path"), s("rect", { class: "afx-edge", height: LANE }), s("title")),
      name: s("text", { class: "afx-name", dy: "13" }, s("tspan", { class: "afx-try" }), s("tspan")),
    };
    if (!known) bars.append(g), names.append(text);
    drawn.set(key, { g, name: text });
    const from = x(row.begin), to = Math.max(x(row.end ?? (store.isLive ? store.elapsed : store.pastAt)), from + 2);
    const top = y(row.worker, row.lane);
    attr(g, "data-state", row.state);
    attr(g, "data-again", row.tries > 1 ? "" : null);
    attr(g, "data-block", row.jobs > 1 ? "" : null);
    attr(text, "data-state", row.state);
    const [path, edge, title] = g.children;
    attr(path, "d", outline(from, to, top, row.state === "lost"));
    attr(edge, "width", String(Math.min(3, to - from)));
    attr(edge, "x", String(from));
    attr(edge, "y", String(top));
    attr(text, "x", String(from + (row.tries > 1 ? 7 : 5)));
    attr(text, "y", String(top));
    const [again, name] = labelOf(row, to - from - (row.tries > 1 ? 10 : 8));
    put(text.children[0], again);
    put(text.children[1], name);
    put(title, barText(row));
  }

  function overlay() {
    const parts = [];
    for (const mark of Object.values(store.rows("marks"))) parts.push(...markOf(mark));
    for (const team of layout.teams.values()) parts.push(...movesOf(team));
    front.replaceChildren(...parts);
    fates();
  }

  /** @param {Row} mark @returns {SVGElement[]} */
  function markOf(mark) {
    const at = x(mark.at), team = layout.teams.get(mark.worker);
    if (mark.kind === "worker_lost" || mark.kind === "worker_left") {
      if (!team) return [];
      const line = s("line", { class: mark.kind === "worker_lost" ? "afx-gone" : "afx-left", x1: at, x2: at, y1: team.top - 6, y2: team.top + team.height + 6 });
      return [line];
    }
    const text = mark.kind === "run_attached" ? "another driver goes on" : mark.kind === "services_restarted" ? "services restarted" : mark.kind === "break" ? `${clock(mark.seconds)} later` : "";
    if (!text) return [];
    const late = at > layout.width - 150;
    return [s("line", { class: "afx-mark", x1: at, x2: at, y1: TOP - 6, y2: layout.height - AXIS }),
      s("text", { class: "afx-mark", x: late ? at - 4 : at + 4, "text-anchor": late ? "end" : "start", y: layout.height - AXIS - 3 - (mark.kind === "break" ? 12 : 0), text })];
  }

  /** The jobs that a worker lost, on their way elsewhere. @param {Team} team @returns {SVGElement[]} */
  function movesOf(team) {
    const parts = [], moves = team.moves.slice(0, MOST_ARROWS), below = team.top + team.height;
    let down = 0, up = 0;
    moves.forEach(([, move], i) => {
      const target = layout.teams.get(move.to);
      if (!target) return;
      const goesDown = target.number >= team.number;
      const from = x(move.lost), level = y(team.label, move.lane) + LANE / 2, turn = from + 6 + (goesDown ? moves.length - 1 - i : i) * 4;
      const track = goesDown ? below + 6 + down++ * TRACK : team.top - 6 - up++ * TRACK;
      const top = y(move.to, move.to_lane), begin = x(move.begin), land = begin - 8;
      /** @type {Array<[number, number]>} */
      const points = [[from, level], [turn, level]];
      if (land < turn) points.push([turn, target === team || !goesDown ? top + LANE : top]); // started at once: from above or below
      else if (land - turn < 3) points.push([turn, top + LANE / 2], [begin - 1, top + LANE / 2]);
      else points.push([turn, track], [land, track], [land, top + LANE / 2], [begin - 1, top + LANE / 2]);
      const d = route(points);
      parts.push(s("path", { class: "afx-halo", d }), s("path", { class: "afx-move", d, "marker-end": `url(#${arrow})` }));
    });
    team.lines.forEach((text, i) => {
      const gone = x(Math.max(...team.moves.map(([, move]) => move.lost)));
      const right = gone + 14 + moves.length * 4, fits = gone - 8 - widthOf(text) > LEFT;
      const where = team.beside ? { x: right, y: team.top + 11 + i * NOTE }
        : { x: fits ? gone - 6 : LEFT, y: below + GUTTER + 8 + (fits ? 0 : team.down * TRACK) + i * NOTE, "text-anchor": fits ? "end" : "start" };
      parts.push(s("text", { class: "afx-note", ...where, text }));
    });
    return parts;
  }

  function needle() {
    const t = store.isLive ? store.elapsed : store.pastAt;
    attr(now, "x1", String(x(t)));
    attr(now, "x2", String(x(t)));
    attr(now, "y1", String(TOP - 8));
    attr(now, "y2", String(layout.height - AXIS + 4));
    attr(now, "data-past", store.isLive ? null : "");
    attr(now, "visibility", store.isLive && store.run.took !== undefined ? "hidden" : null);
  }

  new ResizeObserver(() => view.changed(new Map([["bars", new Set()]]))).observe(el);
  return { el, update(changes) {
    const anew = measure() || changes === null;
    if (anew) scaffold(), overlay(); // at once: what is drawn stands on one scale
    const keys = anew ? Object.keys(store.rows("bars")) : [...(changes?.get("bars") ?? [])];
    if (!anew) for (const [key, { g }] of drawn) if (g.dataset.state === "running") keys.push(key);
    inSlices(view, keys, bar);
    if (!anew && ["moves", "marks", "workers"].some((name) => changes?.has(name))) view.later(overlay);
    view.later(needle); // with the bars that end at it
    replay.update(changes);
    twin.update(changes);
    attr(svg, "aria-label", `Timeline: ${plural(layout.teams.size, "worker")}, ${clock(store.elapsed)}, ${plural(Object.keys(store.rows("moves")).length, "hand-off")}; the table below says the same`);
  } };
}

const MOST_ARROWS = 24;

/** @param {string} a @param {string} b */
const byLabel = (a, b) => a.localeCompare(b, "en", { numeric: true });

/** The outline of a bar; a lost one breaks off. @param {number} from @param {number} to @param {number} top @param {boolean} broken */
function outline(from, to, top, broken) {
  const r = Math.min(2, (to - from) / 2), low = top + LANE;
  if (!broken) return `M${from + r},${top} H${to - r} a${r},${r} 0 0 1 ${r},${r} V${low - r} a${r},${r} 0 0 1 -${r},${r} H${from + r} a${r},${r} 0 0 1 -${r},-${r} V${top + r} a${r},${r} 0 0 1 ${r},-${r} z`;
  const step = LANE / 4, tooth = Math.min(4, to - from);
  return `M${from},${top} H${to} l-${tooth},${step} l${tooth},${step} l-${tooth},${step} l${tooth},${step} H${from} z`;
}

/** Which try and which job, as far as there is room. @param {Row} row @param {number} room */
function labelOf(row, room) {
  const again = row.tries > 1 ? ordinal(row.tries) : "";
  const name = row.jobs > 1 ? `${row.jobs} jobs` : row.index !== undefined ? `#${row.index}` : String(row.label ?? row.task ?? row.path);
  const fits = (/** @type {string} */ text) => text === "" || widthOf(text) <= room;
  if (fits(`${again} ${name}`.trim())) return [again, again ? ` ${name}` : name];
  if (again) return fits(again) ? [again, ""] : ["", ""];
  if (row.index !== undefined || row.jobs > 1) return ["", ""];
  for (let length = name.length - 1; length > 2; length--) if (fits(`${name.slice(0, length)}…`)) return ["", `${name.slice(0, length)}…`];
  return ["", ""];
}

/** @param {Row} row */
function barText(row) {
  if (row.jobs > 1) return `${row.jobs} jobs on ${row.worker}`;
  const took = row.end === undefined ? "" : `, ${millis((row.end - row.begin) * 1000)}`;
  return `${row.label ?? row.task ?? ""} ${row.path}: ${word(row.state)} on ${row.worker}${took}${row.tries > 1 ? `, ${ordinal(row.tries)} try` : ""}`;
}

/** @param {Row} move */
function moveText(move) {
  const job = stepName(move);
  if (move.noticed_ms === undefined) return `${job} lost`;
  if (move.to === undefined) return `${job} queued again after ${millis(move.noticed_ms)}`;
  const waited = move.waited_ms ?? 0;
  return `${job} → ${move.to}: noticed in ${millis(move.noticed_ms)}, ${waited < 1 ? "started at once" : `slot after ${millis(waited)}`}`;
}

/** Replays any moment. @param {View} view @returns {Section} */
function slider(view) {
  const store = view.store;
  const input = /** @type {HTMLInputElement} */ (h("input", { type: "range", min: "0", max: "1", step: "any", value: "1", "aria-label": "Moment of the run" }));
  const live = h("button", { type: "button", class: "afx-live", text: "Live", "aria-label": "Back to live", "aria-pressed": "true" });
  const help = h("p", { class: "afx-help", text: "Drag to see any moment of the run again." });
  const banner = h("p", { class: "afx-banner", role: "status", hidden: true });
  const el = h("div", { class: "afx-replay" }, live, input, help, banner);
  input.addEventListener("input", () => store.look(Math.min(Number(input.value), store.elapsed)));
  live.addEventListener("click", () => store.look(undefined));
  return { el, update() {
    const end = store.elapsed;
    const most = store.ended === undefined ? reach(Math.max(end, 0.1)) : Math.max(store.ended * 1.02, 0.001);
    attr(input, "max", String(most));
    attr(input, "step", String(most / 500));
    if (store.wanted === undefined) input.value = String(end);
    attr(input, "aria-valuetext", clock(store.wanted ?? end));
    attr(live, "aria-pressed", String(store.wanted === undefined));
    help.hidden = store.wanted !== undefined;
    banner.hidden = store.wanted === undefined;
    put(banner, store.wanted === undefined ? "" : `This is the past: ${clock(store.pastAt)} after the start. Actions are off until you go back to Live.`);
  } };
}

/** The same as the timeline, as a table. @param {View} view @returns {Section} */
function timelineTable(view) {
  const { el: scroll, body } = table("Timeline as a table", ["job", "worker", "began", "took", "state", "try", "noticed and queued again", "waited for a slot", "went to"], { numbers: [2, 3, 6, 7] });
  const el = /** @type {HTMLDetailsElement} */ (h("details", {}, h("summary", { text: "Timeline as a table" }), scroll));
  el.addEventListener("toggle", () => view.changed(new Map([["bars", new Set()]])));
  return { el, update() {
    if (!el.open) return;
    const rows = Object.entries(view.store.rows("bars")).sort((a, b) => b[1].begin - a[1].begin).slice(0, 200);
    const moves = view.store.rows("moves");
    body.replaceChildren(...rows.map(([key, bar]) => {
      const move = moves[key] ?? {};
      const job = bar.jobs > 1 ? `${bar.jobs} jobs` : `${bar.label ?? bar.task ?? ""} ${bar.path}`;
      const took = bar.end === undefined ? "" : millis((bar.end - bar.begin) * 1000);
      const cells = [job, bar.worker, clock(bar.begin), took, word(bar.state), bar.jobs > 1 ? "" : ordinal(bar.tries ?? 1),
        move.noticed_ms === undefined ? "" : millis(move.noticed_ms), move.waited_ms === undefined ? "" : millis(move.waited_ms), move.to ?? ""];
      return h("tr", { "data-state": bar.state }, ...cells.map((text, i) => h(i ? "td" : "th", { text, scope: i ? null : "row", class: [2, 3, 6, 7].includes(i) ? "afx-number" : null })));
    }));
  } };
}

// Workers, queues, dead letters

/** @param {View} view @returns {Section} */
function workers(view) {
  const store = view.store;
  const { el: scroll, body } = table("Workers", ["worker", "pid", "runs now", "done", "actions"], { numbers: [1, 3], last: true });
  const spawn = view.button("Spawn worker", "Spawn a worker", () => ({ op: "spawn" }), { busy: "Spawning…" });
  const none = h("p", { class: "afx-help", text: "No worker is up: Spawn worker starts one." });
  const help = h("p", { class: "afx-help", text: "Kill ends a process at once (SIGKILL): what it runs starts elsewhere. Stop lets it finish first." });
  const el = section("workers", "Workers", { beside: [spawn] }, scroll, none, help);
  const write = keyed(body, (key) => {
    const glyph = h("span", { class: "afx-glyph", "aria-hidden": "true" }), state = h("span", { class: "afx-help" });
    const pid = h("td", { class: "afx-number" }), runs = h("td", { class: "afx-runs" }), done = h("td", { class: "afx-number" });
    const kill = view.button("Kill", `Kill worker ${key}`, () => ({ op: "kill", worker: key }), { busy: "Killing…", danger: true });
    const stop = view.button("Stop", `Stop worker ${key}`, () => ({ op: "stop", worker: key }), { busy: "Stopping…" });
    const acts = h("td", { class: "afx-acts" }, kill, stop);
    return { el: h("tr", { "data-worker": key }, h("th", { scope: "row" }, glyph, ` ${key} `, state), pid, runs, done, acts), glyph, state, pid, runs, done, kill, stop };
  }, (made, row, key) => {
    if (made.el.dataset.state && made.el.dataset.state !== row.state && store.isLive) view.announce(`worker ${key} ${word(row.state)}`);
    made.el.dataset.state = row.state;
    put(made.glyph, GLYPHS[row.state] ?? "");
    put(made.state, row.state === "up" ? "" : word(row.state));
    put(made.pid, row.pid === undefined ? "" : String(row.pid));
    const running = [...(row.running ?? [])].sort(byLabel).join(", ") + (row.more ? ` and ${row.more} more` : "");
    const gone = ["killed", "lost", "left"].includes(row.state);
    put(made.runs, gone ? (row.lost ? `lost ${plural(row.lost, "job")}` : "") : running || "idle");
    made.runs.classList.toggle("afx-help", gone || !running);
    put(made.done, (row.done ?? 0).toLocaleString("en"));
    made.kill.hidden = made.stop.hidden = gone;
  }, byLabel);
  return { el, update(changes) {
    el.hidden = store.run.kind === "memory";
    spawn.hidden = store.run.foreign === true;
    if (changes === null || changes.has("workers")) write(store.rows("workers"), changes && (changes.get("workers") ?? null));
    none.hidden = Object.keys(store.rows("workers")).length > 0;
    scroll.hidden = !none.hidden;
  } };
}

/** Of an item, its number. @param {Row} row */
const stepName = (row) => (row.index === undefined ? `step ${row.path ?? ""}` : `#${row.index}`);

/** @param {View} view @returns {Section} */
function queues(view) {
  const names = ["queued", "running", "dead"];
  const { el: scroll, body } = table("Queues", ["task", "waiting", "running", "dead"], { numbers: [1, 2, 3] });
  const none = h("p", { class: "afx-help", text: "Empty: nothing waits, and nothing runs." });
  const el = section("queues", "Queues", { beside: [none] }, scroll), heading = el.querySelector("h3");
  const idle = { queued: 0, running: 0, dead: 0 };
  const write = keyed(body, (key) => {
    const cells = names.map(() => h("td", { class: "afx-number" }));
    return { el: h("tr", {}, h("th", { scope: "row", class: "afx-code", text: key }), ...cells), cells };
  }, (made, row) => names.forEach((name, i) => {
    put(made.cells[i], String(row[name]));
    made.cells[i].classList.toggle("afx-zero", !row[name]);
  }), (a, b) => a.localeCompare(b));
  /** @type {Set<string>} */ const seen = new Set();
  return { el, update(changes) {
    const rows = { ...view.store.live.queues };
    el.hidden = view.store.run.kind === "memory";
    if (heading) put(heading, view.store.isLive ? "Queues" : "Queues now");
    for (const key of Object.keys(rows)) seen.add(key);
    for (const key of seen) rows[key] ??= idle; // what is below must not jump whenever a queue runs dry
    if (changes === null || changes.has("queues")) write(rows, changes && (changes.get("queues") ?? null));
    none.hidden = seen.size > 0;
    scroll.hidden = !none.hidden;
    el.classList.toggle("afx-empty", !none.hidden);
  } };
}

/** @param {View} view @returns {Section} */
function dead(view) {
  const { el: scroll, body } = table("Dead letters of all runs", ["job", "why", "run", "died", "actions"], { last: true });
  const help = h("p", { class: "afx-help", text: "A job that ended in a task error is parked here. Mend the cause, then Redrive runs it again; Discard gives it up for good." });
  const none = h("p", { class: "afx-help", text: "None: no job of any run is parked." });
  const el = section("dead", "Dead letters of all runs", { beside: [none] }, help, scroll), heading = el.querySelector("h3");
  const write = keyed(body, (key) => {
    const job = h("span", { class: "afx-code" }), run = h("td", { class: "afx-run" }), reason = h("span", { class: "afx-tag" }), why = h("span"), died = h("td", { class: "afx-number" });
    const redrive = view.button("Redrive", `Redrive job ${key}`, () => ({ op: "redrive", job: key }), { busy: "Redriving…" });
    const discard = view.button("Discard", `Discard job ${key}`, () => ({ op: "discard", job: key }), { busy: "Discarding…", confirm: "Give it up for good?", danger: true });
    return { el: h("tr", { "data-job": key }, h("th", { scope: "row" }, h("span", { class: "afx-glyph", "aria-hidden": "true", text: GLYPHS.dead }), " ", job), h("td", {}, reason, " ", why), run, died, h("td", { class: "afx-acts" }, redrive, discard)), job, run, reason, why, died, redrive };
  }, (made, row) => {
    put(made.job, `${row.task} ${row.path}`);
    attr(made.job, "title", row.input ? `input: ${row.input}` : null);
    put(made.run, row.run === view.store.run.id ? "this run" : row.run);
    put(made.reason, row.reason);
    put(made.why, row.message);
    put(made.died, new Date(row.died_at * 1000).toLocaleTimeString("en-GB"));
    made.redrive.hidden = row.redrivable === false;
  }, () => 0);
  return { el, update(changes) {
    const rows = view.store.live.dead ?? {};
    el.hidden = view.store.run.kind === "memory";
    if (heading) put(heading, view.store.isLive ? "Dead letters of all runs" : "Dead letters of all runs, now");
    if (changes === null || changes.has("dead")) write(rows, changes && (changes.get("dead") ?? null));
    none.hidden = Object.keys(rows).length > 0;
    scroll.hidden = help.hidden = !none.hidden;
    el.classList.toggle("afx-empty", !none.hidden);
  } };
}

// Output and events

/** @param {View} view @returns {Section} */
function output(view) {
  const list = h("ol", {});
  const scroll = h("div", { class: "afx-scroll", tabindex: "0", role: "region", "aria-label": "Output of tasks" }, list);
  const el = section("output", "Output of tasks", {}, scroll);
  const write = keyed(list, () => {
    const who = h("span", { class: "afx-help" }), text = h("span", { class: "afx-print" });
    return { el: h("li", {}, who, " ", text), who, text };
  }, (made, row) => {
    put(made.who, `${stepName(row)} on ${row.worker ?? "?"}`);
    put(made.text, row.text.replace(/\n$/, ""));
  }, (a, b) => Number(a) - Number(b));
  return { el, update(changes) {
    const rows = view.store.rows("output");
    el.hidden = Object.keys(rows).length === 0;
    if (changes !== null && !changes.has("output")) return;
    const follows = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 30;
    write(rows, changes && (changes.get("output") ?? null));
    if (follows) scroll.scrollTop = scroll.scrollHeight;
  } };
}

const SHOWN_EVENTS = 100;

/** @param {View} view @returns {Section} */
function log(view) {
  const store = view.store;
  const { el: scroll, body } = table("Latest events, newest first", ["at", "event", "step", "worker", "detail"], { numbers: [0] });
  const filter = /** @type {HTMLInputElement} */ (h("input", { type: "search", "aria-label": "Filter events", placeholder: "Filter: lost, w1, 3/17 …" }));
  const count = h("p", { class: "afx-help", role: "status" });
  const el = section("log", "Events", { beside: [filter] }, scroll, count);
  filter.value = store.filter;
  let drawn = 0, due = false;
  const text = (/** @type {Row} */ row) => `${row.type} ${row.path ?? ""} ${row.task ?? ""} ${row.worker ?? ""} ${row.detail}`.replaceAll("_", " ").toLowerCase();
  function draw() {
    due = false;
    drawn = performance.now();
    store.filter = filter.value;
    const wanted = filter.value.trim().replaceAll("_", " ").toLowerCase();
    const all = Object.entries(store.rows("log"));
    const found = all.filter(([, row]) => !wanted || text(row).includes(wanted)).sort((a, b) => Number(b[0]) - Number(a[0]));
    body.replaceChildren(...found.slice(0, SHOWN_EVENTS).map(([, row]) => h("tr", { "data-type": row.type },
      h("td", { class: "afx-number", text: moment(store, row.at) }), h("th", { scope: "row", text: row.type.replaceAll("_", " ") }),
      h("td", {}, row.path ?? "", " ", h("span", { class: "afx-help", text: row.task ?? "" })), h("td", { text: row.worker ?? "" }), h("td", { text: row.detail }))));
    const shown = Math.min(found.length, SHOWN_EVENTS), number = all.length.toLocaleString("en");
    const rest = store.run.kind === "memory" ? "." : `; %events ${store.run.id ?? "RUN"} has every one.`;
    put(count, wanted && !shown ? `None of the latest ${number} says “${filter.value.trim()}”${rest}` : `${shown} of the latest ${number}${rest}`);
  }
  filter.addEventListener("input", draw);
  filter.addEventListener("keydown", (event) => event.stopPropagation());
  return { el, update(changes) {
    if (changes !== null && !changes.has("log")) return;
    const wait = changes === null ? 0 : drawn + 250 - performance.now(); // a reader cannot follow more
    if (wait <= 0) view.later(draw);
    else if (!due) setTimeout(() => view.later(draw), wait), (due = true);
  } };
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
