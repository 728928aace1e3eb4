"""Searches: one more field, or a longer model name; whole and streamed."""

from typing import Any

import openai
import pytest

import ramify
from tests.server.serving import Served
from tests.server.talking import KINDS, Replay, Talk, events_of, finishes, joined, texts_of

PROMPT = "El niño "
LONG = {"max_tokens": 12, "seed": 8}
SEARCHES: dict[str, dict[str, Any]] = {
    "best-of-n": {"n": 4, "reward": "scorer"},
    "best-of-n by likelihood": {"method": "best-of-n", "n": 4, "reward": "logprob"},
    "greedy": {},
    "sample": {"n": 3},
    "majority-vote": {"n": 4},
    "beam": {"n": 4, "width": 2, "reward": "scorer", "step": " "},
    "speculative-rejection": {"n": 6, "reward": "scorer"},
    "particle-filter": {"n": 4, "reward": "scorer", "marker": " "},
    "token-beam-search": {"width": 3},
    "power-sampling": {"steps": 3},
    "mcts": {"simulations": 4, "reward": "scorer", "step": " "},
    "majority-vote(each=best-of-n(n=2))": {"n": 3, "reward": "ranker"},
}
LEDGER = {
    "prompt_tokens", "generated_tokens", "reward_tokens", "draft_tokens", "recomputed_tokens", "flops", "seconds",
    "forks", "peak_kv_bytes", "kv_sharing", "block_efficiency", "drafted", "accepted", "models",
}  # fmt: skip
TREE = {"id", "parent", "forked_at", "length", "text", "score", "ended", "best"}


def wish(name: str) -> dict[str, Any]:
    return {"method": name.split(" ")[0]} | SEARCHES[name]


def in_python(lm: ramify.LM, prompt: Any, search: dict[str, Any]) -> Any:
    own = {key: value for key, value in search.items() if key != "method"}
    return lm.search(prompt, search["method"], **own, **LONG)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_search_is_that_of_python(name: str, talk: Talk, lm: ramify.LM) -> None:
    answer, result = talk.ask("completions", PROMPT, {"search": wish(name)}, **LONG), in_python(lm, PROMPT, wish(name))
    found = answer.search
    assert texts_of(answer) == [result.text]
    assert (found["method"], found["seed"]) == (wish(name)["method"], 8)
    told = [(c["text"], c["tokens"], c["stopped_because"]) for c in found["candidates"]]
    assert told == [(c.text, c.tokens, c.stopped_because) for c in result.candidates]
    assert [c["index"] for c in found["candidates"]] == list(range(len(result.candidates)))
    scores = [c.score for c in result.candidates]
    assert [c["score"] for c in found["candidates"]] == [s and pytest.approx(s, abs=1e-5) for s in scores]
    assert found["candidates"][found["best"]]["text"] == result.text
    assert len(found["rounds"]) == len(result.rounds)


@pytest.mark.parametrize("kind", KINDS)
def test_the_account(kind: str, talk: Talk) -> None:
    answer = talk.ask(kind, PROMPT, {"search": wish("best-of-n"), "ignore_eos": True}, **LONG)
    ledger, usage = answer.search["ledger"], answer.usage
    assert set(ledger) == LEDGER
    assert usage.completion_tokens == ledger["generated_tokens"] == 4 * 12
    assert usage.prompt_tokens == ledger["prompt_tokens"]
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert ledger["reward_tokens"] == ledger["models"]["scorer"]["tokens"] >= 4 * 12
    assert set(ledger["models"]["target"]) == {"kind", "tokens", "passes", "recomputed", "flops"}
    assert ledger["flops"] > 0 and ledger["peak_kv_bytes"] > 0 and 0 < ledger["kv_sharing"] <= 1


def test_the_tree_if_it_is_asked_for(talk: Talk) -> None:
    answer = talk.ask("completions", PROMPT, {"search": wish("beam") | {"trace": True}}, **LONG)
    tree = answer.search["tree"]
    assert all(set(branch) == TREE for branch in tree)
    assert [branch["text"] for branch in tree if branch["best"]] == texts_of(answer)
    assert {branch["parent"] for branch in tree} <= {None, *(branch["id"] for branch in tree)}
    assert "tree" not in talk.ask("completions", PROMPT, {"search": wish("beam")}, **LONG).search


def test_token_ids_of_candidates(talk: Talk, served: Served) -> None:
    answer = talk.ask("completions", PROMPT, {"search": wish("sample"), "return_token_ids": True}, **LONG)
    for candidate in answer.search["candidates"]:
        written = served.post("/detokenize", {"tokens": candidate["token_ids"]}).json()["prompt"]
        assert written.startswith(candidate["text"])


