"""The other paths: models, methods, scores, tokens, health, metrics, the description of all."""

import pytest

import ramify
from tests.server.serving import Served
from tests.server.talking import Talk, events_of

TEXTS = ["hello", "Grüße, мир", "你好，世界。 😀", "ab\n\tc", ""]


def test_models(talk: Talk, lm: ramify.LM) -> None:
    page = talk.client.models.list()
    assert page.object == "list"
    first = page.data[0]
    assert (first.id, first.object, first.owned_by) == (talk.model, "model", "ramify")
    assert isinstance(first.created, int)
    assert (first.max_model_len, first.chat, first.draft) == (256, True, None)


def test_methods(served: Served) -> None:
    with served.http() as client:
        told = client.get("/v1/methods").json()
    assert (told["object"], told["model"], told["draft"]) == ("list", served.model, None)
    by_name = {method["name"]: method for method in told["methods"]}
    assert set(by_name) == {method.name for method in ramify.methods()}
    said = {"name", "summary", "paper", "law", "needs", "uses_reward", "size", "options"}
    assert all(said <= set(method) for method in told["methods"])
    options = {option["name"]: option for option in by_name["beam"]["options"]}
    assert (options["width"]["default"], options["width"]["type"]) == (4, "int")
    assert options["step"] == {"name": "step", "default": "\n", "type": "str"} | options["step"]
    assert by_name["best-of-n"]["uses_reward"] and not by_name["sample"]["uses_reward"]
    assert {"scorer", "ranker", "logprob"} <= set(told["rewards"])
    assert {"tokens", "reward_tokens", "flops", "seconds"} <= set(told["budget"])
    assert told["limits"]["max_n"] == 32
    assert all({"name", "summary", "example"} <= set(guide) for guide in told["guides"]) and told["guides"]


@pytest.mark.parametrize("text", TEXTS)
def test_text_to_tokens_and_back(text: str, served: Served, lm: ramify.LM) -> None:
    told = served.post("/tokenize", {"prompt": text, "return_token_strs": True}).json()
    assert told["tokens"] == lm.encode(text)
    assert (told["count"], told["max_model_len"]) == (len(told["tokens"]), 256)
    assert len(told["token_strs"]) == told["count"]
    assert served.post("/detokenize", {"model": served.model, "tokens": told["tokens"]}).json() == {"prompt": text}
    assert "token_strs" not in served.post("/tokenize", {"prompt": text}).json() or text == ""


@pytest.mark.parametrize("opened", [None, False, True])
def test_messages_to_tokens(opened: bool | None, served: Served, lm: ramify.LM) -> None:
    messages = [{"role": "user", "content": "¿El niño?"}]
    asked = {} if opened is None else {"add_generation_prompt": opened}
    told = served.post("/tokenize", {"messages": messages, **asked}).json()
    assert told["tokens"] == lm.chat.encode(lm.tokenizer, messages, add_generation_prompt=opened)


