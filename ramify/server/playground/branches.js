// The tree of a run, from its events. Knows nothing of the page.
//
// A branch's text stands in steps {text, tokens, drafted, kept}, one for each that it took; of one that was cut through,
// the first `kept` characters count. `inherited` counts the characters that it has from its parent.

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
    const from = this.all.get(parent) ?? null; // what it has up to there may stem from further up: `origin`
    const start = kind === "fork" ? { at, text } : { at: 0, text: "" };
    const steps = upTo(from?.steps ?? [], start.text);
    const born = {
      id,
      parent: origin(from, start.at),
      at: start.at,
      length: start.at,
      longest: start.at,
      steps,
      inherited: start.text.length,
    };
    Object.assign(born, { score: null, reason: null, state: "running", cuts: [], version: 0 });
    this.all.set(id, born);
    return born;
  }

  #grow(branch, { at, tokens = [], drafted = [], text = "" }) {
    branch.version += 1;
    this.tokens += tokens.length;
    if (tokens.length) branch.length = at;
    branch.longest = Math.max(branch.longest, branch.length);
    branch.steps.push({ text, tokens, drafted, kept: text.length });
  }

  /** Cut back; whoever had ended goes on. What was cut away is kept, to be shown. */
  #rewind(branch, { at, text }) {
    branch.version += 1;
    branch.cuts.push({ from: at, to: branch.length, text: textOf(branch).slice(text.length) });
    branch.steps = upTo(branch.steps, text);
    branch.inherited = Math.min(branch.inherited, text.length);
    branch.at = Math.min(branch.at, at);
    branch.parent = origin(branch.parent, branch.at);
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

  /** Whether any branch was rejected; was ever cut back. */
  get rejected() {
    return [...this.all.values()].some((branch) => branch.state === "rejected");
  }

  get rewound() {
    return [...this.all.values()].some((branch) => branch.cuts.length);
  }
}

/** The branch, or the one above it, on whose own line a token count stands. */
function origin(branch, at) {
  let found = branch;
  while (found && at < found.at) found = found.parent;
  return found;
}

export const textOf = (branch) => branch.steps.map(({ text, kept }) => text.slice(0, kept)).join("");

/** A branch's text as pieces {text, drafted, inherited}. `words` is a Map of tokens' texts, as far as they are known. */
export function pieces(branch, words) {
  const found = [];
  let left = branch.inherited;
  for (const step of branch.steps) {
    for (const { text, drafted } of split(step, words)) {
      for (const [part, inherited] of [
        [text.slice(0, left), true],
        [text.slice(left), false],
      ]) {
        const last = found.at(-1);
        if (last?.drafted === drafted && last.inherited === inherited) last.text += part;
        else if (part) found.push({ text: part, drafted, inherited });
      }
      left = Math.max(0, left - text.length);
    }
  }
  return found;
}

/** Steps whose text is not right throughout or wrong throughout: where in it the draft was right depends on its tokens. */
export const mixed = ({ drafted }) => drafted.some(Boolean) && !drafted.every(Boolean);

/** The first of some steps, as far as `text` goes; if it is not their beginning, the text alone. */
function upTo(steps, text) {
  const found = [];
  let left = text;
  for (const step of steps) {
    if (!left) break;
    const kept = Math.min(step.kept, left.length);
    if (!left.startsWith(step.text.slice(0, kept))) return [{ text, tokens: [], drafted: [], kept: text.length }];
    found.push({ ...step, kept });
    left = left.slice(kept);
  }
  if (left) found.push({ text: left, tokens: [], drafted: [], kept: left.length });
  return found;
}

/** A step's text where the draft was right and where not. Several tokens come as one text: until the texts of all are
 * known, each is taken to be as long as the others. */
function split(step, words) {
  const { text, tokens, drafted, kept } = step;
  if (!mixed(step)) return [{ text: text.slice(0, kept), drafted: Boolean(drafted[0]) }];
  const own = tokens.map((token) => words.get(token));
  const exact = own.every((word) => word !== undefined) && own.join("").startsWith(text); // behind it: an end token's name
  let start = 0;
  return drafted.map((right, place) => {
    const end = exact ? start + own[place].length : Math.round(((place + 1) * text.length) / drafted.length);
    const part = text.slice(start, Math.min(end, kept));
    start = end;
    return { text: part, drafted: right };
  });
}
