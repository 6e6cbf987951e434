# SPDX-License-Identifier: Apache-2.0
"""What the person at the terminal sees: one line per step, a table, a summary."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from soukctl.audit import show as show_checks


@dataclass(frozen=True)
class ProcessLine:
    """One process as the status table shows it."""

    name: str
    state: str
    pid: int
    uptime_seconds: int
    memory_bytes: int


@dataclass(frozen=True)
class Terminal:
    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Show what is being done, then how long it took."""
        began = time.monotonic()
        try:
            with self.console.status(title):
                yield
        except BaseException:
            self.console.print(f"[red]✗[/red] {title}")
            raise
        self.console.print(f"[green]✓[/green] {title} [dim]{time.monotonic() - began:.1f} s[/dim]")

    def say(self, text: str) -> None:
        self.console.print(escape(text))

    def complain(self, text: str) -> None:
        Console(stderr=True, highlight=False, soft_wrap=True).print(escape(text), style="red")

    def processes(self, lines: Iterable[ProcessLine]) -> None:
        table = Table(box=None, header_style="bold")
        table.add_column("process")
        table.add_column("state")
        for number in ("pid", "uptime", "memory"):
            table.add_column(number, justify="right")
        total = services = 0
        for line in lines:
            total += line.memory_bytes
            services += line.memory_bytes if line.name.endswith(("-web", "-worker")) else 0
            colour = "green" if line.state == "RUNNING" else "red"
            table.add_row(
                line.name,
                f"[{colour}]{line.state.lower()}[/{colour}]",
                str(line.pid or "-"),
                duration(line.uptime_seconds),
                megabytes(line.memory_bytes),
            )
        table.add_section()
        table.add_row("the five services", "", "", "", megabytes(services))
        table.add_row("everything", "", "", "", megabytes(total))
        self.console.print(table)

    def checks(self, checks: Iterable[dict[str, Any]]) -> None:
        """Each rule of the audit, and below a broken one what breaks it."""
        show_checks(checks, self.console)


def duration(seconds: int) -> str:
    """``3 s``, ``4 min``, ``2 h 05 min``."""
    minutes = seconds // 60
    if minutes < 1:
        return f"{seconds} s"
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60:02} min"


def megabytes(count: int) -> str:
    return f"{count / 1_000_000:.0f} MB"
