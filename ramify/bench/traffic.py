"""What 64 people do to a server: ask for all that it offers, in all sizes, hang up anywhere, send nonsense.

Each visit says which statuses may answer it; `fault` says what is wrong with what came back.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from ramify.bench.wire import Exchange, request

KEY = "soak-" + "k" * 16
GOOD = frozenset({200, 429})  # a server may be too busy; then it says when to come again
LEAVING, MALFORMED, OVERSIZED, LOCKED = 0.15, 0.12, 0.01, 0.03  # shares of all visits
LONGEST = 440  # tokens of a prompt
BIG = b"x" * (2 << 20)
TEXT = "Tom has 12 apples. He buys 7 more and gives 4 to Ann. How many are left? "
JSON = "Content-Type: application/json"
Body = dict[str, Any]
Asked = tuple[str, Body]  # path and body


@dataclass(frozen=True)
class Visit:
    """One request. `leave`: seconds until the client hangs up; `streams`: the answer comes in events."""

    kind: str
    parts: tuple[bytes, ...]
    expects: frozenset[int | None]
    streams: bool = False
    leave: float | None = None


def visit(random: Random, model: str) -> Visit:
    """The next thing that somebody does."""
    share = random.random()
    if share < MALFORMED:
        return _malformed(random, model)
    if share < MALFORMED + OVERSIZED:
        return _oversized(random)
    kind = random.choices(list(KINDS), [weight for weight, _ in KINDS.values()])[0]
    path, body = KINDS[kind][1](random)
    body = {"model": model} | body
    if share < MALFORMED + OVERSIZED + LOCKED:
        keys = [[], ["Authorization: Bearer wrong"], ["Authorization: Basic Og=="], [f"Authorization: Bearer {KEY}x"]]
        return Visit("wrong key", (request(path, body, headers=random.choice(keys)),), frozenset({401}))
    whole = request(path, body, headers=[f"Authorization: Bearer {KEY}"])
    found = Visit(kind, (whole,), GOOD, bool(body.get("stream")))
    return _leaving(random, found) if random.random() < LEAVING else found


def fault(visited: Visit, answer: Exchange) -> str | None:
    """What is wrong with an answer; None if it is as it should be."""
    if answer.status not in visited.expects:
        return f"{visited.kind}: status {answer.status}: {answer.body[:200]!r}"
    if answer.status == 429 and b"retry-after:" not in answer.head:
        return f"{visited.kind}: 429 without Retry-After"
    if answer.status is None or visited.leave is not None:
        return None
    if not answer.complete:
        return f"{visited.kind}: the answer breaks off: {answer.raw[-200:]!r}"
    if answer.status == 200 and visited.streams:
        events = [event for _, event in answer.events()]
        if not events or events[-1] is not None or any(event and "error" in event for event in events):
            return f"{visited.kind}: the stream ends with {events[-2:]}"
    elif answer.status != 200 and visited.kind != "no HTTP":
        return _error_fault(visited, answer)
    return None


def _error_fault(visited: Visit, answer: Exchange) -> str | None:
    try:
        json.loads(answer.body)["error"]["message"]
    except (ValueError, LookupError, TypeError):
        return f"{visited.kind}: no error object: {answer.body[:200]!r}"
    return None


def _prompt(random: Random) -> str | list[int]:
    if random.random() < 0.5:
        return (TEXT * 9)[-random.randint(1, 9 * len(TEXT)) :]
    return [random.randrange(2, 600) for _ in range(int(LONGEST ** random.random()))]


def _plain(random: Random) -> Asked:
    body: Body = {
        "prompt": _prompt(random),
        "max_tokens": int(200 ** random.random()),
        "temperature": random.choice([0, 1]),
    }
    extras: list[Body] = [
        {}, {"n": random.randint(2, 8)}, {"logprobs": 3}, {"echo": True, "logprobs": 1}, {"stop": ["\n", "apples"]},
        {"prompt": [TEXT, "Ann has 3 pears.", TEXT + TEXT]}, {"ignore_eos": True}, {"beam_width": 4},
        {"repetition_penalty": 1.2, "top_k": 5}, {"best_of": 4}, {"seed": 7, "return_token_ids": True},
    ]  # fmt: skip
    return "/v1/completions", body | random.choice(extras)


def _stream(random: Random) -> Asked:
    more: list[Body] = [
        {},
        {"n": 3},
        {"logprobs": 2},
        {"ignore_eos": True},
        {"stream_options": {"include_usage": True}},
    ]
    body = {"prompt": _prompt(random), "max_tokens": int(300 ** random.random()), "stream": True}
    return "/v1/completions", body | random.choice(more)


def _chat(random: Random) -> Asked:
    messages = [{"role": "user", "content": TEXT * random.randint(1, 3)}]
    body: Body = {"messages": messages, "max_tokens": random.randint(1, 150), "stream": random.random() < 0.5}
    return "/v1/chat/completions", body | random.choice([{}, {"n": 2}, {"logprobs": True, "top_logprobs": 2}])


def _search(random: Random) -> Asked:
    wishes: list[Body] = [
        {"method": "best-of-n", "n": random.randint(2, 16)},
        {"method": "majority-vote", "n": random.randint(2, 16), "reward": None},
        {"method": "beam", "n": 8, "width": 2},
        {"method": "particle-filter", "n": 8},
        {"method": "speculative-rejection", "n": 16},
        {"method": "qalign", "chains": 2, "steps": 2},
    ]
    wish = {"reward": "builtin-prm"} | random.choice(wishes)
    wish = {name: value for name, value in wish.items() if value is not None}
    body = {"prompt": TEXT[-random.randint(20, len(TEXT)) :], "max_tokens": random.randint(8, 96), "search": wish}
    return "/v1/completions", body | {"stream": random.random() < 0.5}


def _score(random: Random) -> Asked:
    texts = [f"Step 1: {random.randint(1, 99)}\nStep 2: 15\n" * random.randint(1, 5) for _ in range(3)]
    body = {"model": "builtin-prm", "prompt": TEXT, "completions": texts, "steps": random.random() < 0.5}
    return "/v1/score", body


def _tokens(random: Random) -> Asked:
    if random.random() < 0.5:
        return "/tokenize", {"prompt": TEXT * 5}
    return "/detokenize", {"tokens": list(range(2, 90))}


KINDS: dict[str, tuple[float, Callable[[Random], Asked]]] = {
    "plain": (3, _plain), "stream": (4, _stream), "chat": (2, _chat), "search": (3, _search), "score": (1, _score),
    "tokens": (1, _tokens),
}  # fmt: skip


def _leaving(random: Random, found: Visit) -> Visit:
    """Hang up while the answer comes, or in the midst of the request."""
    parts, kind = found.parts, "hangs up"
    if random.random() < 0.3:
        parts, kind = (parts[0][: random.randrange(len(parts[0]))],), "hangs up asking"
    seconds = 0.002 * 2000 ** random.random()
    return replace(found, kind=kind, parts=parts, leave=seconds, expects=found.expects | {None})


def _malformed(random: Random, model: str) -> Visit:
    path, headers = "/v1/completions", [f"Authorization: Bearer {KEY}"]
    if random.random() < 0.2:
        return random.choice(_no_http(headers))
    if random.random() < 0.5:
        wrong = random.choice(WRONG_FIELDS)
        refused = {404} if "model" in wrong else {400, 429}  # some fields are looked at when it is their turn
        fields = {"model": model, "prompt": TEXT} | wrong
        return Visit("bad field", (request(path, fields, headers=headers),), frozenset(refused))
    body, kind, status = random.choice(WRONG_BODIES)
    return Visit("bad body", (request(path, body, headers=[*headers, kind]),), frozenset({status}))


WRONG_FIELDS: list[Body] = [
    {"n": 0}, {"n": -1}, {"n": 10**6}, {"n": "3"}, {"n": True}, {"temperature": -1}, {"top_p": 2}, {"max_tokens": -5},
    {"max_tokens": 10**9}, {"prompt": None}, {"prompt": []}, {"prompt": [10**6]}, {"prompt": [[]] * 100}, {"frob": 1},
    {"prompt": list(range(2, 600))}, {"logprobs": 10**4}, {"stop": ["x"] * 99}, {"logit_bias": {"-1": 1}},
    {"logit_bias": {"x": 1}}, {"search": {"method": "nonsense"}}, {"search": {"method": "best-of-n", "frob": 1}},
    {"search": {"method": "best-of-n", "n": 10**6, "reward": "builtin-prm"}}, {"stream": "yes"}, {"model": "nobody"},
    {"search": {"method": "best-of-n", "n": 2}}, {"search": {"method": "best-of-n", "n": 2, "reward": "/etc/passwd"}},
    {"stream": True, "echo": True, "logprobs": 1}, {"seed": 1.5}, {"stop": "a\ud800"},
]  # fmt: skip
WRONG_BODIES: list[tuple[bytes, str, int]] = [
    (b'{"model": "builtin", "prompt": ', JSON, 400),
    (b"\xff\xfe\x00\x80", JSON, 400),
    (b"[" * 5000, JSON, 400),
    (b'{"model": "builtin", "prompt": "x", "temperature": NaN}', JSON, 400),
    (b'{"model": "builtin", "prompt": "x", "temperature": 1e999}', JSON, 400),
    (b'"builtin"', JSON, 400),
    (b"model=builtin", "Content-Type: application/x-www-form-urlencoded", 415),
]


def _no_http(headers: list[str]) -> list[Visit]:
    """Wrong paths and verbs, and what is no HTTP at all."""
    chunked = [*headers, JSON, "Transfer-Encoding: chunked"]
    lost = frozenset({400, None})
    return [
        Visit("wrong path", (request("/v1/nothing", {}, headers=headers),), frozenset({404})),
        Visit(
            "wrong path",
            (request("/playground/..%2f..%2fsettings.py", method="GET", headers=headers),),
            frozenset({404}),
        ),
        Visit("wrong verb", (request("/v1/completions", method="GET", headers=headers),), frozenset({405})),
        Visit("no HTTP", (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",), lost),
        Visit("no HTTP", (request("/v1/completions", b"zz\r\nnonsense\r\n", headers=chunked),), lost),
    ]


def _oversized(random: Random) -> Visit:
    headers = [f"Authorization: Bearer {KEY}", JSON]
    if random.random() < 0.5:
        parts = (request("/v1/completions", BIG, headers=headers),)
    else:
        framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BIG), BIG)
        parts = (request("/v1/completions", framed, headers=[*headers, "Transfer-Encoding: chunked"]),)
    return Visit("oversized", parts, frozenset({413, None}))  # None: it hung up while we still sent