def test_the_begin_token_may_be_left_out(drafting: Served) -> None:
    """Of a model whose texts begin with one."""
    told = [
        drafting.post("/tokenize", {"prompt": "Compute 7 * 8.", "add_special_tokens": special}).json()["tokens"]
        for special in (True, False)
    ]
    assert told[0][1:] == told[1]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/tokenize", {}, "prompt"),
        ("/tokenize", {"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "prompt"),
        ("/tokenize", {"prompt": 3}, "prompt"),
        ("/tokenize", {"prompt": "a", "x": 1}, "x"),
        ("/detokenize", {}, "tokens"),
        ("/detokenize", {"tokens": "a"}, "tokens"),
        ("/detokenize", {"tokens": [100_000]}, "tokens"),
        ("/detokenize", {"tokens": [-1]}, "tokens"),
        ("/detokenize", {"tokens": [True]}, "tokens"),
        ("/v1/score", {"model": "scorer", "prompt": "a"}, "completion"),
        ("/v1/score", {"model": "scorer", "prompt": "a", "completions": ["b"] * 9}, "completions"),
        ("/v1/score", {"model": "logprob", "prompt": "a", "completion": "b"}, "model"),
        ("/v1/score", {"model": "scorer", "completion": "a"}, "prompt"),
        ("/v1/score", {"model": "scorer", "prompt": "a", "completion": "b", "completions": ["c"]}, "completion"),
        ("/v1/score", {"model": "scorer", "prompt": "a", "completions": []}, "completions"),
        ("/v1/score", {"model": "scorer", "prompt": "a", "completion": "b", "softmax": True}, "softmax"),
        ("/v1/score", {"model": "scorer", "prompt": "a", "completion": "b", "steps": True, "step": ""}, "step"),
    ],
    ids=str,
)
def test_refusals(path: str, body: dict[str, object], param: str, served: Served) -> None:
    answer = served.post(path, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("reward", ["scorer", "ranker"])
def test_scores_are_raw(reward: str, served: Served, lm: ramify.LM) -> None:
    """What the reward itself says of the text, as a best-of-n with this text as a candidate would be told."""
    result = lm.search("El niño ", "best-of-n", n=8, reward=reward, max_tokens=8, seed=1, ignore_eos=True)
    spelled = [c for c in result.candidates if c.token_ids == tuple(lm.tokenizer.encode_after(c.text))]
    assert spelled
    texts = [candidate.text for candidate in spelled]
    told = served.post("/v1/score", {"model": reward, "prompt": "El niño ", "completions": texts}).json()
    assert told["object"] == "list" and told["model"] == reward
    assert [entry["index"] for entry in told["data"]] == list(range(len(texts)))
    assert [entry["score"] for entry in told["data"]] == pytest.approx([c.score for c in spelled], abs=1e-4)


def test_scores_by_step(served: Served) -> None:
    text = "one two three"
    body = {"model": "scorer", "prompt": "hello ", "completion": text, "steps": True, "step": " "}
    (entry,) = served.post("/v1/score", body).json()["data"]
    assert "".join(step["text"] for step in entry["steps"]) == text
    assert len(entry["steps"]) == 3
    assert len({step["score"] for step in entry["steps"]}) == 3
    for i, step in enumerate(entry["steps"]):
        part = "".join(s["text"] for s in entry["steps"][: i + 1])
        (alone,) = served.post("/v1/score", {**body, "completion": part}).json()["data"]
        assert alone["steps"][-1]["score"] == pytest.approx(step["score"], abs=1e-5)


def test_a_score_does_not_depend_on_its_neighbours(served: Served) -> None:
    texts = ["one", "two two", "three", "世界"]
    body = {"model": "ranker", "prompt": [{"role": "user", "content": "hello"}]}
    together = served.post("/v1/score", body | {"completions": texts}).json()
    alone = [served.post("/v1/score", body | {"completion": text}).json()["data"][0]["score"] for text in texts]
    assert [entry["score"] for entry in together["data"]] == alone
    assert together["usage"]["prompt_tokens"] > 0


def test_no_such_reward(served: Served) -> None:
    answer = served.post("/v1/score", {"model": "scorerr", "prompt": "a", "completion": "b"})
    assert answer.status_code == 404
    assert answer.json()["error"]["param"] == "model"


def test_health(served: Served) -> None:
    with served.http() as client:
        assert client.get("/healthz").status_code == 200


def test_metrics(served: Served) -> None:
    served.post("/v1/completions", {"model": served.model, "prompt": "a", "max_tokens": 3})
    with served.http() as client:
        text = client.get("/metrics").text
    assert "ramify_" in text and "# HELP" in text


def test_the_description(served: Served) -> None:
    with served.http() as client:
        told = client.get("/openapi.json").json()
        assert client.get("/docs").status_code == client.get("/redoc").status_code == 404
    wanted = {"/v1/models", "/v1/methods", "/v1/completions", "/v1/chat/completions", "/v1/score", "/tokenize"}
    assert wanted | {"/detokenize", "/healthz", "/metrics"} <= set(told["paths"])
    for path, verbs in told["paths"].items():
        for operation in verbs.values():
            assert "422" not in operation["responses"], path


def test_drafts_are_told(drafting: Served) -> None:
    """The built-in model drafts for itself: what was accepted stands in the usage, and beside streamed tokens."""
    body = {"model": drafting.model, "prompt": "Compute (12 + 9) * 4 - 30.", "max_tokens": 24, "temperature": 0}
    drafted, plain = (drafting.post("/v1/completions", body | extra).json() for extra in ({}, {"speculate": False}))
    assert drafted["choices"][0]["text"] == plain["choices"][0]["text"]
    assert drafted["usage"]["completion_tokens_details"]["accepted_prediction_tokens"] > 0
    assert plain["usage"]["completion_tokens_details"]["accepted_prediction_tokens"] == 0
    with drafting.http() as client:
        sent = events_of(
            client, "/v1/completions", body | {"return_token_ids": True, "stream_options": {"include_usage": True}}
        )
        assert client.get("/v1/models").json()["data"][0]["draft"] == "builtin-draft"
    pieces = [choice for each in sent[:-1] for choice in each.data["choices"] if choice.get("token_ids")]
    assert all(len(piece["drafted"]) == len(piece["token_ids"]) for piece in pieces)
    accepted = sent[-2].data["usage"]["completion_tokens_details"]["accepted_prediction_tokens"]
    assert sum(sum(piece["drafted"]) for piece in pieces) == accepted > 0


def test_a_guide_beside_drafts(drafting: Served) -> None:
    """They do not compose: refused, unless plain decoding is asked for."""
    body = {"model": drafting.model, "prompt": "Compute 7 * 8.", "max_tokens": 4}
    body |= {"search": {"method": "sample", "guide": "genarm(arms=builtin-arm, weights=1.0)"}}
    refused = drafting.post("/v1/completions", body)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "guide")
    assert drafting.post("/v1/completions", body | {"speculate": False}).status_code == 200
