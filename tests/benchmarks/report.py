# SPDX-License-Identifier: Apache-2.0
"""The table on the terminal, and ``docs/benchmarks.md`` with the figures beside it as JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.catalogue import ALL
from benchmarks.play import Result

DOCS = Path(__file__).parents[2] / "docs"
KEPT, PAGE = DOCS / "benchmarks.json", DOCS / "benchmarks.md"
COLUMNS = (
    "",
    "what",
    "this side",
    "the other side",
    "result",
    "floor · target · moonshot",
    "reached",
)
COLOURS = {"moonshot": "green", "target": "green", "floor": "yellow", "missed": "red"}
INTRODUCTION = """\
# Benchmarks

How fast the shop is, as ratios: both sides in one run on the same machine, played in turn
(A B A B …) after a warm-up, with the same durability. A figure is the median of its rounds, with
the lowest and the highest in brackets; a ratio is the median of the rounds' own ratios.
`make bench` writes this page, `make bench P=P1` replaces what it says of one benchmark.
[tests/benchmarks](../tests/benchmarks/README.md) tells how the sides are made,
[decisions](decisions) why things are as they are.
"""


def keep(results: Sequence[Result], facts: Mapping[str, str]) -> None:
    """Put *results* in the place of older ones of the same names, and write the page anew."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {"results": {}, "machine": {}}
    found = kept["results"] | {result["id"]: result for result in results}
    order = [benchmark.id for benchmark in ALL if benchmark.id in found]
    known = {
        "machine": kept["machine"] | dict(facts),
        "results": {name: found[name] for name in order},
    }
    KEPT.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text("\n".join(_page(list(known["results"].values()), known["machine"])) + "\n")


def show(results: Sequence[Result], console: Console) -> None:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in COLUMNS:
        table.add_column(column)
    for row in chain.from_iterable(map(_rows, results)):
        colour = COLOURS.get(row[-1], "red")
        table.add_row(*row[:-1], f"[{colour}]{row[-1]}[/{colour}]")
    console.print(table)


def _page(results: Sequence[Result], machine: Mapping[str, str]) -> Iterator[str]:
    yield INTRODUCTION
    yield _line(COLUMNS)
    yield _line(["---"] * len(COLUMNS))
    yield from map(_line, chain.from_iterable(map(_rows, results)))
    yield "\n## What else was seen\n"
    for result in results:
        if others := _others(result):
            yield f"- {result['id']}, {result['title']}: {', '.join(others)}."
    yield "\n## Measured on\n\n| | |\n|---|---|"
    yield from (_line(fact) for fact in machine.items())
    yield "\n| | measured at (UTC) | rounds | seconds | load average before |"
    yield "|---|---|---|---|---|"
    for result in results:
        told = ("measured_at", "rounds", "seconds", "load_before")
        yield _line([result["id"], *(str(result[name]) for name in told)])


def _rows(result: Result) -> Iterator[list[str]]:
    if result["fault"]:
        yield [result["id"], result["title"], "", "", "0", "", result["fault"]]
    for ratio in result["ratios"]:
        figures = result["figures"]
        yield [
            result["id"],
            ratio["title"],
            f"{_spread(figures[ratio['of']])} {ratio['unit']}" if ratio["to"] else "",
            f"{_spread(figures[ratio['to']])} {ratio['unit']}" if ratio["to"] else "",
            f"{_spread(ratio['value'])}{'×' if ratio['to'] else ' ' + ratio['unit']}",
            " · ".join(_short(limit) for limit in ratio["limits"]),
            ratio["verdict"],
        ]


def _others(result: Result) -> list[str]:
    """Figures that are in no ratio and not always 0."""
    used = {ratio[end] for ratio in result["ratios"] for end in ("of", "to")}
    others = {name: f for name, f in result["figures"].items() if name not in used and any(f)}
    return [f"{name} {_spread(figure)}" for name, figure in others.items()]


def _spread(figure: Sequence[float]) -> str:
    low, middle, high = figure
    return f"{_short(middle)} ({_short(low)}–{_short(high)})"


def _short(number: float) -> str:
    """Three digits that say something: ``0.0123``, ``12.3``, ``12,345``."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
