"""The metrics: what a run's ledger says arrives, moments are asked for, and no request can add a series."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from prometheus_client.parser import text_string_to_metric_families

import ramify
from ramify.core.ledger import DraftAccount, Ledger, ModelAccount
from ramify.server import gate
from ramify.server.metrics import DEEPEST, OTHER, REASONS, ROUTES, Metrics
from tests.server.serving import Served, wait_for

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@dataclass(frozen=True)
class Moment:
    """As `ramify.api.live.Status`."""

    running: int
    waiting: int
    pages: Mapping[str, tuple[int, int, int]]


def scraped(metrics: Metrics) -> Samples:
    """Every sample of the page, as a client of Prometheus reads it."""
    page, kind = metrics.render()
    assert kind.startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(page.decode()))
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return scraped(metrics)[name, tuple(sorted(labels.items()))]


def test_a_real_search_arrives_as_its_ledger_has_it() -> None:
    lm, metrics = ramify.load(speculate="builtin-draft"), Metrics()
    ledgers = []
    for seed in range(2):
        options = {"n": 3, "reward": "builtin-prm", "max_tokens": 24, "seed": seed}
        ledgers.append(lm.search("Compute (3 + 4) * 5.", "best-of-n", **options).ledger)
        metrics.search("best-of-n")
        metrics.result("best-of-n(n=3)", ledgers[-1])
    both = Ledger()
    for ledger in ledgers:
        both.add(ledger)
    assert both.drafts.drafted and both.reward_tokens and both.draft_tokens
    assert value(metrics, "ramify_searches_total", method="best-of-n") == 2
    assert value(metrics, "ramify_prompt_tokens_total") == both.prompt_tokens
    assert value(metrics, "ramify_generation_tokens_total") == both.generated_tokens
    for role, account in both.models.items():
        assert value(metrics, "ramify_model_tokens_total", model=role, kind=account.kind) == account.tokens
        assert value(metrics, "ramify_flops_total", model=role) == pytest.approx(account.flops)
    assert {"target", "draft", "builtin-prm"} == both.models.keys()
    assert value(metrics, "ramify_method_flops_total", method="best-of-n") == pytest.approx(both.flops)
    assert value(metrics, "ramify_spec_decode_num_drafts_total") == both.drafts.rounds
    assert value(metrics, "ramify_spec_decode_num_draft_tokens_total") == both.drafts.drafted
    assert value(metrics, "ramify_spec_decode_num_accepted_tokens_total") == both.drafts.accepted
    for depth, accepted in enumerate(both.drafts.accepted_at):
        name = "ramify_spec_decode_num_accepted_tokens_per_pos_total"
        assert value(metrics, name, position=str(depth)) == accepted


def test_deep_positions_share_a_series() -> None:
    metrics, tried = Metrics(), [1] * (DEEPEST + 9)
    metrics.result("sample", Ledger(drafts=DraftAccount(rounds=1, tried=tried, accepted_at=tried)))
    name = "ramify_spec_decode_num_accepted_tokens_per_pos_total"
    assert value(metrics, name, position=str(DEEPEST)) == 9
    assert len([key for key, _ in scraped(metrics) if key == name]) == DEEPEST + 1


def test_pages_and_queue_are_those_of_the_moment_of_the_scrape() -> None:
    metrics, now = Metrics(models=["house"]), [Moment(3, 5, {"target": (40, 10, 100), "house": (1, 0, 50)})]
    metrics.watch_status(lambda: now[0])
    assert value(metrics, "ramify_num_requests_running") == 3
    assert value(metrics, "ramify_num_requests_waiting") == 5
    assert value(metrics, "ramify_kv_pages_used", model="target") == 40
    assert value(metrics, "ramify_kv_pages_shared", model="target") == 10
    assert value(metrics, "ramify_kv_pages_capacity", model="house") == 50
    assert value(metrics, "ramify_kv_cache_usage_perc", model="target") == 0.4
    now[0] = Moment(0, 0, {"target": (0, 0, 100), "stranger": (2, 1, 8), "another": (3, 1, 8)})
    assert value(metrics, "ramify_num_requests_running") == 0
    assert value(metrics, "ramify_kv_pages_used", model="target") == 0
    assert value(metrics, "ramify_kv_pages_used", model="other") == 5
    assert ("ramify_kv_pages_used", (("model", "house"),)) not in scraped(metrics)


def test_latencies_fall_into_their_buckets() -> None:
    metrics = Metrics()
    for seconds in (0.004, 0.03, 0.03, 0.3):
        metrics.between_tokens(seconds)
        metrics.first_token(seconds, "search")
        metrics.request("/v1/completions", "POST", 200, seconds)
    assert value(metrics, "ramify_inter_token_latency_seconds_bucket", le="0.05") == 3
    assert value(metrics, "ramify_inter_token_latency_seconds_bucket", le="0.005") == 1
    assert value(metrics, "ramify_time_to_first_token_seconds_count", kind="search") == 4
    assert value(metrics, "ramify_time_to_first_token_seconds_count", kind="plain") == 0
    name = "ramify_e2e_request_latency_seconds_sum"
    assert value(metrics, name, route="/v1/completions") == pytest.approx(0.364)
    assert value(metrics, "ramify_http_requests_total", route="/v1/completions", method="POST", status="200") == 4


def strange(metrics: Metrics, text: str) -> None:
    """Traffic whose every word is a stranger's."""
    metrics.request(f"/{text}", text, 200, 0.1)
    metrics.search(text)
    metrics.rejection(text)
    metrics.first_token(0.1, text)
    metrics.tokens(text, text, 1)
    metrics.result(text, Ledger(models={text: ModelAccount(tokens=1)}))


