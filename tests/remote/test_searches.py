"""`connect(...).search` as users of `load().search` know it: methods, rewards, seeds, budgets, chats, the ledger."""

import gc
import threading
from typing import Any

import pytest

import ramify
from ramify.core.errors import BadInput, Incompatible, RewardError, UnknownName
from ramify.core.protocols import View
from ramify.core.registry import lookup, names
from ramify.reward.outcome import OutcomeReward
from tests.laws.test_methods import many
from tests.remote.conftest import Meet
from tests.remote.fakes import ToyServer
from tests.remote.laws import letters

PROMPT = "ababb"
LOCAL_ONLY = {  # methods that no server can run, and what the refusal names
    "consensus-game": "Ask",
    "pairwise-rank": "Ask|judge",
    "think-sum": "Ask",
    "choice-funnel": "Ask",
    "token-beam-search": "Likeliest",
    "superposed": "Likeliest|Superpose|small",
    "spec-reason": "small",
    "speculative-thinking": "small",
}
NEEDS = {"power-sampling": "two laws"}  # log-probabilities of a law that the server does not give
WIRES: dict[str, dict[str, Any]] = {"ids": {}, "text": {"ids": False}}


def options_of(method: str) -> dict[str, Any]:
    """Enough of each to make several candidates, and a reward where it asks for one."""
    reward = {"reward": letters} if lookup("method", method).uses_reward else {}
    return many(method) | reward | {"max_tokens": 12, "seed": 1, "extract": lambda text: text[-1:] or None}


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("method", names("method"))
def test_every_method_runs_or_is_refused_before_it_draws(meet: Meet, method: str, wire: str) -> None:
    toy = ToyServer(**WIRES[wire])
    remote = meet(toy)
    if method in LOCAL_ONLY or method in NEEDS:
        with pytest.raises(Incompatible, match=LOCAL_ONLY.get(method, NEEDS.get(method))):
            remote.search(PROMPT, method, **options_of(method))
        assert toy.drawn == 0
        return
    first, again = (remote.search(PROMPT, method, **options_of(method)) for _ in range(2))
    assert [c.text for c in first.candidates] == [c.text for c in again.candidates] and first.text == again.text
    assert any(first.best is c for c in first.candidates) and first.tree
    assert first.ledger.generated_tokens > 0 and first.ledger.server.requests > 0
    if wire == "ids":
        for candidate in first.candidates:
            assert toy.codec.decode(candidate.token_ids) == candidate.text
            assert candidate.tokens == len(candidate.token_ids)
    else:
        assert all(not candidate.token_ids for candidate in first.candidates)


@pytest.mark.parametrize("method", ["best-of-n", "majority-vote"])
def test_searches_of_searches(meet: Meet, method: str) -> None:
    remote = meet(ToyServer())
    reward = {"reward": letters} if method == "best-of-n" else {}
    each = "particle-filter(n=2, marker=b)" if method == "best-of-n" else "adaptive-vote(n=4, batch=2)"
    result = remote.search(PROMPT, method, n=3, each=each, max_tokens=8, seed=1, **reward)
    assert len(result.candidates) == 3 and len(result.tree) >= 6


def test_many_prompts_are_one_each(meet: Meet) -> None:
    """Prompt i of seed s gives what `search(prompt, seed=s + i)` gives; token ids are prompts, too."""
    remote = meet(ToyServer())
    prompts = ["ab", "b", [1, 2, 2]]
    together = remote.search_many(prompts, "best-of-n", n=3, reward=letters, max_tokens=8, seed=5)
    for i, prompt in enumerate(prompts):
        alone = remote.search(prompt, "best-of-n", n=3, reward=letters, max_tokens=8, seed=5 + i)
        assert [c.text for c in alone.candidates] == [c.text for c in together[i].candidates]
        assert together[i].seed == 5 + i
    with pytest.raises(BadInput, match="2 rewards for 3 prompts"):
        remote.search_many(prompts, "best-of-n", reward=[letters, letters], max_tokens=8)


def test_progress_is_told(meet: Meet) -> None:
    seen = list[tuple[int, int]]()
    meet(ToyServer()).search_many(["a", "b"], max_tokens=2, progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 2), (2, 2)]


def test_siblings_are_one_request_and_differ(meet: Meet) -> None:
    """n=8 choices of one request, each with a seed of its own; the prompt is read once."""
    toy = ToyServer()
    remote = meet(toy)
    result = remote.search(PROMPT, n=16, max_tokens=8, seed=1)
    drawn = [body for body in toy.seen if "max_tokens" in body]
    assert [body["n"] for body in drawn] == [8, 8] and drawn[0]["seed"] != drawn[1]["seed"]
    assert len({c.text for c in result.candidates}) > 3
    assert result.ledger.prompt_tokens == 5 and result.ledger.server.prompt_tokens == 10


def test_every_request_has_a_seed_of_its_own(meet: Meet) -> None:
    toy = ToyServer()
    remote = meet(toy, choices=1)
    remote.search(PROMPT, "beam", n=6, width=2, step="b", reward=letters, max_tokens=8, seed=1)
    seeds = [body["seed"] for body in toy.seen if "max_tokens" in body]
    assert len(set(seeds)) == len(seeds) > 6


