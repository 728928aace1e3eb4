"""What a server has done and holds, in Prometheus' format.

Names are vLLM's where vLLM has one, behind the prefix `ramify_`; seconds, tokens and pages are the units. A label's
value comes from a closed set that is fixed at the start (anything else is counted as "other"), so that no request can
add a series or leave its text in one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ramify import __version__
from ramify.api import SCORED_TEXTS
from ramify.api.sources import BUILTIN_ALIASES
from ramify.core.ledger import Ledger
from ramify.core.registry import names

OTHER = "other"
ROUTES = (
    "/",
    "/playground/{name}",
    "/healthz",
    "/metrics",
    "/v1/models",
    "/v1/models/{model}",
    "/v1/methods",
    "/v1/completions",
    "/v1/chat/completions",
    "/v1/score",
    "/tokenize",
    "/detokenize",
)
VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REASONS = (
    "bad_request",  # 400: a field is wrong, unknown, or not supported
    "unauthorised",  # 401: no key, or a wrong one
    "not_found",  # 404, 405: no such model, path or verb
    "too_large",  # 413: the body, or a cap
    "bad_media_type",  # 415: not JSON
    "overload",  # 429: too many are waiting
    "closing",  # 503: the server is shutting down
)
KINDS = ("plain", "search")  # of a request: one that samples, one that names a method
DEEPEST = 31  # positions of a draft that are told apart; deeper ones are counted here

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0)
SLOW = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640)


class Standing(Protocol):
    """What is asked of `ramify.api.live.Status`; `pages` maps a model's role to (used, shared, total)."""

    @property
    def running(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def pages(self) -> Mapping[str, tuple[int, int, int]]: ...


class Metrics:
    """Counts for one server. Every method may be called from any thread, and none raises because of what it is told.

    Args:
        methods, models, routes: the values that the labels of these names may have. `models` are roles: a server adds
            the names of its `--also`; "target", "draft" and the built-in models are known.
    """

    def __init__(
        self,
        *,
        methods: Iterable[str] | None = None,
        models: Iterable[str] = (),
        routes: Iterable[str] = ROUTES,
    ) -> None:
        roles = ("target", "draft", *BUILTIN_ALIASES, *models)
        self._models = frozenset([*roles, *(f"{role} (log-probabilities)" for role in roles)])
        self._methods = frozenset(methods if methods is not None else [*names("method"), SCORED_TEXTS.name])
        self._routes = frozenset(routes)
        self.registry = prometheus.CollectorRegistry(auto_describe=True)
        self._requests_made()
        self._work_made()
        self._drafts_made()
        for collector in (prometheus.ProcessCollector, prometheus.GCCollector):
            collector(registry=self.registry)
        build = self._gauge("ramify_build_info", "Always 1; the version is in the label.", "version")
        build.labels(__version__).set(1)

    def watch_status(self, status: Callable[[], Standing]) -> None:
        """Ask `status` at every scrape for what runs, waits and is held."""
        self.registry.register(_Status(status, self._model))

    def engine(self, pid: int | None, threads: int | None) -> None:
        """Tell of the engine's process, where it has one of its own, and of the cores that it computes on."""
        if pid is not None:
            prometheus.ProcessCollector(namespace="engine", pid=lambda: pid, registry=self.registry)
        if threads is not None:
            self._gauge("ramify_engine_threads", "Cores that the engine computes on.").set(threads)

    def watch_lost(self, lost: Callable[[], int]) -> None:
        """Ask `lost` at every scrape how many calls the log database could not take (`LogDb.lost`)."""
        self.registry.register(_Lost(lost))

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """An answer was given, to its end. `route` is the route's pattern, `method` the HTTP verb."""
        route = route if route in self._routes else OTHER
        code = str(status) if 100 <= status < 600 else OTHER
        self._requests.labels(route, method if method in VERBS else OTHER, code).inc()
        self._seconds.labels(route).observe(seconds)

    def first_token(self, seconds: float, kind: str) -> None:
        """Seconds from a request's arrival to the first token of its first branch; `kind` is one of KINDS."""
        self._first.labels(kind if kind in KINDS else OTHER).observe(seconds)

    def between_tokens(self, seconds: float) -> None:
        """Seconds between two tokens of one branch."""
        self._between.observe(seconds)

    def tokens(self, role: str, kind: str, count: int) -> None:
        """Count tokens that no ledger will bring: of kind prompt, generated, or rows read: writer, reward, draft."""
        if kind == "prompt":
            self._prompt_tokens.inc(count)
        elif kind == "generated":
            self._generated_tokens.inc(count)
        else:
            kind = kind if kind in ("writer", "reward", "draft") else OTHER
            self._model_tokens.labels(self._model(role), kind).inc(count)

    def search(self, method: str) -> None:
        """A search was admitted; of a nested one, the outermost counts."""
        self._searches.labels(self._method(method)).inc()

    def result(self, method: str, ledger: Ledger) -> None:
        """Count what a run took, even if it was cancelled. `method` is "sample" for requests without a search."""
        self.tokens("target", "prompt", ledger.prompt_tokens)
        self.tokens("target", "generated", ledger.generated_tokens)
        self._forks.inc(ledger.forks)
        self._run_flops.labels(self._method(method)).inc(ledger.flops)
        for role, account in ledger.models.items():
            model = self._model(role)
            self.tokens(role, account.kind, account.tokens)
            self._flops.labels(model).inc(account.flops)
            self._recomputed.labels(model).inc(account.recomputed)
        drafts = ledger.drafts
        self._drafts.inc(drafts.rounds)
        self._drafted.inc(drafts.drafted)
        self._accepted.inc(drafts.accepted)
        for depth, (tried, accepted) in enumerate(zip(drafts.tried, drafts.accepted_at, strict=False)):
            position = str(min(depth, DEEPEST))
            self._tested_at.labels(position).inc(tried)
            self._accepted_at.labels(position).inc(accepted)

    def rejection(self, reason: str) -> None:
        """A request was refused; `reason` is one of REASONS."""
        self._rejections.labels(reason if reason in REASONS else OTHER).inc()

    def disconnected(self) -> None:
        """A client went away before its answer was complete."""
        self._disconnects.inc()

    def render(self) -> tuple[bytes, str]:
        """The page for a scrape, and its content type."""
        return prometheus.generate_latest(_Plain(self.registry)), prometheus.CONTENT_TYPE_PLAIN_0_0_4

    def _model(self, role: str) -> str:
        return role if role in self._models else OTHER

    def _method(self, line: str) -> str:
        name = line.partition("(")[0].strip()
        return name if name in self._methods else OTHER

    def _counter(self, name: str, says: str, *labels: str) -> prometheus.Counter:
        return prometheus.Counter(name, says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> prometheus.Gauge:
        return prometheus.Gauge(name, says, labels, registry=self.registry)

    def _requests_made(self) -> None:
        self._requests = self._counter("ramify_http_requests_total", "Answers given.", "route", "method", "status")
        says = "Seconds from a request's arrival to the end of its answer."
        name = "ramify_e2e_request_latency_seconds"
        self._seconds = prometheus.Histogram(name, says, ("route",), registry=self.registry, buckets=SLOW)
        says = "Seconds from a request's arrival to the first token of its first branch."
        name = "ramify_time_to_first_token_seconds"
        self._first = prometheus.Histogram(name, says, ("kind",), registry=self.registry, buckets=SLOW)
        says, name = "Seconds between two tokens of one branch.", "ramify_inter_token_latency_seconds"
        self._between = prometheus.Histogram(name, says, registry=self.registry, buckets=FAST)
        self._rejections = self._counter("ramify_rejections_total", "Requests refused.", "reason")
        self._disconnects = self._counter("ramify_disconnects_total", "Clients that went away before their answer.")
        for kind in KINDS:
            self._first.labels(kind)
        for reason in REASONS:
            self._rejections.labels(reason)

    def _work_made(self) -> None:
        self._prompt_tokens = self._counter("ramify_prompt_tokens_total", "Tokens of prompts, each prompt once.")
        self._generated_tokens = self._counter("ramify_generation_tokens_total", "Tokens drawn, of all branches.")
        says = "Tokens that a model read, by what it did in the run: writer, reward or draft."
        self._model_tokens = self._counter("ramify_model_tokens_total", says, "model", "kind")
        says = "Tokens that a model read again because their pages had been given up."
        self._recomputed = self._counter("ramify_recomputed_tokens_total", says, "model")
        self._flops = self._counter("ramify_flops_total", "Multiply-adds, counted as two, by model.", "model")
        says = "Multiply-adds of all models, counted as two, by the method that caused them."
        self._run_flops = self._counter("ramify_method_flops_total", says, "method")
        self._searches = self._counter("ramify_searches_total", "Searches admitted.", "method")
        self._forks = self._counter("ramify_forks_total", "Branches forked.")
        for method in self._methods:  # a rate sees a series grow only if it was there before
            self._searches.labels(method)
        self._recomputed.labels("target")

    def _drafts_made(self) -> None:
        family = "ramify_spec_decode_num"
        self._drafts = self._counter(f"{family}_drafts_total", "Drafts that were verified.")
        self._drafted = self._counter(f"{family}_draft_tokens_total", "Tokens drafted.")
        self._accepted = self._counter(f"{family}_accepted_tokens_total", "Drafted tokens that the target accepted.")
        says = "Drafted tokens put to the test at a position (all before it were accepted). 0 is the first."
        self._tested_at = self._counter(f"{family}_tested_tokens_per_pos_total", says, "position")
        says = "Drafted tokens accepted at a position. 0 is the first."
        self._accepted_at = self._counter(f"{family}_accepted_tokens_per_pos_total", says, "position")


class _Status(Collector):
    """Gauges of one moment: `status` is asked once a scrape."""

    def __init__(self, status: Callable[[], Standing], label: Callable[[str], str]) -> None:
        self._status, self._label = status, label

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        now = self._status()
        yield GaugeMetricFamily("ramify_num_requests_running", "Searches that take part in steps.", now.running)
        yield GaugeMetricFamily("ramify_num_requests_waiting", "Searches that wait to begin.", now.waiting)
        totals: dict[str, list[int]] = {}
        for role, counts in now.pages.items():
            sums = totals.setdefault(self._label(role), [0, 0, 0])
            sums[:] = [a + b for a, b in zip(sums, counts, strict=True)]
        kinds = ("used", "Pages held."), ("shared", "Pages held by more than one."), ("capacity", "Pages there are.")
        for i, (kind, says) in enumerate(kinds):
            family = GaugeMetricFamily(f"ramify_kv_pages_{kind}", says, labels=["model"])
            for model, sums in totals.items():
                family.add_metric([model], sums[i])
            yield family
        family = GaugeMetricFamily("ramify_kv_cache_usage_perc", "Pages held, 1 is all.", labels=["model"])
        for model, (used, _, total) in totals.items():
            family.add_metric([model], used / total if total else 0.0)
        yield family


class _Lost(Collector):
    def __init__(self, lost: Callable[[], int]) -> None:
        self._lost = lost

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("ramify_log_db_lost", "Calls that the log database could not take.", self._lost())


class _Plain(Collector):
    """A registry without the moment each series was created, which this format would show as gauges."""

    def __init__(self, registry: prometheus.CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [s for s in metric.samples if not s.name.endswith("_created")]
            yield metric
