// Labelled fields: what stands in them is text; what it means is read by type, and refused in words where it has none.

import { el } from "./dom.js";

let made = 0;

/** A value that its field's type does not allow. */
export class WrongField extends Error {
  constructor(field, message) {
    super(message);
    this.field = field;
  }
}

/** A labelled control. `param` is the request's name for it: errors find their field by that. */
export class Field {
  constructor({
    label,
    param,
    type = "str",
    fallback = "",
    hint = "",
    choices = null,
    suggestions = null,
    blank = "",
  }) {
    Object.assign(this, { type, param, label, fallback });
    const id = `field-${(made += 1)}`;
    this.control = control(type, choices);
    Object.assign(this.control, { id, name: param });
    this.control.dataset.param = param;
    if (blank) this.control.placeholder = blank;
    this.hint = el("p", { id: `${id}-hint`, className: "hint", hidden: !hint }, hint);
    this.error = el("p", { id: `${id}-error`, className: "error", hidden: true });
    this.control.setAttribute("aria-describedby", `${id}-hint ${id}-error`);
    const list =
      suggestions && el("datalist", { id: `${id}-list` }, ...suggestions.map((value) => el("option", { value })));
    if (list) this.control.setAttribute("list", list.id);
    const caption = el("label", { htmlFor: id }, label);
    const inside =
      type === "bool" ? [el("div", { className: "tick" }, this.control, caption)] : [caption, this.control];
    this.element = el("div", { className: "field" }, ...inside, list, this.hint, this.error);
    this.control.addEventListener("input", () => this.complain(""));
    this.value = fallback;
  }

  /** What stands there, read: undefined if it is empty. Raises WrongField. */
  get value() {
    if (this.type === "bool") return this.control.checked;
    const text = this.control.value.trim();
    if (text === "") return undefined;
    if (this.type === "int" || this.type === "float") return this.#number(text);
    if (this.type === "json") return this.#json(text);
    return this.control.tagName === "SELECT" ? this.control.value : unescaped(this.control.value);
  }

  set value(value) {
    if (this.type === "bool") this.control.checked = Boolean(value);
    else if (value === null || value === undefined) this.control.value = "";
    else if (this.type === "json") this.control.value = JSON.stringify(value);
    else this.control.value = this.control.tagName === "SELECT" ? value : escaped(String(value));
  }

  /** Whether it says something else than the server would assume. */
  get changed() {
    return JSON.stringify(this.value ?? null) !== JSON.stringify(this.fallback ?? null);
  }

  complain(message) {
    this.error.textContent = message;
    this.error.hidden = !message;
    this.control.setAttribute("aria-invalid", Boolean(message));
  }

  #number(text) {
    const number = Number(text.replace("−", "-"));
    if (!Number.isFinite(number)) throw new WrongField(this, `${text} is not a number.`);
    if (this.type === "int" && !Number.isSafeInteger(number))
      throw new WrongField(this, `${text} is not a whole number.`);
    return number;
  }

  #json(text) {
    if (/^[a-z][\w-]*$/i.test(text) && !["true", "false", "null"].includes(text)) return text; // a name needs no quotes
    try {
      return JSON.parse(text);
    } catch {
      throw new WrongField(this, 'Not JSON. A list of texts is ["one", "two"].');
    }
  }
}

function control(type, choices) {
  if (choices) {
    return el(
      "select",
      {},
      ...choices.map((choice) => el("option", { value: choice.value ?? choice }, choice.label ?? choice)),
    );
  }
  if (type === "bool") return el("input", { type: "checkbox" });
  const inputMode = { int: "numeric", float: "decimal" }[type] ?? "text";
  return el("input", { type: "text", inputMode, autocomplete: "off", spellcheck: false });
}

// A field has one line: a line's end stands in it as \n.
const escaped = (text) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\t", "\\t");
const unescaped = (text) => text.replace(/\\([\\nt])/g, (_, sign) => ({ n: "\n", t: "\t" })[sign] ?? sign);
