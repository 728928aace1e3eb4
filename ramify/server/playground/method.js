// The card of one method: which, its size, its reward, its other options, a guide. Made from what /v1/methods says.

import { el } from "./dom.js";
import { Field } from "./fields.js";

const REPEATED = new Set(["reward", "guide", "budget", "method", "trace"]); // have fields of their own

export class MethodCard {
  constructor(catalogue, title, changed) {
    Object.assign(this, { catalogue, changed });
    const choices = catalogue.methods.map(({ name }) => name);
    this.method = new Field({ label: title, param: "search.method", choices, fallback: choices[0] });
    this.summary = el("p", { className: "summary" });
    this.body = el("div", { className: "fields" });
    this.element = el(
      "fieldset",
      { className: "card" },
      el("legend", { className: "hidden" }, title),
      this.method.element,
      this.summary,
      this.body,
    );
    this.method.control.addEventListener("change", () => this.#choose());
    this.element.addEventListener("input", changed);
    this.#choose();
  }

  /** Other fields for another method; what the two have in common stays. */
  #choose() {
    const before = this.fields ? this.#texts() : {};
    const entry = this.catalogue.methods.find(({ name }) => name === this.method.control.value);
    this.entry = entry;
    this.size = null;
    const { rewards, guides } = this.catalogue;
    const options = entry.options.filter(({ name }) => !REPEATED.has(name));
    const fields = options.map(({ name, type, default: fallback }) => {
      const field = new Field({
        label: words(name),
        param: `search.${name}`,
        type,
        fallback,
        blank: fallback === null ? "unset" : "",
      });
      field.name = name;
      if (name === entry.size) this.size = field;
      return field;
    });
    const hint = entry.uses_reward ? "" : "This method works without one.";
    this.reward = new Field({ label: "reward", param: "search.reward", suggestions: rewards, hint, blank: "none" });
    this.reward.value = entry.uses_reward ? rewards[0] : "";
    const lines = guides.map(({ example, name }) => example?.match(/--guide "([^"]+)"/)?.[1] ?? example ?? name);
    this.guide = new Field({
      label: "guide",
      param: "search.guide",
      suggestions: lines,
      blank: "none",
      hint: "A line that says which models shape every token.",
    });
    this.options = fields;
    this.fields = [...fields, this.reward, this.guide];
    const rest = fields.filter((field) => field !== this.size);
    const law = el("p", { className: "law" }, `Law: ${entry.law}.${entry.paper ? ` ${entry.paper}` : ""}`);
    const needs =
      entry.needs && entry.needs !== "nothing" ? el("p", { className: "law" }, `Needs ${entry.needs}.`) : null;
    const count = rest.length ? `Guide and ${rest.length} more option${rest.length === 1 ? "" : "s"}` : "Guide";
    this.summary.textContent = `${entry.summary.replace(/^\w(?=\w)/, (first) => first.toUpperCase())}.`;
    const pair = el("div", { className: "pair" }, this.size?.element, this.reward.element);
    this.body.replaceChildren(
      pair,
      el(
        "details",
        {},
        el("summary", {}, count),
        ...rest.map((field) => field.element),
        this.guide.element,
        law,
        needs ?? "",
      ),
    );
    for (const field of this.fields) {
      if (field.control.tagName === "INPUT" && before[field.param]?.own && field !== this.reward)
        field.control.value = before[field.param].text;
    }
    this.changed();
  }

  /** What was typed by hand, by field. */
  #texts() {
    return Object.fromEntries(
      this.fields
        .filter((field) => field.type !== "bool")
        .map((field) => {
          let own = true;
          try {
            own = field.changed;
          } catch {} // what cannot be read was typed
          return [field.param, { text: field.control.value, own }];
        }),
    );
  }

  /** {method, reward, guide, options}: the size always, other options where they differ from the default. Raises WrongField. */
  get value() {
    const wanted = this.options.filter((field) => field.value !== undefined && (field === this.size || field.changed));
    const options = Object.fromEntries(wanted.map((field) => [field.name, field.value]));
    return { method: this.entry.name, reward: this.reward.value, guide: this.guide.value, options };
  }

  set value({ method, reward, guide, options = {} }) {
    this.method.value = method;
    if (!this.method.control.value) this.method.value = this.catalogue.methods[0].name;
    this.fields = null; // nothing of the last method is kept
    this.#choose();
    if (reward !== undefined) this.reward.value = reward;
    this.guide.value = guide;
    for (const field of this.options) if (Object.hasOwn(Object(options), field.name)) field.value = options[field.name];
    this.changed();
  }

  /** One line: what is set. */
  get brief() {
    const size = this.size && this.size.control.value ? ` · ${this.size.label} ${this.size.control.value}` : "";
    return `${this.entry.name}${size}`;
  }
}

const words = (name) => name.replaceAll("_", " ");
