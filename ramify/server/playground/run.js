// One run of one method, from the request to the tables: a column of its own.

import { ServerError, stream } from "./api.js";
import { Branches, pieces, textOf } from "./branches.js";
import { count, el, fill, flops, plural, score, seconds, share } from "./dom.js";
import { live, textIn } from "./request.js";
import { asCurl, asPython, copy } from "./share.js";
import { candidates, ledger } from "./tables.js";
import { TreeView, describe } from "./tree.js";
import { learn, words } from "./words.js";

export class Run {
  /** `wish` is {path, body}; `heard()` is called as it goes. */
  constructor(wish, key, { alone, heard }) {
    Object.assign(this, {
      wish,
      key,
      heard,
      alone,
      state: "running",
      text: "",
      branches: new Branches(),
      prompt: wish.body.prompt ?? "",
    });
    const { search } = wish.body;
    this.title = [
      search.method,
      ...Object.entries(search)
        .filter(([, value]) => typeof value === "number")
        .map(([name, value]) => `${name} ${value}`),
    ];
    this.answer = el("div", { className: "answer leading" });
    this.legend = el("p", { className: "legend drafts", hidden: true });
    this.figures = el("dl", { className: "figures" });
    this.problem = el("p", { className: "problem", hidden: true });
    this.hidden = el("p", { className: "hint", hidden: true });
    this.detail = el("div", { className: "detail", hidden: true });
    this.signs = scale();
    this.tree = new TreeView(this.branches, {
      label: `Branches of ${search.method}`,
      select: (branch) => this.#point(branch),
      hidden: (words) => Object.assign(this.hidden, { textContent: words, hidden: !words }),
    });
    this.figure = el(
      "figure",
      { className: "grown", hidden: true },
      el("figcaption", {}, el("h4", {}, "Branches"), el("p", { className: "legend" }, ...Object.values(this.signs))),
      this.tree.element,
      this.hidden,
      this.detail,
    );
    this.tables = el("div", { className: "tables" });
    this.element = el(
      "article",
      { className: "run", aria: { busy: "true" } },
      this.#head(),
      this.answer,
      this.legend,
      this.problem,
      this.figures,
      this.figure,
      this.tables,
      this.#copies(),
    );
  }