@pytest.mark.parametrize("tokens", [5, 20])
def test_a_budget(tokens: int, talk: Talk) -> None:
    search = wish("best-of-n") | {"budget": {"tokens": tokens}}
    answer = talk.ask("completions", PROMPT, {"search": search, "ignore_eos": True}, **LONG)
    assert answer.search["ledger"]["generated_tokens"] <= tokens
    assert "budget" in {c["stopped_because"] for c in answer.search["candidates"]}
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["best-of-n", "majority-vote", "greedy", "best-of-n(n=3)"])
def test_a_search_in_the_models_name(kind: str, method: str, talk: Talk) -> None:
    """The reward is the one that the server was given for such requests."""
    name = f"{talk.model}:{method}"
    answer = talk.ask(kind, PROMPT, model=name, **LONG)
    search: dict[str, Any] = {"method": method} | ({"reward": "scorer"} if "best" in method else {})
    same = talk.ask(kind, PROMPT, {"search": search}, **LONG)
    assert texts_of(answer) == texts_of(same)
    assert len(answer.search["candidates"]) == len(same.search["candidates"])


def test_names_that_are_listed_work(talk: Talk) -> None:
    names = [model.id for model in talk.client.models.list().data]
    assert {talk.model, f"{talk.model}:best-of-n", f"{talk.model}:majority-vote"} <= set(names)
    for name in names:
        answer = talk.ask("completions", PROMPT, model=name, max_tokens=2, seed=1)
        assert len(answer.choices) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["best-of-n", "beam", "majority-vote"])
def test_a_stock_clients_loop_sees_the_chosen_text(kind: str, name: str, talk: Talk) -> None:
    """The usual loop: chunks without choices are passed over."""
    options = {"stream_options": {"include_usage": True}, **LONG}
    chunks = talk.stream(kind, PROMPT, {"search": wish(name)}, **options)
    whole = talk.ask(kind, PROMPT, {"search": wish(name)}, **LONG)
    assert joined(chunks) == texts_of(whole)
    assert finishes(chunks) == {0: [whole.choices[0].finish_reason]}
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize("name", SEARCHES)
def test_events_replayed_give_the_candidates(name: str, served: Served) -> None:
    body = {"model": served.model, "prompt": PROMPT, "search": wish(name) | {"trace": True}, "return_token_ids": True}
    with served.http() as client:
        sent = events_of(client, "/v1/completions", body | LONG)
    (result,) = [each.data["search"] for each in sent if each.event == "search.result"]
    replay = Replay.of(sent)
    tree = {branch["id"]: branch for branch in result["tree"]}
    assert {each.event for each in sent} <= {"message", "search.result"} | {
        f"search.{kind}" for kind in ("fork", "advance", "rewind", "score", "drop", "end")
    }
    assert len(replay.tokens) == len(tree) or "each" in name
    told = [tuple(tokens) for tokens in replay.tokens.values()]
    for candidate in result["candidates"]:
        ids = tuple(candidate["token_ids"])
        assert any(tokens[: len(ids)] == ids for tokens in told), (ids, told)
        assert candidate["text"] in replay.texts.values()
    assert sent[-1].data == "[DONE]"


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_a_streamed_search(kind: str, served: Served) -> None:
    """Events while it searches; what it found; then the chosen text as plain chunks."""
    asked = {"prompt": PROMPT} if kind == "completions" else {"messages": [{"role": "user", "content": PROMPT}]}
    path = "/v1/completions" if kind == "completions" else "/v1/chat/completions"
    body = {"model": served.model, "search": wish("best-of-n"), "stream_options": {"include_usage": True}, **asked}
    with served.http() as client:
        names = [each.event for each in events_of(client, path, body | LONG)]
        whole = client.post(path, json={key: body[key] for key in body if key != "stream_options"} | LONG).json()
        sent = events_of(client, path, body | LONG)
    assert names[0] == "search.fork"
    first = names.index("message")
    assert all(name.startswith("search.") for name in names[:first])
    assert names.count("search.result") == 1
    assert names.count("search.fork") == 4
    found = next(each.data["search"] for each in sent if each.event == "search.result")
    for told in (found, whole["search"]):
        told["ledger"].pop("seconds")
    assert found["candidates"] == whole["search"]["candidates"]
    assert found["best"] == whole["search"]["best"]


