// The page: starts up, sends, stops, keeps the conversation.

import { ServerError, get } from "./api.js";
import { at, el } from "./dom.js";
import { askKey, closeDoor, door, key } from "./door.js";
import { fit, promptBox, wrongPrompt } from "./prompt.js";
import { request } from "./request.js";
import { Run, inWords } from "./run.js";
import { Settings } from "./settings.js";
import { asCurl, asLink, asPython, copy, fromLink } from "./share.js";
import { summary } from "./tables.js";

const PHONE = matchMedia("(max-width: 860px)");
const EXAMPLES = [
  ["Draw eight, keep the best", [{ method: "best-of-n", options: { n: 8 } }]],
  ["Search step by step", [{ method: "beam", options: { n: 8 } }]],
  [
    "Two methods side by side",
    [
      { method: "best-of-n", options: { n: 8 } },
      { method: "speculative-rejection", options: { n: 8 } },
    ],
  ],
];
const PROMPT = at("try").querySelector("code").textContent;

const state = { settings: null, turns: [], running: null, spoken: 0 };

async function start() {
  at("banner").hidden = true;
  try {
    const [models, catalogue] = [await get("v1/models", key()), await get("v1/methods", key())];
    const whole = models.data.filter(({ id }) => !id.includes(":"));
    at("model").replaceChildren(...whole.map(({ id }) => el("option", { value: id }, id)));
    at("model").disabled = whole.length < 2;
    const choose = () => {
      state.settings = new Settings(
        at("settings"),
        catalogue,
        whole.find(({ id }) => id === at("model").value),
        changed,
      );
      at("settings").append(sharing());
      const wish = fromLink(location.hash);
      if (wish) take(wish);
      changed();
    };
    at("model").onchange = choose;
    choose();
    examples(catalogue);
    closeDoor();
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    if (error.status === 401) return askKey(key() ? "The server does not know this key." : inWords(error));
    const again = el("button", { type: "button" }, "Try again");
    again.addEventListener("click", start);
    at("banner").replaceChildren(`${inWords(error)} `, again);
    at("banner").hidden = false;
  }
}

const changed = () => (at("settings-brief").textContent = state.settings?.brief ?? "");

/** Takes over what a link carries. */
function take(wish) {
  state.settings.write(wish);
  if (typeof wish.prompt === "string") at("prompt").value = wish.prompt;
  fit();
}

function examples(catalogue) {
  const known = (sides) => sides.every((side) => catalogue.methods.some(({ name }) => name === side.method));
  const buttons = EXAMPLES.filter(([, sides]) => known(sides)).map(([label, sides]) => {
    const button = el(
      "button",
      { type: "button" },
      el("b", {}, label),
      el("span", {}, sides.map(({ method }) => method).join(" against ")),
    );
    button.addEventListener("click", () => {
      const now = state.settings.read();
      if (!now) return;
      take({ ...now, sides, prompt: PROMPT });
      send();
    });
    return button;
  });
  at("examples").replaceChildren(...buttons);
  at("try").hidden = !buttons.length;
}

function sharing() {
  const button = (label, write) => {
    const made = el("button", { type: "button", className: "quiet" }, label);
    made.addEventListener("click", () => {
      const settings = state.settings.read();
      if (settings) copy(write(settings), made);
    });
    return made;
  };
  const prompt = () => at("prompt").value;
  const all = (settings, write) =>
    settings.sides
      .map((_, side) => write(request(settings, side, history(settings, side), prompt()), Boolean(key())))
      .join("\n");
  return el(
    "div",
    { className: "share", role: "group", aria: { label: "Share" } },
    button("Copy as curl", (settings) => all(settings, asCurl)),
    button("Copy as Python", (settings) => all(settings, asPython)),
    button("Copy a link", (settings) => asLink(settings, prompt())),
  );
}

