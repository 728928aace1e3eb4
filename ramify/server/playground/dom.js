// Making elements, and numbers in words. Text goes in as text: nothing on this page parses markup.

export const at = (id) => document.getElementById(id);

/** An element. `props` are properties (className, htmlFor ...), except `data` and `aria`, which are objects. */
export function el(tag, props = {}, ...children) {
  const made = document.createElement(tag);
  const { data = {}, aria = {}, ...rest } = props;
  Object.assign(made, rest);
  Object.assign(made.dataset, data);
  for (const [name, value] of Object.entries(aria)) made.setAttribute(`aria-${name}`, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** An SVG element with attributes. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Sets an attribute if it differs: drawing often is then cheap. */
export function set(element, name, value) {
  const text = String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

export const count = (n) => Math.round(n).toLocaleString("en");
export const share = (x) => `${(100 * x).toFixed(x > 0 && x < 0.1 ? 1 : 0)}%`;
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A score: four digits that count, in a column's width. */
export function score(x) {
  if (x === null || x === undefined) return "none";
  const size = Math.abs(x);
  if (size !== 0 && (size >= 1e4 || size < 1e-3)) return minus(x.toExponential(1));
  return minus(x.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3));
}

const minus = (text) => text.replace(/^-/, "−");

function scaled(x, units, step) {
  let place = 0;
  while (x >= step && place < units.length - 1) [x, place] = [x / step, place + 1];
  return `${x >= 100 || Number.isInteger(x) ? Math.round(x) : x.toPrecision(3)} ${units[place]}`;
}

export const flops = (x) => scaled(x, ["FLOP", "kFLOP", "MFLOP", "GFLOP", "TFLOP", "PFLOP"], 1000);
export const bytes = (x) => scaled(x, ["B", "KiB", "MiB", "GiB"], 1024);
export const seconds = (x) => `${x < 10 ? x.toFixed(2) : x.toFixed(1)} s`;

/** Fills an element with pieces of text; those that a draft was right about are marked. */
export function fill(element, pieces) {
  element.replaceChildren(
    ...pieces.map(({ text, drafted, inherited }) => {
      if (!drafted && !inherited) return text;
      return el("span", { className: `${drafted ? "drafted" : ""}${inherited ? " inherited" : ""}`.trim() }, text);
    }),
  );
}
