# SPDX-License-Identifier: Apache-2.0
"""What a PromQL expression asks for, and what our code tells."""

import re
from collections import defaultdict
from importlib import import_module
from pathlib import Path

from prometheus_client import REGISTRY

ROOT = Path(__file__).parents[2]
SUFFIXES = {
    "counter": ("_total",),
    "histogram": ("_bucket", "_count", "_sum"),
    "gauge": ("",),
}
PROMETHEUS = {"up": {"instance"}, "ALERTS": {"alertname", "alertstate"}}
"""What Prometheus tells by itself."""
TARGET = {"job", "service", "role"}
"""The labels that every target has."""

QUOTED = re.compile(r'"[^"]*"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)?\{([^}]*)\}")
NAME = re.compile(r"[a-zA-Z_:][\w:]*(?!\w*\s*\()")
DURATION = re.compile(r"\[[^\]]*\]|\b\d+[smhdwy]\b")
WORDS = {"and", "or", "unless", "bool", "offset"}


def told() -> dict[str, tuple[str, set[str]]]:
    """Every metric that our code tells, with its kind and the labels that it gives."""
    for path in ROOT.glob("*/*/src/**/*.py"):
        if "from prometheus_client import" in path.read_text():
            import_module(".".join(path.relative_to(ROOT).with_suffix("").parts[3:]))
    found = {}
    for metric in list(REGISTRY._collector_to_names):
        labels = set(getattr(metric, "_labelnames", ()))
        # A metric of ours describes itself also while nothing has happened yet.
        for family in metric.describe() if hasattr(metric, "describe") else metric.collect():
            found[family.name] = family.type, labels
    return found


def exposed() -> dict[str, set[str]]:
    """Every series that Prometheus gets of these, and has by itself, with its labels."""
    found = {name: set(labels) for name, labels in PROMETHEUS.items()}
    for name, (kind, labels) in told().items():
        for suffix in SUFFIXES.get(kind, ()):
            found[name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def asked(expression: str) -> dict[str, set[str]]:
    """Every series that *expression* names, with the labels that its selectors compare."""
    text = QUOTED.sub('""', expression)
    found: dict[str, set[str]] = defaultdict(set)
    for name, matchers in SELECTOR.findall(text):
        found[name] |= set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers))
    text = DURATION.sub("", GROUPING.sub("", SELECTOR.sub(r"\1 ", text)))
    for name in NAME.findall(text):
        if name not in WORDS:
            found[name] |= set()
    return dict(found)


def grouped(expression: str) -> set[str]:
    """The labels that *expression* groups by."""
    return {
        label.strip()
        for labels in GROUPING.findall(QUOTED.sub('""', expression))
        for label in labels.split(",")
    }


def faults(expression: str, known: dict[str, set[str]]) -> list[str]:
    """What *expression* asks for that nobody tells: series, or labels of them."""
    series = asked(expression)
    found = [name for name in series if name not in known]
    labels = set(TARGET).union(*(known.get(name, set()) for name in series))
    found += [
        f"{name}{{{label}}}"
        for name, compared in series.items()
        for label in compared - known.get(name, set()) - TARGET
    ]
    return found + [f"by ({label})" for label in grouped(expression) - labels]
