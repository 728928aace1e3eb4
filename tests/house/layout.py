"""The house: every package, what it holds and what it may import. The table in docs/ARCHITECTURE.md is made from it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """One package (or single module) under `ramify/`. It may import itself and what `imports` names."""

    name: str
    holds: str
    imports: tuple[str, ...] = ()


HOUSE = (
    Package("core", "types, protocols with their laws, errors, addressed randomness, registry, ledger"),
    Package("maths", "pure functions: filters, draws, weights, resampling, log-sum-exp merging", ("core",)),
    Package("tasks", "generated, verifiable problems and their checkers", ("core",)),
    Package("constrain", "grammars and automata as factors; exact constrained samplers", ("core", "maths")),
    Package("kv", "pages, prefix tree, stores", ("core", "maths")),
    Package("model", "decoder, attention, linear back ends, kernels, checkpoints, tokenizer", ("core", "maths", "kv")),
    Package("engine", "branches, scheduler, step batch, verbs, driver", ("core", "maths", "kv", "model")),
    Package("toy", "an enumerable model under the same engine: laws, exactly", ("core", "maths", "kv", "engine")),
    Package("remote", "the same verbs against an OpenAI-compatible server", ("core",)),
    Package(
        "speculate",
        "drafters, the trees they draft, rules that verify them, and how far to draft",
        ("core", "maths", "model", "engine"),
    ),
    Package("guide", "factors made of models: what other models say shapes each law", ("core", "maths", "engine")),
    Package("search", "one algorithm per file", ("core", "maths")),
    Package("reward", "checkers, log-probability, outcome and process reward models", ("core", "maths", "engine")),
    Package("select", "choosing among finished candidates", ("core", "maths")),
    Package("diffusion", "masked-diffusion decoding", ("core", "maths", "kv", "model")),
    Package("compress", "offline passes: quantise, prune, low rank", ("core", "maths", "model")),
    Package("train", "recipes: the built-in models", ("core", "maths", "tasks", "model")),
    Package(
        "verify",
        "the proofs that `ramify verify` runs",
        ("core", "maths", "model", "engine", "toy", "search", "reward", "select", "speculate", "guide"),
    ),
    Package("builtin", "the built-in models: weights, configurations, tokenizer; no code"),
    Package("api", "the only file that knows all parts and wires them", ("*",)),
    Package("harness", "methods compared on problems: runs, tables, statistics, the report", ("api", "core", "maths")),
    Package("cli", "the command line", ("api", "core", "harness")),
    Package("server", "the HTTP server", ("api", "core")),
    Package("bench", "measurements, against peers and against ourselves", ("api", "core", "model", "engine")),
    Package("__init__", "what `import ramify` offers", ("api", "core")),
    Package("__main__", "`python -m ramify`", ("cli",)),
)
FACES = ("harness", "cli", "server", "bench", "__init__", "__main__")  # `*` reaches none; may `import ramify`

VARIANTS = (
    "guide",
    "kv/policies",
    "model/backends",
    "reward",
    "search",
    "select",
    "speculate/drafters",
    "speculate/verifiers",
)
"""Folders of variants: the files in one never import one another. What two of them need moves down."""

STDLIB_ONLY = ("core",)
WITHOUT_TORCH = ("core", "tasks", "search", "kv/pages", "kv/prefix", "kv/book")
IMPORTS_BY_NAME = "core/registry"  # the one module that may import inside a function
