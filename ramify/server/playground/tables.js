// What a run cost and what it found, as tables.

import { bytes, count, el, flops, score, seconds, share } from "./dom.js";

const FIRST = 100; // candidates shown before somebody asks for more

/** A table with a caption that says what it holds; `columns` are [title, isNumber], rows are arrays of text or elements. */
export function table(caption, columns, rows) {
  const head = columns.map(([title, number]) => el("th", { scope: "col", className: number ? "number" : "" }, title));
  const body = rows.map((row) =>
    el(
      "tr",
      {},
      ...row.map((cell, place) => {
        const [, number] = columns[place];
        if (place === 0) return el("th", { scope: "row" }, cell);
        return el("td", { className: number ? "number" : "" }, cell);
      }),
    ),
  );
  const made = el(
    "table",
    {},
    el("caption", { className: "hidden" }, caption),
    el("thead", {}, el("tr", {}, ...head)),
    el("tbody", {}, ...body),
  );
  // wide tables scroll by themselves, also from the keyboard
  return el("div", { className: "wide", tabIndex: 0, role: "region", aria: { label: caption } }, made);
}

/** All candidates of a search: the best, the others by score, the rejected. A column that nobody fills is left out. */
export function candidates(search) {
  const all = search.candidates ?? [];
  const star = () => el("b", { className: "star", title: "the best" }, "★");
  const given = (value, show) => (value === null || value === undefined ? "" : show(value));
  const columns = [
    ["", false, (each, place) => (place === search.best ? el("span", {}, `${place + 1} `, star()) : `${place + 1}`)],
    ["score", true, (each) => given(each.score, score)],
    ["tokens", true, (each) => count(each.tokens)],
    ["ended by", false, (each) => each.stopped_because ?? ""],
    ["weight", true, (each) => given(each.weight, share)],
    ["answer", false, (each) => given(each.answer, String)],
    ["text", false, (each) => el("span", { className: "text" }, each.text.trim())],
  ].filter(([, , show]) => all.some((each, place) => show(each, place) !== ""));
  const rank = ([each, place]) => (place === search.best ? 2 : each.stopped_because === "rejected" ? 0 : 1);
  const order = all
    .map((each, place) => [each, place])
    .sort((a, b) => {
      const [scoreA, scoreB] = [a, b].map(([each]) => each.score ?? -Number.MAX_VALUE);
      return rank(b) - rank(a) || scoreB - scoreA || a[1] - b[1];
    });
  const row = ([each, place]) => columns.map(([, , show]) => show(each, place));
  const build = (some) => table("Candidates", columns, some.map(row));
  const box = el("div", {}, build(order.slice(0, FIRST)));
  if (all.length > FIRST) {
    const more = el("button", { type: "button", className: "quiet" }, `Show ${count(all.length - FIRST)} more`);
    more.addEventListener("click", () => box.replaceChildren(build(order)));
    box.append(more);
  }
  return box;
}

/** The whole account of a run. */
export function ledger(account) {
  const rows = [
    ["tokens of the prompt", count(account.prompt_tokens)],
    ["tokens drawn", count(account.generated_tokens)],
    ["tokens read by rewards", count(account.reward_tokens)],
    ["tokens read by drafts", count(account.draft_tokens)],
    ["tokens read again", count(account.recomputed_tokens)],
    ["FLOPs, of all models", flops(account.flops)],
    ["time", seconds(account.seconds)],
    ["forks", count(account.forks)],
    ["KV cache at its peak", bytes(account.peak_kv_bytes)],
    ["of what it were without sharing", share(account.kv_sharing)],
  ];
  if (account.drafted) {
    rows.push(
      ["drafted tokens", count(account.drafted)],
      ["of these right", `${count(account.accepted)} (${share(account.accepted / account.drafted)})`],
    );
    rows.push(["tokens for one pass of the model", account.block_efficiency.toFixed(2)]);
  }
  const models = Object.entries(account.models ?? {}).map(([role, of]) => [
    role,
    KINDS[of.kind] ?? of.kind,
    count(of.tokens),
    count(of.passes),
    count(of.recomputed),
    flops(of.flops),
  ]);
  const columns = [
    ["model", false],
    ["role", false],
    ["tokens read", true],
    ["passes", true],
    ["read again", true],
    ["FLOPs", true],
  ];
  return el(
    "div",
    { className: "ledger" },
    table(
      "Cost of this run",
      [
        ["what", false],
        ["how much", true],
      ],
      rows,
    ),
    table("Models", columns, models),
  );
}

const KINDS = { writer: "writes", reward: "scores", draft: "drafts" };

/** Two runs beside each other: what each took, and the second as a multiple of the first. Dots where one still runs. */
export function summary(runs) {
  const [a, b] = runs.map(({ search }) => search?.ledger);
  const [first, second] = runs.map(({ search }) => search?.candidates[search.best]?.score);
  const missing = runs.map(({ state }) => (state === "running" ? "…" : "none"));
  const row = (name, key, show) => {
    const times = a?.[key] > 0 && b ? `${(b[key] / a[key]).toPrecision(3)}×` : "";
    return [name, a ? show(a[key]) : missing[0], b ? show(b[key]) : missing[1], times];
  };
  const known = Number.isFinite(first) && Number.isFinite(second);
  const difference = known ? signed(second - first) : "";
  const columns = [["", false], ...runs.map(({ title }) => [title[0], true]), ["second to first", true]];
  return table("Both methods", columns, [
    row("tokens drawn", "generated_tokens", count),
    row("tokens read by rewards", "reward_tokens", count),
    row("FLOPs", "flops", flops),
    row("time", "seconds", seconds),
    ["score of the best", a ? score(first) : missing[0], b ? score(second) : missing[1], difference],
  ]);
}

const signed = (x) => (Math.abs(x) < 5e-4 ? "equal" : `${x < 0 ? "" : "+"}${score(x)}`);
