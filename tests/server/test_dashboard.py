"""The dashboard: Grafana can read it, and every series and label that it asks for is one that a server has."""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ramify.core.ledger import DraftAccount, Ledger, ModelAccount
from ramify.server.metrics import Metrics
from tests.house.source import ROOT

BOARD = json.loads((ROOT / "ramify/server/grafana.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
FUNCTIONS = {"sum", "max", "rate", "increase", "histogram_quantile", "by", "and", "or", "on", "vector"}
SERVING = (ROOT / "docs/SERVING.md").read_text()
ALERTS = re.findall(r"^ *expr: (.+)$", SERVING, re.MULTILINE)


@pytest.fixture(scope="module")
def labels() -> dict[str, set[str]]:
    """The labels of every series that a server has after a little traffic."""
    metrics = Metrics()
    pages = {"target": (3, 1, 9)}
    metrics.watch_status(lambda: SimpleNamespace(running=1, waiting=0, pages=pages))
    metrics.watch_lost(lambda: 0)
    metrics.engine(os.getpid(), 1)
    metrics.request("/v1/completions", "POST", 200, 0.1)
    metrics.first_token(0.1, "search")
    drafts = DraftAccount(rounds=1, drafted=2, accepted=1, tried=[1, 1], accepted_at=[1, 0])
    metrics.result("beam", Ledger(models={"target": ModelAccount(tokens=4)}, drafts=drafts))
    found = defaultdict[str, set[str]](set, up={"instance", "job"})
    for family in text_string_to_metric_families(metrics.render()[0].decode()):
        for sample in family.samples:
            found[sample.name] |= {*sample.labels, "instance", "job"}  # what Prometheus adds
    return found


def series(expression: str) -> Iterator[tuple[str, set[str]]]:
    """(name, labels matched) of every series in an expression."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    for name, inside in re.findall(r"([a-z_:][a-z0-9_:]*)\s*(?:\{([^}]*)\})?", re.sub(r"\[[^]]*\]", "", bare)):
        if ("_" in name or name == "up") and name not in FUNCTIONS:
            yield name, set(re.findall(r"(\w+)\s*[=!]", inside))


def grouped(expression: str) -> set[str]:
    return {name.strip() for group in re.findall(r"\bby \(([^)]*)\)", expression) for name in group.split(",")}


@pytest.mark.parametrize(("title", "expression"), [*EXPRESSIONS, *(("alert", alert) for alert in ALERTS)])
def test_every_expression_asks_for_what_there_is(title: str, expression: str, labels: dict[str, set[str]]) -> None:
    asked = list(series(expression))
    assert asked, title
    for name, matched in asked:
        assert name in labels
        assert matched <= labels[name]
    assert grouped(expression) <= set.union(*(labels[name] for name, _ in asked))
    assert ("le" in grouped(expression)) == expression.startswith("histogram_quantile")


def test_the_check_sees_a_name_or_label_that_is_none(labels: dict[str, set[str]]) -> None:
    wrong = 'sum by (colour) (rate(ramify_acceptance_total{flavour=~"$x"}[5m]))'
    assert list(series(wrong)) == [("ramify_acceptance_total", {"flavour"})]
    assert "ramify_acceptance_total" not in labels
    assert grouped(wrong) == {"colour"}


def test_every_series_of_ours_is_on_the_board(labels: dict[str, set[str]]) -> None:
    shown = {name for _, expression in EXPRESSIONS for name, _ in series(expression)}
    ours = {re.sub(r"_(count|sum)$", "_bucket", name) for name in labels if name.startswith("ramify_")}
    assert ours == {name for name in shown if name.startswith("ramify_")}


def test_every_series_of_ours_is_in_the_operators_page(labels: dict[str, set[str]]) -> None:
    told = set(re.findall(r"`(ramify_[a-z0-9_]+)", SERVING))
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in labels if name.startswith("ramify_")}
    assert told == ours


def test_grafana_has_the_fields_it_needs() -> None:
    assert BOARD["title"] and BOARD["uid"] and BOARD["schemaVersion"] >= 39
    assert BOARD["id"] is None and "__inputs" not in BOARD  # a variable asks for the data source, when provisioned too
    variables = {variable["name"]: variable for variable in BOARD["templating"]["list"]}
    assert (variables["DS_PROMETHEUS"]["type"], variables["DS_PROMETHEUS"]["query"]) == ("datasource", "prometheus")
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    source = {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
    for panel in PANELS:
        assert panel["title"] and panel["description"] and panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"] == source
        assert all(target["datasource"] == source and target["refId"] for target in panel["targets"])
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        assert "$instance" in "".join(target["expr"] for target in panel["targets"])


def test_panels_do_not_lie_on_one_another() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        mine = {(place["x"] + i, place["y"] + j) for i in range(place["w"]) for j in range(place["h"])}
        assert not mine & cells
        assert place["x"] + place["w"] <= 24
        cells |= mine
