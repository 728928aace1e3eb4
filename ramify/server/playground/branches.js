// The tree of a run, from its events. Knows nothing of the page.
//
// A branch's text stands in pieces {text, drafted}; `inherited` counts the characters that it has from its parent.

export class Branches {
  constructor() {
    this.all = new Map();
    this.tokens = 0; // drawn by all, those cut away again included
    this.low = Infinity; // of the scores seen
    this.high = -Infinity;
    this.best = null; // known at the end
    this.version = 0;
  }

  get size() {
    return this.all.size;
  }

  apply(event) {
    this.version += 1;
    const { kind, reason } = event;
    const branch = this.all.get(event.branch) ?? this.#born(event);
    if (kind === "rewind") this.#rewind(branch, event);
    else if (kind !== "fork") this.#grow(branch, event);
    if (event.score !== null && event.score !== undefined) this.#score(branch, event.score);
    if (kind === "end" || kind === "drop") {
      branch.reason = reason;
      branch.state = reason === "rejected" ? "rejected" : "ended";
    }
  }

  #born({ kind, branch: id, parent, at, text }) {
    const from = this.all.get(parent) ?? null;
    const start = kind === "fork" ? { at, text } : { at: 0, text: "" };
    const found = upTo(from?.pieces ?? [], start.text);
    const born = { id, parent: from, at: start.at, length: start.at, longest: start.at, pieces: found, inherited: start.text.length };
    Object.assign(born, { score: null, reason: null, state: "running", cuts: [], drafted: [], version: 0 });
    this.all.set(id, born);
    return born;
  }

  #grow(branch, { at, tokens = [], drafted = [], text = "" }) {
    branch.version += 1;
    this.tokens += tokens.length;
    if (tokens.length) branch.length = at;
    branch.longest = Math.max(branch.longest, branch.length);
    for (const piece of split(text, drafted)) append(branch.pieces, piece);
  }

  /** Cut back; whoever had ended goes on. What was cut away is kept, to be shown. */
  #rewind(branch, { at, text }) {
    branch.version += 1;
    branch.cuts.push({ from: at, to: branch.length, text: textOf(branch).slice(text.length) });
    branch.pieces = upTo(branch.pieces, text);
    branch.inherited = Math.min(branch.inherited, text.length);
    branch.at = Math.min(branch.at, at);
    Object.assign(branch, { length: at, state: "running", reason: null });
  }

  #score(branch, score) {
    branch.score = score;
    this.low = Math.min(this.low, score);
    this.high = Math.max(this.high, score);
  }

  /** Where a score stands between the lowest and the highest seen, 0 to 1; null without one. */
  standing(branch) {
    if (branch.score === null) return null;
    return this.high > this.low ? (branch.score - this.low) / (this.high - this.low) : 1;
  }

  /** Whose text to show: the best once it is known, until then who leads: by score, else by order of birth. */
  leader() {
    if (this.best) return this.best;
    let lead = null;
    for (const branch of this.all.values()) {
      if (branch.state === "rejected") continue;
      if (!lead || (branch.score ?? -Infinity) > (lead.score ?? -Infinity)) lead = branch;
    }
    return lead;
  }

  /** The end of a run. Its `tree` has the same branches in the same order, and knows which is the best. */
  finish({ tree = [] }) {
    this.version += 1;
    const inOrder = [...this.all.values()].sort((a, b) => a.id - b.id);
    const nodes = [...tree].sort((a, b) => a.id - b.id);
    const place = nodes.findIndex((node) => node.best);
    if (nodes.length === inOrder.length) this.best = inOrder[place] ?? null;
    for (const branch of inOrder) if (branch.state === "running") branch.state = "ended";
  }

  /** Whether any branch was ever cut back. */
  get rewound() {
    return [...this.all.values()].some((branch) => branch.cuts.length);
  }
}

export const textOf = (branch) => branch.pieces.map((piece) => piece.text).join("");

/** A branch's pieces, those from its parent marked as inherited. */
export function told(branch) {
  let left = branch.inherited;
  return branch.pieces.flatMap(({ text, drafted }) => {
    const [old, own] = [text.slice(0, left), text.slice(left)];
    left -= old.length;
    return [{ text: old, drafted, inherited: true }, { text: own, drafted, inherited: false }].filter((piece) => piece.text);
  });
}

function append(pieces, piece) {
  const last = pieces.at(-1);
  if (last?.drafted === piece.drafted) last.text += piece.text;
  else if (piece.text) pieces.push({ ...piece });
}

/** The beginning of some pieces that is `text`; if it is not their beginning, the text alone. */
function upTo(pieces, text) {
  const found = [];
  let left = text;
  for (const piece of pieces) {
    const part = piece.text.slice(0, left.length);
    if (!left.startsWith(part)) return [{ text, drafted: false }];
    if (part) found.push({ text: part, drafted: piece.drafted });
    left = left.slice(part.length);
  }
  if (left) append(found, { text: left, drafted: false });
  return found;
}

/** The text of some tokens, where the draft was right and where not. Tokens of one step come as one text: while it
 * grows, each is taken to be as long as the others. */
function split(text, drafted) {
  const end = (place) => Math.round(((place + 1) * text.length) / drafted.length);
  if (!drafted.length) return [{ text, drafted: false }];
  return drafted.map((right, place) => ({ text: text.slice(place ? end(place - 1) : 0, end(place)), drafted: right }));
}
