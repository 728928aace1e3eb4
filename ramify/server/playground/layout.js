// Where branches stand: one row each, tokens along x. Pure arithmetic; the drawing is in tree.js.

/** The branches to show, at most about `most`: the best and its line, who runs, the best of who ended, the latest rejected. */
export function chosen(branches, most) {
  const all = [...branches.all.values()];
  if (all.length <= most) return new Set(all);
  const rank = { running: 0, ended: 1, rejected: 2 };
  const value = (branch) => branch.score ?? -Infinity;
  const order = (a, b) => {
    if (a.state !== b.state) return rank[a.state] - rank[b.state];
    if (a.state === "ended" && value(a) !== value(b)) return value(b) - value(a);
    return a.state === "rejected" ? b.id - a.id : a.id - b.id;
  };
  const leader = branches.leader();
  const shown = new Set();
  for (const branch of [leader, ...all.sort(order)]) {
    if (shown.size >= most) break;
    for (let up = branch; up && !shown.has(up); up = up.parent) shown.add(up); // whoever is shown has its line shown
  }
  return shown;
}

/** Rows from top to bottom: each branch above its children, the latest fork next to it, so that no lines cross. */
export function rows(shown) {
  const below = new Map([[null, []]]);
  for (const branch of shown) {
    const parent = shown.has(branch.parent) ? branch.parent : null;
    if (!below.has(parent)) below.set(parent, []);
    below.get(parent).push(branch);
  }
  for (const children of below.values()) children.sort((a, b) => b.at - a.at || a.id - b.id);
  const found = [];
  const waiting = [...below.get(null)].sort((a, b) => a.at - b.at || a.id - b.id).reverse();
  while (waiting.length) {
    const branch = waiting.pop();
    found.push(branch);
    waiting.push(...(below.get(branch) ?? []).toReversed());
  }
  return found;
}

/** The height of a row: many branches stand closer. */
export const rowHeight = (count) => (count <= 18 ? 24 : count <= 48 ? 17 : count <= 110 ? 10 : 6);

/** Round numbers of tokens for the axis, about `wanted` of them. */
export function ticks(longest, wanted) {
  const rough = Math.max(1, longest / wanted);
  const ten = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((digit) => digit * ten).find((size) => size >= rough);
  return Array.from({ length: Math.floor(longest / step) + 1 }, (_, place) => place * step);
}

/** A branch's stem, from its parent's row at the fork down to its own. Its line goes on from `start`. */
export function stem(x, y0, y1, room) {
  if (Math.abs(y1 - y0) < 0.5) return { path: "", start: x };
  const r = Math.min(7, Math.abs(y1 - y0), Math.max(room, 1));
  return { path: `M${fix(x)} ${fix(y0)}V${fix(y1 - r)}Q${fix(x)} ${fix(y1)} ${fix(x + r)} ${fix(y1)}`, start: x + r };
}

export const fix = (x) => Math.round(x * 10) / 10;
