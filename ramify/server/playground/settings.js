// The form of settings: modes, methods, sampling, budget. Reads to one plain object, and is set from one.

import { el } from "./dom.js";
import { Field, WrongField } from "./fields.js";
import { MethodCard } from "./method.js";

const BUDGETS = {
  tokens: ["tokens drawn", "int"],
  reward_tokens: ["tokens read by rewards", "int"],
  draft_tokens: ["tokens read by drafts", "int"],
  flops: ["FLOPs", "float"],
  seconds: ["seconds", "float"],
  pages: ["KV pages", "int"],
};

export class Settings {
  /** `changed()` is called whenever something is. */
  constructor(form, catalogue, model, changed) {
    Object.assign(this, { form, model, changed: () => this.ready && changed() });
    const most = Math.max(1, Math.min(256, Math.floor((model.max_model_len ?? 512) / 2)));
    this.mode = radios("mode", "Mode", [
      ["chat", "Chat"],
      ["completion", "Completion"],
    ]);
    this.mode.inputs.chat.disabled = !model.chat;
    this.mode.value = model.chat ? "chat" : "completion";
    this.mode.element.append(
      el("p", { className: "hint", hidden: Boolean(model.chat) }, "This model has no chat template."),
    );
    this.cards = [
      new MethodCard(catalogue, "Method", this.changed),
      new MethodCard(catalogue, "Second method", this.changed),
    ];
    this.compare = new Field({ label: "Compare with a second method", param: "compare", type: "bool" });
    this.compare.control.addEventListener("change", () => this.#compared());
    this.sampling = [
      new Field({ label: "temperature", param: "temperature", type: "float", fallback: 1 }),
      new Field({ label: "max tokens", param: "max_tokens", type: "int", fallback: most }),
      new Field({ label: "seed", param: "seed", type: "int", blank: "random" }),
    ];
    this.speculate = new Field({
      label: `Speculate with ${model.draft}`,
      param: "speculate",
      type: "bool",
      fallback: true,
    });
    this.speculate.element.hidden = !model.draft;
    this.budget = (catalogue.budget ?? Object.keys(BUDGETS)).map((name) => {
      const [label, type] = BUDGETS[name] ?? [name, "float"];
      return new Field({ label, param: `search.budget.${name}`, type, blank: "no limit" });
    });
    form.replaceChildren(
      this.mode.element,
      this.cards[0].element,
      this.compare.element,
      this.cards[1].element,
      el(
        "fieldset",
        {},
        el("legend", {}, "Sampling"),
        el("div", { className: "three" }, ...this.sampling.map((field) => field.element)),
        this.speculate.element,
      ),
      el(
        "details",
        { className: "budget" },
        el("summary", {}, "Budget"),
        el("p", { className: "hint" }, "A run that has spent one of these ends, with the best it has."),
        el("div", { className: "pair" }, ...this.budget.map((field) => field.element)),
      ),
    );
    form.addEventListener("input", this.changed);
    form.addEventListener("submit", (event) => event.preventDefault());
    const named = (name) => catalogue.methods.some((method) => method.name === name) && name;
    this.cards[0].value = { method: named("best-of-n") || catalogue.methods[0].name };
    this.cards[1].value = { method: named("beam") || catalogue.methods[0].name };
    this.#compared();
    this.ready = true;
  }

  #compared() {
    this.cards[1].element.hidden = !this.compare.value;
    this.changed();
  }

  get fields() {
    const cards = this.cards.flatMap((card) => [card.method, ...card.fields]);
    return [...cards, ...this.sampling, this.speculate, ...this.budget];
  }

  /** What is set, as one object. A field that cannot be read says so and gets the focus; then null. */
  read() {
    try {
      const own = (fields) =>
        Object.fromEntries(
          fields
            .filter((field) => field.value !== undefined)
            .map((field) => [field.param.split(".").at(-1), field.value]),
        );
      const shown = this.compare.value ? this.cards : this.cards.slice(0, 1);
      return {
        model: this.model.id,
        mode: this.mode.value,
        sides: shown.map((card) => card.value),
        sampling: own(this.sampling),
        speculate: this.model.draft ? this.speculate.value : undefined,
        budget: own(this.budget),
      };
    } catch (error) {
      if (!(error instanceof WrongField)) throw error;
      show(error.field, error.message);
      return null;
    }
  }

  /** Sets what `wish` (what `read` once gave, perhaps out of a link) says; leaves out what does not fit. */
  write(wish) {
    if (Object.hasOwn(this.mode.inputs, wish.mode) && !this.mode.inputs[wish.mode].disabled)
      this.mode.value = wish.mode;
    const sides = Array.isArray(wish.sides) ? wish.sides.slice(0, 2).map(Object) : [];
    sides.forEach((side, place) => (this.cards[place].value = side));
    this.compare.value = sides.length > 1;
    for (const field of this.sampling) field.value = wish.sampling ? wish.sampling[field.param] : field.fallback;
    for (const field of this.budget) field.value = wish.budget?.[field.param.split(".").at(-1)];
    this.speculate.value = wish.speculate ?? true;
    this.#compared();
  }

  /** Shows the server's error at its field, of that side's method. False if there is none. */
  complain(param, message, side) {
    const names = [param, `search.${param}`];
    const near = [this.cards[side].method, ...this.cards[side].fields];
    const found = [...near, ...this.fields].find((field) => names.includes(field.param));
    if (found) show(found, message.replace(`${param}: `, "")); // it stands there: no need to name it
    return Boolean(found);
  }

  forgive() {
    for (const field of this.fields) field.complain("");
  }

  get brief() {
    return this.cards
      .slice(0, this.compare.value ? 2 : 1)
      .map((card) => card.brief)
      .join(" against ");
  }
}

/** A field says what is wrong with it, wherever it is folded away. */
function show(field, message) {
  for (let up = field.element.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
  field.complain(message);
  field.control.focus({ preventScroll: true });
  field.element.scrollIntoView({ block: "center" });
}

function radios(name, legend, choices) {
  const inputs = {};
  const parts = choices.map(([value, label]) => {
    inputs[value] = el("input", { type: "radio", name, value, id: `${name}-${value}` });
    return el("span", {}, inputs[value], el("label", { htmlFor: `${name}-${value}` }, label));
  });
  const element = el(
    "fieldset",
    {},
    el("legend", { className: "hidden" }, legend),
    el("div", { className: "switch" }, ...parts),
  );
  return {
    element,
    inputs,
    get value() {
      return Object.keys(inputs).find((each) => inputs[each].checked);
    },
    set value(value) {
      inputs[value].checked = true;
    },
  };
}