def test_what_shapes_the_law_is_always_said(meet: Meet) -> None:
    """Also where it changes nothing: servers have defaults of their own."""
    toy = ToyServer(owner="me", ids=False)
    meet(toy).search(PROMPT, max_tokens=2)
    body = toy.seen[-1]
    assert (body["temperature"], body["top_p"], body["top_k"], body["min_p"], body["repeat_penalty"]) == (1, 1, 0, 0, 1)
    vllm = ToyServer()
    meet(vllm).search(PROMPT, max_tokens=2, top_k=0, ignore_eos=True)
    assert vllm.seen[-1]["top_k"] == -1 and vllm.seen[-1]["ignore_eos"] is True


UNKNOWN: list[tuple[dict[str, Any], str]] = [
    ({"top_k": 5}, "top_k=5"),
    ({"ignore_eos": True}, "ignore_eos"),
    ({"bad_words": ("a",)}, "bad_words"),
    ({"prompt_logprobs": 0}, "prompt_logprobs"),
    ({"logprobs": 0}, "logprobs"),
    ({"guide": "genarm"}, "guide"),
    ({"budget": ramify.Budget(flops=1e9)}, "budget.flops"),
    ({"budget": ramify.Budget(reward_tokens=9)}, "budget.reward_tokens"),
    ({"budget": ramify.Budget(pages=9)}, "budget.pages"),
]


@pytest.mark.parametrize(("option", "named"), UNKNOWN, ids=lambda value: str(value))
def test_what_is_not_honoured_is_refused(meet: Meet, option: dict[str, Any], named: str) -> None:
    toy = ToyServer(owner="somebody", ids=False, logprobs=False)
    with pytest.raises(Incompatible, match=named):
        meet(toy).search(PROMPT, **{"max_tokens": 4} | option)
    assert toy.drawn == 0


def test_refusals_at_the_door(meet: Meet) -> None:
    remote = meet(ToyServer(ids=False))
    with pytest.raises(UnknownName, match="nn"):
        remote.search(PROMPT, nn=3)
    with pytest.raises(BadInput, match="max_tokens"):
        remote.search(PROMPT)
    with pytest.raises(BadInput, match="reward"):
        remote.search(PROMPT, "best-of-n", max_tokens=4)
    with pytest.raises(Incompatible, match="token ids"):
        remote.search([1, 2], max_tokens=4)
    with pytest.raises(BadInput, match="empty"):
        remote.search("", max_tokens=4)
    with pytest.raises(BadInput, match="prompts"):
        remote.search_many("ab", max_tokens=4)
    with pytest.raises(Incompatible, match="lookahead"):
        remote.search(PROMPT, "beam", lookahead=2, reward=letters, max_tokens=4)


def test_rewards(meet: Meet) -> None:
    remote = meet(ToyServer(owner="ramify"))
    plain: dict[str, Any] = {"n": 4, "max_tokens": 8, "seed": 2}
    served = remote.search(PROMPT, "best-of-n", reward="server:length", **plain)
    assert [c.score for c in served.candidates] == [float(len(c.text)) for c in served.candidates]
    assert served.ledger.reward_tokens == 20
    sure = remote.search(PROMPT, "best-of-n", reward="logprob", **plain)
    assert [c.score for c in sure.candidates] == [
        pytest.approx(sum(e.logprob for e in c.logprobs) / c.tokens) for c in sure.candidates
    ]
    both = remote.search(PROMPT, "best-of-n", reward="2*server:length+logprob", **plain)
    for one, two, three in zip(served.candidates, sure.candidates, both.candidates, strict=True):
        assert three.score == pytest.approx(2 * (one.score or 0) + (two.score or 0))


def test_rewards_that_nobody_can_score(meet: Meet) -> None:
    remote = meet(ToyServer(logprobs=False))
    for reward, error, named in (
        ("builtin-prm", UnknownName, "server:NAME"),
        ("server:builtin-prm", BadInput, "not among the server's"),
        ("logprob", Incompatible, "log-probabilities"),
        (OutcomeReward("judge", "judge"), Incompatible, "in this process"),
        (7, BadInput, "neither a name nor a function"),
    ):
        with pytest.raises(error, match=named):
            remote.search(PROMPT, "best-of-n", reward=reward, max_tokens=4)


def test_rewards_that_fail(meet: Meet) -> None:
    remote = meet(ToyServer())
    for value in (float("nan"), float("inf"), "high", None):
        with pytest.raises(RewardError, match="finite number"):
            remote.search(PROMPT, "best-of-n", reward=lambda p, t, value=value: value, n=2, max_tokens=4)
    with pytest.raises(RewardError, match="ZeroDivisionError"):
        remote.search(PROMPT, "best-of-n", reward=lambda p, t: 1 / 0, n=2, max_tokens=4)


