"""What the methods that return a posterior claim, enumerated: weights and evidence of particles, balance of chains.

Kernels are read off runs of the methods themselves: a run from its first state to its next, over every outcome, is the
joint law of the two; divided by the first one's it is the kernel, for every pair of texts.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ramify.core.sampling import Sampling
from ramify.core.types import Ended, Prompt, Selection
from ramify.core.wants import Search
from ramify.engine.session import Session
from ramify.maths.particles import normalised as weights_of
from ramify.maths.posterior import drawn
from ramify.maths.smc import steps_by
from ramify.reward.checker import Checker
from ramify.search.particle_gibbs import Setting, conditional_filter
from ramify.toy.enumerate import total_variation
from ramify.verify.toys import PLAIN, Proofs, Text, law_of, normalised, reward_of, text_law

BETA = 0.4
SHORT = Sampling(max_tokens=2)
FEW = Sampling(max_tokens=2, top_k=2)
STEPS = Sampling(max_tokens=3, top_k=2)
FLAT = Checker(lambda prompt, text: 0.25, name="flat")
BY_TOKEN: dict[str, Any] = {"granularity": "token", "beta": BETA}
Law = Mapping[Text, float]
Kernel = dict[Text, dict[Text, float]]


def tilted(sampling: Sampling, beta: float = BETA) -> dict[Text, float]:
    """p(y) exp(r(y) / beta) of every text, in closed form."""
    return {text: p * math.exp(reward_of(text) / beta) for text, p in text_law(sampling).items()}


def powered(alpha: float, length: int) -> dict[Text, float]:
    """p(y)^alpha of every text, in closed form."""
    return {text: p**alpha for text, p in text_law(Sampling(max_tokens=length)).items()}


def off_weights(sampling: Sampling, method: str = "particle-filter", **options: Any) -> float:
    """How far E[evidence * sum of weights at y] is from p(y) exp(r(y) / beta): over all y, relative to the evidence."""
    beta = options.setdefault("beta", BETA)
    runs = law_of(method, sampling, read=_weighted, **options)
    expected = dict[Text, float]()
    for run, mass in runs.items():
        assert isinstance(run, tuple)
        for text, weight in run:
            expected[text] = expected.get(text, 0.0) + mass * weight
    target = tilted(sampling, beta)
    return 2 * total_variation(expected, target) / sum(target.values())


def _weighted(session: Session) -> Hashable:
    found = session.result
    assert found is not None
    assert found.weights is not None
    assert found.log_evidence is not None
    evidence = math.exp(found.log_evidence)
    return tuple((tuple(e.branch.generated), evidence * w) for e, w in zip(found.ended, found.weights, strict=True))


def first_and_last(session: Session) -> tuple[Text, Text]:
    """The first text that a chain was at, and the one that it counts."""
    found = session.result
    assert found is not None
    assert found.weights is not None
    at = found.weights.index(1.0)
    return tuple(found.ended[0].branch.generated), tuple(found.ended[at].branch.generated)


def kernel_of(joint: Mapping[Hashable, float]) -> Kernel:
    """K(y, y') from the joint law of a state and the next."""
    starts, kernel = dict[Text, float](), Kernel()
    for pair, mass in joint.items():
        assert isinstance(pair, tuple)
        starts[pair[0]] = starts.get(pair[0], 0.0) + mass
    for pair, mass in joint.items():
        assert isinstance(pair, tuple)
        kernel.setdefault(pair[0], {})[pair[1]] = mass / starts[pair[0]]
    return kernel


def after(law: Law, kernel: Kernel) -> dict[Text, float]:
    """The law of the next state."""
    following = dict[Text, float]()
    for text, mass in law.items():
        for other, probability in kernel[text].items():
            following[other] = following.get(other, 0.0) + mass * probability
    return following


def off_invariance(target: Law, kernel: Kernel) -> float:
    """Total variation between the target and where a step leads from it."""
    law = normalised(dict(target))
    return total_variation(after(law, kernel), law)


def off_balance(target: Law, kernel: Kernel) -> float:
    """Half the sum over pairs of |target(y) K(y, y') - target(y') K(y', y)|; infinite if the kernel lacks a text."""
    if target.keys() != kernel.keys():
        return math.inf
    law = normalised(dict(target))
    flow = {(y, z): law[y] * kernel[y].get(z, 0.0) for y in law for z in law}
    return sum(abs(flow[y, z] - flow[z, y]) for y, z in flow) / 2


def chain_kernel(method: str, sampling: Sampling = PLAIN, **options: Any) -> Kernel:
    """One step of a single chain, from each text to each."""
    law = law_of(method, sampling, read=first_and_last, steps=1, burn_in=1, chains=1, **options)
    return kernel_of(law)


def sweep_kernel(sampling: Sampling, n: int, **options: Any) -> Kernel:
    """One sweep of particle Gibbs, from a retained text to the next: the retained one is a filter's of one particle."""
    threshold, until = options.pop("ess_threshold"), steps_by(options["granularity"], options.get("marker", "b"), 2)

    def sweep(prompt: Prompt) -> Search[Selection]:
        source = replace(prompt, bookmarks=True)
        first = yield from conditional_filter(source, Setting(1, BETA, threshold, until), 0, None)
        second = yield from conditional_filter(source, Setting(n, BETA, threshold, until), 1, first.x[0])
        j = yield from drawn(prompt, (1, 1), weights_of(second.logw))
        ended = Ended.of(first.x[0].branch), Ended.of(second.x[j].branch)
        return Selection(ended[1], ended, weights=(0.0, 1.0))

    return kernel_of(law_of(sweep, sampling, read=first_and_last))


def metropolis_kernel(texts: Iterable[Text], target: Callable[[Text], float], q: Callable[[Text], float]) -> Kernel:
    """Suffix resampling by the formula: q(prefix) is the probability that a text drawn by q begins so."""
    every, kernel = list(texts), Kernel()
    for y in every:
        kernel[y] = dict.fromkeys(every, 0.0)
        for z in every:
            for c in range(len(y)):
                if z[:c] == y[:c]:
                    propose, back = q(z) / q(y[:c]) / len(y), q(y) / q(z[:c]) / len(z)
                    accept = min(1.0, target(z) * back / (target(y) * propose))
                    kernel[y][z] += propose * accept
                    kernel[y][y] += propose * (1.0 - accept)
    return kernel


def off_blocks(alpha: float = 2.0) -> float:
    """Power sampling by blocks of one token, one move a stage, against the stages composed in closed form."""
    tau = 1.0 / alpha
    prefixes = {(): 1.0} | text_law(Sampling(max_tokens=1, temperature=tau))
    prefixes |= text_law(Sampling(max_tokens=2, temperature=tau))
    moves = {
        length: metropolis_kernel(target, target.__getitem__, prefixes.__getitem__)
        for length, target in ((1, powered(alpha, 1)), (2, powered(alpha, 2)))
    }
    begun = after(text_law(Sampling(max_tokens=1, temperature=tau)), moves[1])
    whole = text_law(Sampling(max_tokens=2, temperature=tau))
    extended = {text: mass * begun[text[:1]] / prefixes[text[:1]] for text, mass in whole.items()}
    run: dict[str, Any] = {"alpha": alpha, "steps": 1, "burn_in": 1, "chains": 1, "block": 1, "choose": "sample"}
    return total_variation(law_of("power-sampling", SHORT, reward=None, **run), after(extended, moves[2]))


def off_sampling(method: str, sampling: Sampling = PLAIN, **options: Any) -> float:
    """Total variation between a method's chosen text and plain sampling."""
    return total_variation(law_of(method, sampling, **options), text_law(sampling))


def off_second_sweep() -> float:
    """The method's second sweep against the first one's draws, moved by a sweep's kernel."""
    run = {**BY_TOKEN, "n": 2, "ess_threshold": 0.0, "choose": "sample"}
    first = law_of("particle-gibbs", FEW, sweeps=1, **run)
    second = law_of("particle-gibbs", FEW, sweeps=2, burn_in=1, **run)
    kernel = sweep_kernel(FEW, 2, granularity="token", ess_threshold=0.0)
    return total_variation(second, after(first, kernel))  # type: ignore[arg-type]


def off_two_steps() -> float:
    """Two steps of QAlign against one step's kernel, twice, from plain sampling."""
    kernel = chain_kernel("qalign", FEW, beta=BETA)
    law = law_of("qalign", FEW, steps=2, burn_in=2, chains=1, beta=BETA, choose="sample")
    return total_variation(law, after(after(text_law(FEW), kernel), kernel))


def _filters() -> Proofs:
    method, proofs = "particle-filter", Proofs()
    for scheme in ("multinomial", "stratified", "systematic", "residual"):
        for when, threshold in (("always", 1.0), ("where uneven", 0.9)):
            run: dict[str, Any] = {**BY_TOKEN, "n": 2, "scheme": scheme, "ess_threshold": threshold}
            claim = f"weights and evidence are unbiased: {scheme}, resampling {when}"
            proofs[method, claim] = lambda run=run: off_weights(SHORT, **run)  # type: ignore[misc]
    others: dict[str, tuple[Sampling, dict[str, Any]]] = {
        "never resampling": (SHORT, {**BY_TOKEN, "n": 2, "ess_threshold": 0.0}),
        "three particles, threshold 0.5": (SHORT, {**BY_TOKEN, "n": 3}),
        "by steps": (PLAIN, {"n": 2, "granularity": "step", "marker": "b", "ess_threshold": 1.0}),
        "by blocks": (PLAIN, {"n": 2, "granularity": "block", "block": 2, "ess_threshold": 1.0}),
        "top-k 2": (Sampling(max_tokens=3, top_k=2), {**BY_TOKEN, "n": 2, "ess_threshold": 1.0}),
    }
    for name, (sampling, options) in others.items():
        claim = f"weights and evidence are unbiased: {name}"
        proofs[method, claim] = lambda s=sampling, o=options: off_weights(s, **o)  # type: ignore[misc]
    importance: dict[str, Any] = {"n": 2, "ess_threshold": 0.0, "beta": BETA, "choose": "sample"}
    soft: dict[str, Any] = {"n": 2, "beta": BETA}
    flat = {**BY_TOKEN, "n": 2, "ess_threshold": 1.0, "choose": "sample"}
    return proofs | {
        (method, "n=1 is sampling"): lambda: off_sampling(method, n=1, granularity="token"),
        (method, "flat rewards are sampling"): lambda: off_sampling(method, SHORT, reward=FLAT, **flat),
        (method, "ess_threshold=0 is soft best-of-n"): lambda: total_variation(
            law_of(method, SHORT, **importance), law_of("soft-best-of-n", SHORT, **soft)
        ),
    }


def _gibbs() -> Proofs:
    method, one = "particle-gibbs", {**BY_TOKEN, "n": 2, "sweeps": 1}
    flat = {**BY_TOKEN, "n": 2, "sweeps": 2, "ess_threshold": 1.0, "choose": "sample", "burn_in": 1}
    kernels: dict[str, Callable[[], tuple[Sampling, Kernel]]] = {
        "two particles": lambda: (SHORT, sweep_kernel(SHORT, 2, granularity="token", ess_threshold=1.0)),
        "three particles": lambda: (FEW, sweep_kernel(FEW, 3, granularity="token", ess_threshold=0.5)),
        "by steps": lambda: (STEPS, sweep_kernel(STEPS, 2, granularity="step", marker="b", ess_threshold=1.0)),
        "by blocks": lambda: (STEPS, sweep_kernel(STEPS, 2, granularity="block", ess_threshold=0.9)),
    }

    def invariance(make: Callable[[], tuple[Sampling, Kernel]]) -> float:
        sampling, kernel = make()
        return off_invariance(tilted(sampling), kernel)

    proofs: Proofs = {
        (method, f"a sweep leaves the target invariant: {name}"): lambda make=make: invariance(make)  # type: ignore[misc]
        for name, make in kernels.items()
    }
    return proofs | {
        (method, "the second sweep is that kernel"): off_second_sweep,
        (method, "the first sweep's weights and evidence are unbiased"): lambda: off_weights(SHORT, method, **one),
        (method, "n=1 and one sweep are sampling"): lambda: off_sampling(method, n=1, sweeps=1, granularity="token"),
        (method, "flat rewards are sampling"): lambda: off_sampling(method, FEW, reward=FLAT, **flat),
    }


def _chains() -> Proofs:
    samplings = {
        "plain": PLAIN,
        "top-k 2": replace(PLAIN, top_k=2),
        "temperature 0.7": replace(PLAIN, temperature=0.7),
        "repetition penalty": replace(PLAIN, repetition_penalty=1.7),
    }
    proofs: Proofs = {
        ("qalign", f"detailed balance with the tilted law: {name}"): lambda s=sampling: off_balance(  # type: ignore[misc]
            tilted(s), chain_kernel("qalign", s, beta=BETA)
        )
        for name, sampling in samplings.items()
    }
    last: dict[str, Any] = {"steps": 1, "burn_in": 1, "chains": 1, "choose": "sample"}
    for alpha, tau in ((4.0, None), (2.0, 0.8), (0.5, 1.0)):
        run: dict[str, Any] = {"alpha": alpha, "proposal": tau, "block": 0, "reward": None}
        claim = f"detailed balance with p^{alpha:g}, proposals at {'1/alpha' if tau is None else tau}"
        proofs["power-sampling", claim] = lambda a=alpha, r=run: off_balance(  # type: ignore[misc]
            powered(a, 3), chain_kernel("power-sampling", **r)
        )
    one: dict[str, Any] = {"alpha": 1.0, "reward": None, **last}
    return proofs | {
        ("qalign", "the tilted law is invariant under a step"): lambda: off_invariance(
            tilted(PLAIN), chain_kernel("qalign", beta=BETA)
        ),
        ("qalign", "two steps are the kernel twice"): off_two_steps,
        ("qalign", "steps=0 is sampling"): lambda: off_sampling("qalign", steps=0, chains=1),
        ("qalign", "flat rewards are sampling"): lambda: off_sampling("qalign", reward=FLAT, **last),
        ("power-sampling", "by blocks: the stages, composed"): off_blocks,
        ("power-sampling", "alpha=1 is sampling"): lambda: off_sampling("power-sampling", block=0, **one),
        ("power-sampling", "alpha=1 of texts of one length accepts everything"): _rejects_at_one,
    }


def _rejects_at_one() -> float:
    """The probability that anything is rejected."""
    sampling = Sampling(max_tokens=2, ignore_eos=True)
    run: dict[str, Any] = {"alpha": 1.0, "reward": None, "chains": 1, "steps": 1, "block": 1}
    law = law_of("power-sampling", sampling, read=_all_accepted, **run)
    return 1.0 - law.get(True, 0.0)


def _all_accepted(session: Session) -> bool:
    assert session.result is not None
    return all(round["accepted"] == round["chains"] for round in session.result.rounds)


PROOFS: Proofs = {**_filters(), **_gibbs(), **_chains()}
