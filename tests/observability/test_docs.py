# SPDX-License-Identifier: Apache-2.0
"""The page on observability names every metric, and no other."""

import re
from pathlib import Path

import pytest

from support import promql

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
ROW = re.compile(r"^\| `(souk_\w+)` \| (\w+) \| ([^|]*) \|", re.MULTILINE)


@pytest.fixture(scope="module")
def told():
    return {
        f"{name}_total" if kind == "counter" else name: (kind, labels)
        for name, (kind, labels) in promql.told().items()
        if name.startswith("souk_")
    }


def test_every_metric_is_told_with_its_kind_and_its_labels_and_no_other(told):
    said = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, labels in ROW.findall(PAGE.read_text())
    }

    assert said == told


def test_every_metrics_name_ends_in_what_it_counts_and_no_label_is_an_id(told):
    for name, (kind, labels) in told.items():
        assert kind != "histogram" or name.endswith(("_seconds", "_items"))
        assert not [label for label in labels if label.endswith("id")]
