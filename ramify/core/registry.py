"""Names to modules. The only place that imports inside a function, so that a name costs nothing until it is used."""

from importlib import import_module
from typing import Any

from ramify.core.errors import UnknownName

TABLES: dict[str, dict[str, str]] = {
    "method": {
        "greedy": "ramify.search.greedy:METHOD",
        "sample": "ramify.search.sample:METHOD",
        "best-of-n": "ramify.search.best_of_n:METHOD",
        "majority-vote": "ramify.search.majority_vote:METHOD",
        "speculative-rejection": "ramify.search.speculative_rejection:METHOD",
        "spec-reason": "ramify.search.spec_reason:METHOD",
        "speculative-thinking": "ramify.search.speculative_thinking:METHOD",
        "soft-best-of-n": "ramify.search.soft_best_of_n:METHOD",
        "mbr-best-of-n": "ramify.search.mbr_best_of_n:METHOD",
        "pessimistic-best-of-n": "ramify.search.pessimistic_best_of_n:METHOD",
        "adaptive-vote": "ramify.search.adaptive_vote:METHOD",
        "cross-view-vote": "ramify.search.cross_view_vote:METHOD",
        "pairwise-rank": "ramify.search.pairwise_rank:METHOD",
        "consensus-game": "ramify.search.consensus_game:METHOD",
        "sar": "ramify.search.sar:METHOD",
        "think-sum": "ramify.search.think_sum:METHOD",
        "choice-funnel": "ramify.search.choice_funnel:METHOD",
        "particle-filter": "ramify.search.particle_filter:METHOD",
        "particle-gibbs": "ramify.search.particle_gibbs:METHOD",
        "qalign": "ramify.search.qalign:METHOD",
        "power-sampling": "ramify.search.power_sampling:METHOD",
        "beam": "ramify.search.beam:METHOD",
        "dvts": "ramify.search.dvts:METHOD",
        "token-beam-search": "ramify.search.token_beam_search:METHOD",
        "superposed": "ramify.search.superposed:METHOD",
        "treebon": "ramify.search.treebon:METHOD",
        "segment-rejection": "ramify.search.segment_rejection:METHOD",
        "rain": "ramify.search.rain:METHOD",
        "mcts": "ramify.search.mcts:METHOD",
        "retrospective-resampling": "ramify.search.retrospective_resampling:METHOD",
        "explore-execute": "ramify.search.explore_execute:METHOD",
    },
    "bench": {
        "branches": "ramify.bench.branches:run",
        "decode": "ramify.bench.decode:run",
        "driver": "ramify.bench.driver:run",
        "prefix": "ramify.bench.prefix:run",
        "scaling": "ramify.bench.scaling:run",
        "search": "ramify.bench.searching:run",
        "serve": "ramify.bench.serving:run",
        "speculation": "ramify.bench.speculation:run",
        "speculative-rejection": "ramify.bench.rejection:run",
    },
    "problem": {
        "generate": "ramify.tasks:generate",
        "evaluation": "ramify.tasks:EVALUATION",
        "hard": "ramify.tasks:HARD",
        "check": "ramify.tasks:check",
        "load": "ramify.tasks:load_gsm8k",
    },
    "proof": {
        "laws": "ramify.verify.report:verify",
        "speculation": "ramify.verify.report:verify_speculation",
        "drafting": "ramify.verify.report:verify_drafting",
        "model-labs": "ramify.verify.model:model_labs",
        "search": "ramify.verify.methods:verify_search",
    },
    "proof-group": {
        "guides": "ramify.verify.guides:PROOFS",
        "collaboration": "ramify.verify.collaboration:PROOFS",
        "searches": "ramify.verify.searches:PROOFS",
        "steps": "ramify.verify.steps:PROOFS",
        "superposed": "ramify.verify.superposed:PROOFS",
        "sampling": "ramify.verify.sampling:PROOFS",
        "ranking": "ramify.verify.ranking:PROOFS",
        "probability": "ramify.verify.probability:PROOFS",
    },
    "recipe": {
        "builtin": "ramify.train.builtin:train_builtin",
        "stages": "ramify.train.builtin:STAGES",
        "scales": "ramify.train.shapes:SCALES",
        "draft": "ramify.train.draft:train_draft",
        "draft-run": "ramify.train.draft:DraftRun",
        "draft-scales": "ramify.train.shapes:DRAFT_SCALES",
        "steering": "ramify.train.steering:train_steering",
        "tuned": "ramify.train.tuned:train_tuned",
        "tuned-run": "ramify.train.tuned:TunedRun",
        "arm": "ramify.train.arm:train_arm",
        "arm-run": "ramify.train.arm:ArmRun",
        "preference-scales": "ramify.train.shapes:PREFERENCE_SCALES",
    },
    "model": {"architectures": "ramify.model.config:ARCHITECTURES"},
    "hub": {"download": "ramify.model.hub:download"},
    "remote": {"client": "ramify.remote.client:Client"},
    "server": {
        "serve": "ramify.server.running:serve",
        "limits": "ramify.server.running:explained_limits",
        "dashboard": "ramify.server.running:dashboard",
    },
    "verifier": {
        "standard": "ramify.speculate.verifiers.standard:VERIFIER",
        "block": "ramify.speculate.verifiers.block:VERIFIER",
        "coupled": "ramify.speculate.verifiers.coupled:VERIFIER",
        "recursive": "ramify.speculate.verifiers.recursive:VERIFIER",
        "k-sequential": "ramify.speculate.verifiers.k_sequential:VERIFIER",
        "typical": "ramify.speculate.verifiers.typical:VERIFIER",
        "biased": "ramify.speculate.verifiers.biased:VERIFIER",
        "reflective": "ramify.speculate.verifiers.reflective:VERIFIER",
    },
    "shape": {
        "chain": "ramify.speculate.plan:chain",
        "independent": "ramify.speculate.shapes:Independent",
        "distinct": "ramify.speculate.shapes:Distinct",
        "likeliest": "ramify.speculate.shapes:Likeliest",
        "stochastic-beams": "ramify.speculate.beams:StochasticBeams",
        "best-first": "ramify.speculate.best_first:BestFirst",
        "fixed": "ramify.speculate.fixed:Fixed",
    },
    "drafter": {
        "model": "ramify.speculate.drafters.model:ModelDrafter",
        "medusa": "ramify.speculate.drafters.medusa:MedusaDrafter",
        "skip-layers": "ramify.speculate.drafters.skipping:SkippingDrafter",
        "ngram": "ramify.speculate.drafters.ngram:PromptLookup",
        "suffix": "ramify.speculate.drafters.suffix:SuffixLookup",
        "function": "ramify.speculate.drafters.function:FunctionDrafter",
    },
    "guide": {
        "genarm": "ramify.guide.reward_guided:GUIDE",
        "contrastive": "ramify.guide.contrastive:GUIDE",
        "classifier-free": "ramify.guide.classifier_free:GUIDE",
        "proxy-tuning": "ramify.guide.proxy_tuning:GUIDE",
        "rl-guidance": "ramify.guide.rl_guidance:GUIDE",
        "nudging": "ramify.guide.nudging:GUIDE",
        "entropy-adaptive": "ramify.guide.adaptive:GUIDE",
        "uncertainty-mixing": "ramify.guide.mixing:GUIDE",
    },
    "select": {
        "best": "ramify.select.best:select",
        "majority": "ramify.select.majority:select",
        "weighted-majority": "ramify.select.weighted_majority:select",
    },
}


def names(table: str) -> list[str]:
    """The registered names of a table, in its order."""
    return list(TABLES[table])


def lookup(table: str, name: str) -> Any:
    """The object behind a name.

    Raises:
        UnknownName: nobody registered it; the message suggests the near one.
    """
    if not isinstance(name, str) or name not in TABLES[table]:
        raise UnknownName(table, name, TABLES[table])
    module, attribute = TABLES[table][name].split(":")
    return getattr(import_module(module), attribute)


def register(table: str, name: str, target: str) -> None:
    """Add a name: `target` is "package.module:attribute"."""
    TABLES[table][name] = target
