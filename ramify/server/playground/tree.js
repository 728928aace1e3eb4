// The tree of branches, drawn as it grows: an SVG with one line for each branch, at most once in an animation frame.

import { count, plural, score, set, svg } from "./dom.js";
import { chosen, fix, rowHeight, rows, stem, ticks } from "./layout.js";

const [LEFT, RIGHT, TOP, MOST] = [12, 78, 30, 160];
const still = matchMedia("(prefers-reduced-motion: reduce)");

export class TreeView {
  /** `select(branch)` is called when a branch is pointed at or focused, `hidden(words)` with what is not shown. */
  constructor(branches, { select, hidden, label }) {
    Object.assign(this, { branches, select, hidden, most: MOST });
    this.nodes = new Map(); // branch -> its elements and where it stands
    this.order = [];
    this.axis = svg("g", { class: "axis", "aria-hidden": "true" });
    this.way = svg("path", { class: "way", "aria-hidden": "true" });
    this.root = svg("circle", { class: "root", r: 4, "aria-hidden": "true" });
    this.lines = svg("g");
    this.element = svg(
      "svg",
      { class: "tree", role: "tree", "aria-label": label },
      this.axis,
      this.way,
      this.lines,
      this.root,
    );
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.drawn = -1;
    new ResizeObserver(() => this.update(true)).observe(this.element);
  }

  /** Something changed: draw with the next frame (of thousands, a few times a second). */
  update(always = false) {
    if (this.waiting || (!always && this.drawn === this.branches.version && !this.moving)) return;
    this.waiting = true;
    const pause = this.branches.size > 600 ? 150 : 0;
    setTimeout(() => requestAnimationFrame(() => this.#draw()), pause);
  }

  #draw() {
    this.waiting = false;
    const width = this.element.clientWidth;
    if (!width || !this.branches.size) return;
    this.drawn = this.branches.version;
    this.order = rows(chosen(this.branches, this.most));
    const height = rowHeight(this.order.length);
    const longest = Math.max(8, ...this.order.map((branch) => branch.longest));
    this.x = (tokens) => LEFT + (tokens * (width - LEFT - RIGHT)) / longest;
    this.y = (row) => TOP + (row + 0.5) * height;
    this.labels = height >= 17;
    this.moving = false;
    for (const [branch, node] of this.nodes) if (!this.order.includes(branch)) this.#forget(branch, node);
    this.order.forEach((branch, row) => this.#move(branch, this.y(row)));
    this.order.forEach((branch) => this.#show(branch));
    this.#way();
    set(this.root, "cx", LEFT);
    set(this.root, "cy", fix(this.nodes.get(this.order[0]).y));
    this.#ticks(longest, width, TOP + this.order.length * height + 8);
    this.#tabStop();
    this.#tell();
    if (this.moving) this.update(true);
  }

  #forget(branch, node) {
    node.group.remove();
    this.nodes.delete(branch);
  }

  #made(branch, y) {
    const [stem, path, hit, cuts] = ["stem", "line", "hit", "cut"].map((name) => svg("path", { class: name }));
    const [dot, label] = [svg("path", { class: "dot" }), svg("text", { class: "number", dy: "0.34em" })];
    const group = svg("g", { role: "treeitem", tabindex: -1 }, hit, stem, path, cuts, dot, label);
    const node = { group, stem, path, hit, cuts, dot, label, y };
    for (const happening of ["pointerenter", "focus", "click"]) {
      group.addEventListener(happening, () => this.pick(branch));
    }
    this.nodes.set(branch, node);
    this.lines.append(group);
    return node;
  }

  /** Rows make room for new ones smoothly, unless there are many or motion is unwanted. */
  #move(branch, target) {
    const parent = this.nodes.get(branch.parent);
    const node = this.nodes.get(branch) ?? this.#made(branch, parent ? parent.y : target);
    const away = target - node.y;
    const smooth = !still.matches && this.order.length <= 110 && Math.abs(away) > 0.6;
    node.y = smooth ? node.y + away * 0.3 : target;
    this.moving ||= smooth;
  }