  #head() {
    const [method, ...rest] = this.title;
    this.seed = el("span", { className: "soft" });
    return el("header", {}, el("h3", {}, method), el("span", { className: "soft" }, rest.join(" · ")), this.seed);
  }

  #copies() {
    const button = (label, write) => {
      const made = el("button", { type: "button", className: "quiet" }, label);
      made.addEventListener("click", () => copy(write(this.wish, Boolean(this.key)), made));
      return made;
    };
    return el(
      "div",
      { className: "copies", role: "group", aria: { label: "This run" } },
      button("Copy as curl", asCurl),
      button("Copy as Python", asPython),
    );
  }

  /** Runs to its end, its stop or its error. Never raises; `error` is what the server said no with. */
  async go(signal) {
    try {
      for await (const { event, data } of stream(this.wish.path, live(this.wish.body), this.key, signal))
        this.#take(event, data);
      this.#done();
    } catch (error) {
      this.state = error.name === "AbortError" ? "stopped" : "failed";
      if (this.state === "failed")
        this.error =
          error instanceof ServerError ? error : new ServerError(0, { message: `This page failed: ${error.message}` });
      this.#problem(
        this.state === "stopped" ? `Stopped after ${plural(this.branches.tokens, "token")}.` : inWords(this.error),
      );
    }
    this.element.setAttribute("aria-busy", "false");
    this.element.classList.add(this.state);
    this.#draw();
  }

  #take(event, data) {
    if (event === "search.result") this.search = data.search;
    else if (event.startsWith("search.")) this.branches.apply(data.search);
    else this.text += textIn(data);
    this.#draw();
    this.heard();
  }

  get progress() {
    if (this.state !== "running") return "";
    const { size, tokens } = this.branches;
    return size > 1 ? `${plural(size, "branch", "branches")}, ${plural(tokens, "token")}` : plural(tokens, "token");
  }

  /** How it went, in a line. */
  get outcome() {
    const how = this.state;
    const words = this.alone ? `${how[0].toUpperCase()}${how.slice(1)}` : `${this.title[0]} ${how}`;
    if (this.error) return `${words}: ${this.error.message}`;
    return this.search ? `${words}: ${plural(this.search.ledger.generated_tokens, "token")}` : words;
  }

  #done() {
    this.state = "done";
    if (!this.search) return;
    this.text ||= this.search.candidates[this.search.best]?.text ?? "";
    this.branches.finish(this.search);
    const { best, candidates: all, ledger: account, seed } = this.search;
    this.seed.textContent = `seed ${seed}`;
    const facts = [
      ["tokens", count(account.generated_tokens)],
      ["compute", flops(account.flops)],
      ["time", seconds(account.seconds)],
    ];
    if (all[best]?.score !== null && all[best]?.score !== undefined) facts.push(["score", score(all[best].score)]);
    this.figures.append(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    if (account.drafted) {
      this.#drafts(account);
      learn(this.branches.leader(), this.key).then(() => this.#again());
    }
    this.tables.replaceChildren(
      el(
        "details",
        { open: this.alone && all.length > 1 },
        el("summary", {}, plural(all.length, "candidate")),
        candidates(this.search),
      ),
      el("details", { open: this.alone }, el("summary", {}, "Ledger"), ledger(account)),
    );
  }

  #again() {
    this.branches.version += 1;
    this.#draw();
  }

  #drafts({ drafted, accepted }) {
    this.legend.hidden = false;
    this.legend.replaceChildren(
      el("span", { className: "drafted" }, "proposed by the draft, and right"),
      ` ${count(accepted)} of ${plural(drafted, "drafted token")} (${share(accepted / drafted)})`,
    );
  }

  #problem(words) {
    this.problem.textContent = words;
    this.problem.hidden = false;
  }

  /** Once in a frame: the text of who leads (at the end: the chosen text), the tree. */
  #draw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      const leader = this.branches.leader();
      const shown = leader ? pieces(leader, words).map((piece) => ({ ...piece, inherited: false })) : [];
      const chosen = this.state === "running" ? "" : this.text;
      const same = !chosen || (leader && textOf(leader) === chosen);
      const key = `${this.branches.version} ${this.state}`;
      if (key !== this.drawn)
        fill(this.answer, trimmed([{ text: this.prompt, inherited: true }, ...(same ? shown : [{ text: chosen }])]));
      this.drawn = key;
      this.answer.classList.toggle("leading", this.state === "running" && this.branches.size > 1);
      this.figure.hidden = this.branches.size < 2 && !this.branches.rewound;
      this.signs.low.hidden = !(this.branches.high > this.branches.low);
      this.signs.rejected.hidden = !this.branches.rejected;
      this.signs.rewound.hidden = !this.branches.rewound;
      this.tree.update();
      if (this.tree.picked) this.#point(this.tree.picked);
    });
  }

  #point(branch) {
    const key = `${branch.id} ${branch.version} ${branch.state} ${branch.score} ${this.state}`;
    if (key === this.pointed) return;
    this.pointed = key;
    const text = el("div", { className: "text" });
    fill(text, trimmed(pieces(branch, words)));
    for (const cut of branch.cuts)
      text.append(el("del", { title: `rewound from token ${cut.to} to ${cut.from}` }, cut.text));
    this.detail.hidden = false;
    this.detail.replaceChildren(el("p", {}, describe(branch, this.branches.best === branch)), text);
  }
}

/** An error of the server in words. */
export function inWords(error) {
  const later = error.retryAfter ? ` Try again in ${plural(error.retryAfter, "second")}.` : "";
  const lead =
    { 401: "The server wants an API key. ", 429: "The server is full. ", 503: "The server is closing. " }[
      error.status
    ] ?? "";
  return `${lead}${error.message}${later}`;
}

/** Without the white space before the first word. */
function trimmed(found) {
  const start = found.findIndex((piece) => piece.text.trim());
  return start < 0 ? [] : [{ ...found[start], text: found[start].text.trimStart() }, ...found.slice(start + 1)];
}

/** What the signs in the tree mean; those for what did not happen are hidden. */
function scale() {
  const low = el("span", {}, "low score ", el("i", { className: "ramp" }), " high");
  const [rejected, rewound] = [
    el("span", { hidden: true }, el("b", { className: "cross" }, "×"), " rejected"),
    el("span", { hidden: true }, el("i", { className: "rewound" }), "rewound"),
  ];
  const best = el("span", {}, el("b", { className: "star" }, "★"), " the best");
  return { low, rejected, rewound, best };
}
