# SPDX-License-Identifier: Apache-2.0
"""The alerts: each is valid, fires when it should and not before, and says what to do."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from support.promql import faults

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "observability" / "prometheus"
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
CASES = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]

every_alert = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


@pytest.fixture
def copy(tmp_path):
    """A copy of the configuration, which a test may spoil."""
    return Path(shutil.copytree(PROMETHEUS, tmp_path / "prometheus"))


def test_prometheus_takes_the_configuration_and_the_rules(promtool, copy):
    checked = promtool("check", "config", "prometheus.yml", cwd=copy)

    assert checked.returncode == 0, checked.stdout
    assert f"SUCCESS: {len(RULES)} rules found" in checked.stdout


def test_every_alert_fires_when_it_should_and_is_silent_before(promtool, copy):
    tested = promtool("test", "rules", "alerts.test.yml", cwd=copy)

    assert tested.returncode == 0, tested.stdout


def test_every_alert_has_such_a_test_of_both_its_sides():
    sides = {
        case["name"]: {bool(look["exp_samples"]) for look in case["promql_expr_test"]}
        for case in CASES
    }

    assert sides == {rule["alert"]: {True, False} for rule in RULES}
    for case in CASES:
        own = f'alertname="{case["name"]}"'
        assert all(own in look["expr"] for look in case["promql_expr_test"])


SPOILT = {
    "an alert that never fires": ("> 60\n", "> 6e9\n"),
    "an alert that always fires": ("> 60\n", "> -1\n"),
    "a query for another name": ("souk_outbox_oldest_seconds{", "souk_outbox_age_seconds{"),
}


@pytest.mark.parametrize(("part", "spoilt"), SPOILT.values(), ids=SPOILT)
def test_the_tests_would_notice(promtool, copy, part, spoilt):
    rules = copy / "alerts.yml"
    assert rules.read_text().count(part) == 1
    rules.write_text(rules.read_text().replace(part, spoilt))

    assert promtool("test", "rules", "alerts.test.yml", cwd=copy).returncode != 0


@every_alert
def test_an_alert_waits_a_while_has_a_severity_and_says_what_is_wrong(rule):
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert {"summary", "description", "runbook"} == rule["annotations"].keys()


@every_alert
def test_the_runbook_has_a_chapter_for_the_alert(rule):
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    chapters = re.findall(r"^## (\w+)$", (ROOT / page).read_text(), re.MULTILINE)

    assert anchor == rule["alert"].lower()
    assert rule["alert"] in chapters
    assert set(chapters) == {rule["alert"] for rule in RULES}


@every_alert
def test_an_alert_asks_for_what_our_code_tells(rule, exposed):
    assert faults(rule["expr"], exposed) == []


def test_every_process_of_the_composition_is_a_target():
    document = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    targets = {
        (target, each["labels"]["service"], each["labels"]["role"])
        for job in document["scrape_configs"]
        for each in job["static_configs"]
        for target in each["targets"]
    }
    compose = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    names = [name for name in compose["services"] if re.fullmatch(r".+-(web|worker)|shipper", name)]
    parts = [(name, *name.partition("-")[::2]) for name in names]

    assert len(names) == 11
    assert targets == {(f"{name}:8000", who, role or "worker") for name, who, role in parts}