  #show(branch) {
    const node = this.nodes.get(branch);
    const { group, path, hit, cuts, dot, label, y } = node;
    const from = this.nodes.get(branch.parent)?.y ?? this.nodes.get(this.order[0]).y;
    const [x0, x1] = [this.x(branch.at), this.x(branch.length)];
    const { path: bend, start } = stem(x0, from, y, x1 - x0);
    set(node.stem, "d", bend);
    for (const each of [path, hit]) set(each, "d", `M${fix(start)} ${fix(y)}H${fix(Math.max(x1, start + 1))}`);
    const back = branch.cuts.map((cut) => `M${this.x(cut.to)} ${y - 5}H${this.x(cut.from)}l4 -3m-4 3l4 3`).join("");
    set(cuts, "d", back);
    const best = this.branches.best === branch;
    const standing = this.branches.standing(branch);
    const classes = [
      "branch",
      branch.state,
      best && "best",
      standing !== null && "scored",
      this.picked === branch && "picked",
    ];
    set(group, "class", classes.filter(Boolean).join(" "));
    if (standing !== null) group.style.setProperty("--standing", `${Math.round(standing * 100)}%`);
    const end = Math.max(this.x(branch.longest), x1);
    set(dot, "d", branch.state === "rejected" ? cross : disc(best ? 5 : this.labels ? 3.5 : 2.2));
    set(dot, "transform", `translate(${fix(Math.max(x1, x0 + 1))} ${fix(y)})`);
    set(label, "x", end + 9);
    set(label, "y", y);
    const words = this.labels || best || this.picked === branch ? this.#mark(branch, best) : "";
    if (label.textContent !== words) label.textContent = words;
    set(group, "aria-label", describe(branch, best));
    set(group, "aria-selected", this.picked === branch);
  }

  /** From the prompt to the best, behind the lines. */
  #way() {
    let [path, end] = ["", this.branches.best?.length];
    for (let branch = this.branches.best; branch && this.nodes.has(branch); branch = branch.parent) {
      const { y } = this.nodes.get(branch);
      const from = this.nodes.get(branch.parent)?.y ?? this.nodes.get(this.order[0]).y;
      const { path: bend, start } = stem(this.x(branch.at), from, y, this.x(end) - this.x(branch.at));
      path = `${bend}M${fix(start)} ${fix(y)}H${fix(Math.max(this.x(end), start))}${path}`;
      end = branch.at;
    }
    set(this.way, "d", path);
  }

  #mark(branch, best) {
    const number = branch.score === null ? "" : score(branch.score);
    return `${best ? "★ " : ""}${number}`.trim();
  }

  #ticks(longest, width, bottom) {
    set(this.element, "height", bottom);
    set(this.element, "viewBox", `0 0 ${width} ${bottom}`);
    const key = `${longest} ${width} ${bottom}`;
    if (this.axisKey === key) return;
    this.axisKey = key;
    const marks = ticks(longest, Math.max(2, Math.floor(width / 90))).flatMap((at, place, all) => [
      svg("path", { d: `M${this.x(at)} ${TOP - 6}V${bottom - 4}` }),
      svg("text", { x: this.x(at), y: 14, class: place ? "middle" : "start" }),
    ]);
    ticks(longest, Math.max(2, Math.floor(width / 90))).forEach((at, place) => {
      marks[2 * place + 1].textContent = place ? at : "0 tokens";
    });
    this.axis.replaceChildren(...marks);
  }

  /** One branch can be reached by the tab key; arrows go on from there. */
  #tabStop() {
    const stop = this.nodes.has(this.picked) ? this.picked : (this.branches.best ?? this.order[0]);
    for (const [branch, node] of this.nodes) set(node.group, "tabindex", branch === stop ? 0 : -1);
  }

  #tell() {
    const all = this.branches.size;
    const drawn = this.order.length;
    this.hidden(
      drawn < all
        ? `${count(drawn)} of ${count(all)} branches are drawn: who runs, and the best. The others count all the same.`
        : "",
    );
  }

  pick(branch) {
    if (this.picked === branch) return;
    this.picked = branch;
    this.select(branch);
    this.update(true);
  }

  #key(event) {
    const place = this.order.indexOf(this.picked);
    const goes = {
      ArrowDown: this.order[place + 1],
      ArrowUp: this.order[place - 1],
      ArrowLeft: this.picked?.parent,
      ArrowRight: this.order.find((branch) => branch.parent === this.picked),
      Home: this.order[0],
      End: this.order.at(-1),
    };
    if (!(event.key in goes)) return;
    event.preventDefault();
    this.nodes.get(goes[event.key])?.group.focus();
  }
}

const cross = "M-3.2 -3.2L3.2 3.2M-3.2 3.2L3.2 -3.2";
const disc = (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
const WORDS = { stop: "ended by itself", length: "ended at its length", budget: "ended with the budget" };

/** A branch in words. */
export function describe(branch, best) {
  const parts = [`Branch ${branch.id}${best ? ", the best" : ""}`];
  parts.push(branch.parent ? `forked from branch ${branch.parent.id} at token ${branch.at}` : "from the prompt");
  parts.push(plural(branch.length, "token"));
  if (branch.score !== null) parts.push(`score ${score(branch.score)}`);
  if (branch.cuts.length) parts.push(`rewound ${branch.cuts.length === 1 ? "once" : `${branch.cuts.length} times`}`);
  parts.push(branch.state === "running" ? "running" : (WORDS[branch.reason] ?? branch.reason ?? "ended"));
  return parts.join(", ");
}