def test_a_reward_sees_prompt_text_and_whether_it_is_over(meet: Meet) -> None:
    class Seen:
        name, model, needs_logprobs = "seen", None, False

        def __init__(self) -> None:
            self.views: list[tuple[str, str, bool]] = []

        def partial(self, view: View) -> float:
            self.views.append((view.prompt, view.text, False))
            return 0.0

        def final(self, view: View) -> float:
            self.views.append((view.prompt, view.text, True))
            return 1.0

    seen = Seen()
    meet(ToyServer()).search(PROMPT, "particle-filter", n=4, marker="b", reward=seen, max_tokens=6, seed=1)
    assert {prompt for prompt, _, _ in seen.views} == {PROMPT}
    assert {over for _, _, over in seen.views} == {True, False}


@pytest.mark.parametrize("tokens", [1, 3, 7, 30])
@pytest.mark.parametrize("method", ["sample", "best-of-n", "beam", "particle-filter", "speculative-rejection"])
@pytest.mark.parametrize("ids", [True, False])
def test_a_token_budget_is_kept(meet: Meet, method: str, tokens: int, ids: bool) -> None:
    """By the server's own count; what there is is returned."""
    toy = ToyServer(ids=ids)
    pages = 8 if method == "speculative-rejection" else None
    budget = ramify.Budget(tokens=tokens, pages=pages)
    result = meet(toy, page_size=2).search(PROMPT, method, budget=budget, **options_of(method))
    assert toy.drawn <= tokens and result.ledger.generated_tokens <= tokens
    assert any(result.best is c for c in result.candidates)


def test_time_runs_out_in_the_middle_of_a_text(meet: Meet) -> None:
    """What had come by then is kept; what would come later is not waited for."""
    toy = ToyServer(ids=False, pause=0.02)
    result = meet(toy).search(PROMPT, n=16, max_tokens=500, budget=ramify.Budget(seconds=0.15), seed=1, ignore_eos=True)
    cut = [c for c in result.candidates if c.stopped_because == "budget"]
    assert cut and all(0 < len(c.text) < 12 for c in cut) and result.ledger.seconds < 2


def test_chats(meet: Meet) -> None:
    """Whole answers of a server of chats only; steps are refused, as it cannot go on from one."""
    messages = [{"role": "user", "content": "ab"}]
    toy = ToyServer(chat_only=True, ids=False)
    remote = meet(toy)
    result = remote.search(messages, "best-of-n", n=4, reward=letters, max_tokens=8, seed=1)
    assert len({c.text for c in result.candidates}) > 1 and result.ledger.prompt_tokens == 2
    toy.drawn = 0
    with pytest.raises(Incompatible, match="step by step"):
        remote.search(messages, "beam", n=4, step="b", reward=letters, max_tokens=8)
    with pytest.raises(Incompatible, match="chats only"):
        remote.search("ab", max_tokens=8)
    assert toy.drawn == 0


def test_chats_that_go_on(meet: Meet) -> None:
    toy = ToyServer(chat_only=True, ids=False)
    remote = meet(toy, continues=True)
    options = {"n": 4, "width": 2, "step": "b", "reward": letters, "max_tokens": 8, "seed": 1}
    remote.search([{"role": "user", "content": "ab"}], "beam", **options)
    later = [body for body in toy.seen if body.get("continue_final_message")]
    assert later and all(body["messages"][-1]["role"] == "assistant" for body in later)


def test_chats_as_token_ids(meet: Meet) -> None:
    toy = ToyServer()
    result = meet(toy).search([{"role": "user", "content": "ab"}], "beam", **options_of("beam"))
    assert result.candidates and all("messages" not in body for body in toy.seen if "max_tokens" in body)


def test_the_bill(meet: Meet) -> None:
    toy = ToyServer()
    remote = meet(toy, choices=1, prompt_price=2.0, completion_price=10.0)
    ledger = remote.search(PROMPT, n=4, max_tokens=8, seed=1).ledger
    account = ledger.server
    assert account.prompt_tokens == 20 and ledger.prompt_tokens == 5
    assert account.completion_tokens == ledger.generated_tokens == toy.drawn
    assert account.cost == pytest.approx((2.0 * 20 + 10.0 * toy.drawn) / 1e6)
    assert ledger.models["target"].tokens == 20 + toy.drawn and ledger.recomputed_tokens == 15
    assert ledger.row()["server_cost"] == account.cost and ledger.forks == 4


def test_nothing_is_left_when_it_hangs_up(caplog: pytest.LogCaptureFixture) -> None:
    """Streams that were hung up, and a connection that nobody closed: no thread, no task."""
    remote = ramify.connect("http://toy/v1", transport=ToyServer().transport())
    remote.search(PROMPT, "beam", n=6, width=2, step="b", reward=letters, max_tokens=8)
    del remote
    gc.collect()
    assert not [thread.name for thread in threading.enumerate() if thread.name == "ramify.remote"]
    assert not caplog.records


def test_it_hangs_up_once() -> None:
    remote = ramify.connect("http://toy/v1", transport=ToyServer().transport())
    with remote:
        assert remote.search("a", max_tokens=2).text is not None
    remote.close()
