# SPDX-License-Identifier: Apache-2.0
"""The dashboards: Grafana finds them, and every query in them is one that has an answer."""

import json
from pathlib import Path

import pytest
import yaml

from support.promql import faults

GRAFANA = Path(__file__).parents[2] / "deploy" / "observability" / "grafana"
BOARDS = {path.stem: json.loads(path.read_text()) for path in GRAFANA.glob("dashboards/*.json")}

every_board = pytest.mark.parametrize("name", BOARDS)


def queries(board):
    """Every query of a dashboard, by the panel's title."""
    return [
        (panel["title"], target["expr"])
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def sources(node):
    """Every data source that is named anywhere below *node*."""
    if isinstance(node, list):
        return {found for each in node for found in sources(each)}
    if not isinstance(node, dict):
        return set()
    own = {node["datasource"]["uid"]} if "datasource" in node else set()
    return own | {found for each in node.values() for found in sources(each)}


def parses(promtool, directory, *expressions):
    """What promtool says against these expressions, each as a rule of its own."""
    rules = [
        {"record": f"checked:{number}", "expr": expr} for number, expr in enumerate(expressions)
    ]
    document = {"groups": [{"name": "checked", "rules": rules}]}
    (directory / "checked.yml").write_text(yaml.safe_dump(document))
    checked = promtool("check", "rules", "checked.yml", cwd=directory)
    return "" if checked.returncode == 0 else checked.stdout


def test_there_is_one_for_operations_and_one_for_business():
    assert BOARDS.keys() == {"operations", "business"}
    assert len({board["uid"] for board in BOARDS.values()}) == 2


@every_board
def test_every_panel_has_a_place_of_its_own_and_asks_the_provisioned_source(name):
    panels = BOARDS[name]["panels"]
    provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    places = {
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    }

    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(places) == sum(p["gridPos"]["w"] * p["gridPos"]["h"] for p in panels)
    assert max(x for x, _ in places) < 24
    assert sources(panels) == {source["uid"] for source in provisioned["datasources"]}


@every_board
def test_every_query_parses(promtool, tmp_path, name):
    asked = [expr for _, expr in queries(BOARDS[name])]

    assert len(asked) > 10
    assert parses(promtool, tmp_path, *asked) == ""


def test_a_query_that_does_not_parse_is_noticed(promtool, tmp_path):
    assert "parse error" in parses(promtool, tmp_path, "sum(up)", "sum by service (up)")


@every_board
def test_every_query_asks_for_what_our_code_tells(name, exposed):
    found = {title: faults(expr, exposed) for title, expr in queries(BOARDS[name])}

    assert {title: each for title, each in found.items() if each} == {}


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("rate(souk_requests_total[5m])", "souk_requests_total"),
        ('souk_queue_messages{sort="dead"}', "souk_queue_messages{sort}"),
        ("sum by (rules) (souk_invariant_violations)", "by (rules)"),
        ("souk_outbox_depth + on (service) souk_depth", "souk_depth"),
        ("histogram_quantile(0.9, souk_request_seconds)", "souk_request_seconds"),
        ("souk_mails{}", "souk_mails"),
    ],
)
def test_a_query_for_what_nobody_tells_is_noticed(expression, fault, exposed):
    assert faults(expression, exposed) == [fault]


def test_the_business_board_has_views_orders_revenue_and_price_changes():
    asked = " ".join(expr for _, expr in queries(BOARDS["business"]))

    for what in ("views", "orders", "revenue_minor", "price_changes"):
        assert f"souk_last_hour_{what}" in asked