def test_no_request_adds_a_series_or_leaves_its_text() -> None:
    metrics = Metrics()
    strange(metrics, "first")
    series = scraped(metrics).keys()
    for i in range(50):
        strange(metrics, f'secret{i}"}} 1\nramify_forged 7\n\\\u2028')
    assert scraped(metrics).keys() == series
    assert b"secret" not in metrics.render()[0]
    assert value(metrics, "ramify_rejections_total", reason="other") == 51
    assert value(metrics, "ramify_model_tokens_total", model="other", kind="writer") == 51


def test_servers_do_not_share_counts_and_start_at_nought() -> None:
    one, two = Metrics(), Metrics()
    one.disconnected()
    assert value(one, "ramify_disconnects_total") == 1
    assert value(two, "ramify_disconnects_total") == 0
    assert all(value(two, "ramify_rejections_total", reason=reason) == 0 for reason in REASONS)
    assert value(two, "ramify_searches_total", method="beam") == 0
    assert value(two, "ramify_build_info", version=ramify.__version__) == 1


def test_every_route_and_reason_of_the_server_is_known(drafting: Served) -> None:
    with drafting.http() as client:
        for path in ("/", "/playground/app.js"):  # the page is in no document
            assert client.get(path).status_code == 200

    def asked() -> set[str]:
        samples = scraped(drafting.app.state.metrics)
        return {dict(labels)["route"] for name, labels in samples if name.endswith("requests_total")}

    wait_for(lambda: {"/", "/playground/{name}"} <= asked())  # a request is counted when all of its answer was sent
    assert (asked() | drafting.app.openapi()["paths"].keys()) - {OTHER} == set(ROUTES)
    assert set(gate.REASONS.values()) == set(REASONS)


def test_threads_count_together_while_others_look() -> None:
    metrics = Metrics()

    def work() -> None:
        for _ in range(200):
            metrics.result("sample", Ledger(prompt_tokens=1, models={"target": ModelAccount(tokens=2)}))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        metrics.render()
    assert value(metrics, "ramify_prompt_tokens_total") == 800
    assert value(metrics, "ramify_model_tokens_total", model="target", kind="writer") == 1600


def test_calls_that_the_log_database_lost() -> None:
    metrics = Metrics()
    assert ("ramify_log_db_lost_total", ()) not in scraped(metrics)
    metrics.watch_lost(lambda: 7)
    assert value(metrics, "ramify_log_db_lost_total") == 7