@pytest.mark.parametrize("name", ["best-of-n", "beam"])
def test_a_batch_of_searches(name: str, talk: Talk, served: Served, lm: ramify.LM) -> None:
    """One choice of each prompt, and a list of what was found; streamed, every event says of which prompt it tells."""
    prompts, own = [PROMPT, "Привет "], {key: value for key, value in wish(name).items() if key != "method"}
    answer = talk.ask("completions", prompts, {"search": wish(name)}, **LONG)
    results = lm.search_many(prompts, wish(name)["method"], **own, **LONG)
    assert texts_of(answer) == [result.text for result in results]
    wanted = [[candidate.text for candidate in result.candidates] for result in results]
    assert [[candidate["text"] for candidate in found["candidates"]] for found in answer.search] == wanted
    with served.http() as client:
        body = {"model": served.model, "prompt": prompts, "search": wish(name)}
        sent = events_of(client, "/v1/completions", body | LONG)
    told = [each.data["search"] for each in sent if each.event.startswith("search.")]
    assert {each["prompt"] for each in told} == {0, 1}
    found = {each["prompt"]: [c["text"] for c in each["candidates"]] for each in told if "candidates" in each}
    assert [found[index] for index in range(2)] == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_of_what_was_chosen(kind: str, talk: Talk, lm: ramify.LM) -> None:
    prompt = PROMPT if kind == "completions" else [{"role": "user", "content": PROMPT}]
    options = {"logprobs": 2} if kind == "completions" else {"logprobs": True, "top_logprobs": 2}
    (choice,) = talk.ask(kind, prompt, {"search": wish("best-of-n")}, **options, **LONG).choices
    told = choice.logprobs.token_logprobs if kind == "completions" else [e.logprob for e in choice.logprobs.content]
    best = lm.search(prompt, "best-of-n", n=4, reward="scorer", logprobs=2, **LONG).best
    assert told == pytest.approx([entry.logprob for entry in best.logprobs], abs=1e-6)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no method": ({}, "search.method"),
    "a method that is none": ({"method": "best-off-n"}, "search.method"),
    "no reward": ({"method": "best-of-n"}, "search.reward"),
    "a reward that is none": ({"method": "best-of-n", "reward": "builtin-prn"}, "reward"),
    "a guide that is none": ({"method": "sample", "guide": "contrast"}, "guide"),
    "an option that is none": ({"method": "sample", "m": 3}, "m"),
    "an option of another method": ({"method": "sample", "width": 3}, "width"),
    "n 0": ({"method": "sample", "n": 0}, "n"),
    "n too large": ({"method": "sample", "n": 33}, "search.n"),
    "n too large when multiplied": ({"method": "majority-vote(each=best-of-n(n=8))", "n": 8}, "search.n"),
    "n in the name": ({"method": "sample(n=33)"}, "search.n"),
    "n of text": ({"method": "sample", "n": "four"}, "n"),
    "n twice": ({"method": "sample(n=2)", "n": 2}, "n"),
    "a budget that is none": ({"method": "sample", "budget": {"euros": 3}}, "search.budget"),
    "a budget below zero": ({"method": "sample", "budget": {"tokens": -3}}, "search.budget"),
    "a budget above the cap": ({"method": "sample", "budget": {"tokens": 10**9}}, "search.budget.tokens"),
    "sampling inside": ({"method": "sample", "max_tokens": 5}, "search.max_tokens"),
    "a seed inside": ({"method": "sample", "seed": 5}, "search.seed"),
    "a hook": ({"method": "sample", "watch": "print"}, "search.watch"),
    "code": ({"method": "sample", "extract": "lambda text: 1"}, "search.extract"),
    "a selection that is none": ({"method": "majority-vote", "select": "median"}, "select"),
    "a broken name": ({"method": "best-of-n(n=", "reward": "logprob"}, "search.method"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("search", "param"), REFUSED.values(), ids=REFUSED)
def test_a_search_is_refused_by_what_is_wrong(kind: str, search: dict[str, Any], param: str, talk: Talk) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        talk.ask(kind, PROMPT, {"search": search}, max_tokens=2)
    assert caught.value.param is not None
    assert caught.value.param.split(".")[-1] == param.split(".")[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_two_searches_or_two_counts(kind: str, talk: Talk) -> None:
    for fields, param in (
        ({"search": {"method": "sample"}, "model": f"{talk.model}:greedy"}, "search"),
        ({"search": {"method": "sample", "n": 2}, "n": 2}, "n"),
    ):
        with pytest.raises(openai.BadRequestError) as caught:
            talk.ask(kind, PROMPT, fields, max_tokens=2)
        assert caught.value.param == param


@pytest.mark.parametrize("name", ["nothing", "best-off-n", "sample(n=", ""])
def test_no_such_method_in_the_models_name(name: str, talk: Talk) -> None:
    with pytest.raises((openai.BadRequestError, openai.NotFoundError)) as caught:
        talk.ask("completions", PROMPT, model=f"{talk.model}:{name}", max_tokens=2)
    assert caught.value.param == "model"
