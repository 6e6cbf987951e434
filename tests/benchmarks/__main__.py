# SPDX-License-Identifier: Apache-2.0
"""``make bench`` and ``make bench P=P1,P2``."""

import signal
import sys

from rich.console import Console
from rich.markup import escape

from benchmarks import machine, report
from benchmarks.benchmark import Benchmark
from benchmarks.ground import Ground
from benchmarks.play import Result, play
from common.logs import configure_logs
from common.roles import import_for_good
from souk_local.packages import PackagesMissing, ensure_installed


def main() -> None:
    # So that a run that is ended by a signal takes its servers with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    console = Console(highlight=False, soft_wrap=True)
    chosen = _chosen(sys.argv[1] if len(sys.argv) > 1 else "")
    try:
        ensure_installed(["wrk"])
    except PackagesMissing as error:
        sys.exit(str(error))
    results: list[Result] = []
    with Ground() as ground:
        for benchmark in chosen:
            if result := _run(benchmark, ground, console):
                results.append(result)
                # At once: what was measured stays when a later one is interrupted.
                report.keep(results, machine.facts(ground))
    report.show(results, console)
    good = [result for result in results if not result["fault"]]
    sys.exit(len(good) < len(chosen))


def _chosen(ids: str) -> list[Benchmark]:
    wanted = {word.strip().upper() for word in ids.split(",") if word.strip()}
    # As the workers import what they run: both sides of every benchmark are spared alike.
    everything = import_for_good("benchmarks.catalogue").ALL
    known = {benchmark.id.upper(): benchmark for benchmark in everything}
    if unknown := wanted - known.keys():
        sys.exit(f"No benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}.")
    return [benchmark for name, benchmark in known.items() if not wanted or name in wanted]


def _run(benchmark: Benchmark, ground: Ground, console: Console) -> Result | None:
    name = f"[bold]{benchmark.id}[/bold] {escape(benchmark.title)}"
    configure_logs("bench", "warning")  # anew: the one before may have wanted every line
    with console.status(name) as status:
        try:
            result = play(
                benchmark, ground, lambda doing: status.update(f"{name} [dim]{doing}[/dim]")
            )
        except Exception:  # noqa: BLE001 - the others are measured all the same
            console.print_exception(max_frames=6)
            console.print(f"[red]✗[/red] {name}")
            return None
    mark = "[red]✗[/red]" if result["fault"] else "[green]✓[/green]"
    console.print(f"{mark} {name} [dim]{result['seconds']} s[/dim]")
    return result


main()