/** What was said before, as that side of the comparison has it. */
function history(settings, side) {
  if (settings.mode !== "chat") return [];
  return state.turns
    .filter(({ mode }) => mode === "chat")
    .flatMap(({ prompt, runs }) => {
      const { state: how, text } = runs[Math.min(side, runs.length - 1)];
      return how === "done"
        ? [
            { role: "user", content: prompt },
            { role: "assistant", content: text },
          ]
        : [];
    });
}

async function send() {
  if (state.running || !state.settings) return;
  const prompt = at("prompt").value;
  const settings = state.settings.read();
  if (!settings) return;
  state.settings.forgive();
  wrongPrompt(prompt.trim() ? "" : "Write a prompt first.");
  if (!prompt.trim()) return;
  const alone = settings.sides.length === 1;
  const runs = settings.sides.map(
    (_, side) => new Run(request(settings, side, history(settings, side), prompt), key(), { alone, heard: tell }),
  );
  const beside = el("div", { className: "beside" }, ...runs.map(({ element }) => element));
  const both = alone ? null : el("div", { className: "both" }, summary(runs));
  const turn = el(
    "section",
    { className: "turn" },
    el("p", { className: "asked", hidden: settings.mode !== "chat" }, prompt),
    both,
    beside,
  );
  state.turns.push({ mode: settings.mode, prompt, runs });
  at("thread").append(turn);
  begin(runs, turn);
  await Promise.all(
    runs.map(async (run) => {
      await run.go(state.running.signal);
      both?.replaceChildren(summary(runs));
    }),
  );
  finish(runs, prompt);
}

function begin(runs, turn) {
  state.running = new AbortController();
  [state.runs, state.spoken] = [runs, -Infinity];
  at("welcome").hidden = true;
  const inSend = document.activeElement === at("send");
  at("stop").hidden = false;
  at("send").hidden = at("clear").hidden = true;
  if (inSend) at("stop").focus(); // whoever hides must not take the focus along
  at("prompt").value = "";
  fit();
  turn.scrollIntoView({ block: "start" });
  if (PHONE.matches) at("settings-box").open = false;
  tell();
}

function finish(runs, prompt) {
  const inStop = document.activeElement === at("stop");
  state.running = null;
  at("stop").hidden = true;
  at("send").hidden = false;
  at("clear").hidden = false;
  if (inStop) at("send").focus();
  at("status").textContent = runs.map(({ outcome }) => outcome).join("; ");
  const failed = runs.findIndex(({ error }) => error);
  if (failed < 0) return;
  if (!at("prompt").value) at("prompt").value = prompt; // so that it can be sent again
  fit();
  complain(runs[failed].error, failed);
}

/** An error goes to its field, wherever that is. */
function complain(error, side) {
  if (error.status === 401) askKey(inWords(error));
  else if (["prompt", "messages"].includes(error.param)) wrongPrompt(error.message);
  else if (error.param) state.settings.complain(error.param, error.message, side);
}

/** How it goes, not more often than somebody can listen to. */
function tell() {
  if (!state.running || performance.now() - state.spoken < 1500) return;
  state.spoken = performance.now();
  at("status").textContent = `Running: ${state.runs
    .map(({ progress }) => progress)
    .filter(Boolean)
    .join("; ")}`;
}

function clear() {
  state.turns = [];
  at("thread").replaceChildren();
  at("welcome").hidden = false;
  at("clear").hidden = true;
  at("status").textContent = "";
  at("prompt").focus();
}

promptBox(send);
at("stop").addEventListener("click", () => state.running?.abort());
at("clear").addEventListener("click", clear);
door(() => state.settings || start());
addEventListener("keydown", (event) => event.key === "Escape" && state.running?.abort());
addEventListener("hashchange", () => {
  const wish = fromLink(location.hash);
  if (wish && state.settings) take(wish);
});
const folded = () => (at("settings-box").open = !PHONE.matches);
PHONE.addEventListener("change", folded);
folded();
start();
