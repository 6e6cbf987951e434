# SPDX-License-Identifier: Apache-2.0
"""``python -m souk_local up``: the commands behind the Makefile's targets."""

import sys
from pathlib import Path

import click

from souk_local import logs as stack_logs
from souk_local.commands import CommandFailed
from souk_local.console import Terminal
from souk_local.drill import Drill, DrillRefused
from souk_local.drill import show as show_proof
from souk_local.environments import ADMIN_USERNAME
from souk_local.packages import PackagesMissing
from souk_local.port_holders import PortTaken
from souk_local.ports import Ports
from souk_local.renewal import NotRenewed
from souk_local.repair import repair as repair_services
from souk_local.servers import GatewayConfigurationRefused, ServerNotReady
from souk_local.stack import DirectoryTooLong, Stack
from soukctl.audit import ask as ask_audit
from soukctl.demo import CUSTOMER_USERNAME, DemoRefused
from soukctl.shop import Refused

REPOSITORY = Path(__file__).resolve().parents[4]
SAID_CLEARLY = (
    Refused,
    CommandFailed,
    DemoRefused,
    DirectoryTooLong,
    DrillRefused,
    GatewayConfigurationRefused,
    NotRenewed,
    PackagesMissing,
    PermissionError,
    PortTaken,
    ServerNotReady,
    ValueError,
)


class _ClearErrors(click.Group):
    """Shows errors that were made for people without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SAID_CLEARLY as error:
            Terminal().complain(str(error))
            sys.exit(1)


@click.group(cls=_ClearErrors)
@click.option(
    "--run-directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=REPOSITORY / ".run",
    help="Where the stack keeps everything; .run in the repository unless told otherwise.",
)
@click.option(
    "--web-workers",
    type=click.IntRange(1, 16),
    envvar="WEB_WORKERS",
    default=1,
    help="Web processes of catalog and of orders.",
)
@click.option(
    "--open-store",
    is_flag=True,
    envvar="OPEN_STORE",
    help="Let guests of the online store buy without a token.",
)
@click.option(
    "--traces",
    envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
    help="A collector that takes OpenTelemetry's traces.",
)
@click.pass_context
def main(
    context: click.Context,
    *,
    run_directory: Path,
    web_workers: int,
    open_store: bool,
    traces: str | None,
) -> None:
    """Souk's whole stack on this machine, without containers."""
    context.obj = Stack(
        run_directory.resolve(),
        Ports.default(),
        REPOSITORY / "gateway",
        web_workers=web_workers,
        open_store=open_store,
        traces=traces,
    )


@main.command()
@click.pass_obj
def up(stack: Stack) -> None:
    """Start the stack, with migrations, an admin and demo data; safe to repeat."""
    stack.up()
    url, secrets = stack.environments.gateway_url, stack.keyring
    stack.terminal.say(
        f"\nSouk is ready at {url}\n"
        f"  admin     {ADMIN_USERNAME} / {secrets.admin_password}\n"
        f"  customer  {CUSTOMER_USERNAME} / {secrets.demo_password}\n"
        f"  products  curl {url}/v1/products\n"
        f"  API       {url}/docs\n"
        f"  mails     {stack.directory / 'mail'}\n"
        f"  logs      make logs · processes: make status · stop: make down\n"
    )


@main.command()
@click.pass_obj
def down(stack: Stack) -> None:
    """Stop the stack; its data stays."""
    stack.down()


@main.command()
@click.pass_obj
def restart(stack: Stack) -> None:
    """Replace every process by one with the code of today; no request fails."""
    if not stack.status():
        stack.terminal.say("The stack is down; `make up` starts it.")
        sys.exit(1)
    stack.restart()


@main.command()
@click.pass_obj
def purge(stack: Stack) -> None:
    """Stop the stack and delete its data."""
    stack.purge()


@main.command()
@click.pass_obj
def status(stack: Stack) -> None:
    """Show every process; fails when one is not running."""
    lines = stack.status()
    if not lines:
        stack.terminal.say("The stack is down; `make up` starts it.")
        sys.exit(1)
    stack.terminal.processes(lines)
    if any(line.state != "RUNNING" for line in lines):
        sys.exit(1)


@main.command()
@click.pass_obj
def audit(stack: Stack) -> None:
    """Ask the shop for proof: every rule, and what breaks it; fails when one is broken."""
    if not stack.status():
        stack.terminal.say("The stack is down; `make up` starts it.")
        sys.exit(1)
    with stack.terminal.step("Comparing orders, stock, ledger and events"):
        checks = ask_audit(
            stack.environments.gateway_url, ADMIN_USERNAME, stack.keyring.admin_password
        )
    stack.terminal.checks(checks)
    if not all(check["ok"] for check in checks):
        sys.exit(1)


@main.command()
@click.option("--apply", is_flag=True, help="Do it; else only say what would be done.")
@click.pass_obj
def repair(stack: Stack, *, apply: bool) -> None:
    """Repair what the audit finds broken and other records prove; fails when anything is left."""
    if not stack.status():
        stack.terminal.say("The stack is down; `make up` starts it.")
        sys.exit(1)
    if not repair_services(stack.environments, apply=apply):
        sys.exit(1)


@main.command()
@click.option("--buyers", type=click.IntRange(1, 100_000), envvar="BUYERS", default=200)
@click.option("--units", type=click.IntRange(1, 100_000), envvar="UNITS", default=100)
@click.pass_obj
def drill(stack: Stack, *, buyers: int, units: int) -> None:
    """Hold a flash sale, kill processes in the middle, and prove that nothing went wrong."""
    if not stack.status():
        stack.terminal.say("The stack is down; `make up` starts it.")
        sys.exit(1)
    proof = Drill(stack, buyers=buyers, units=units).run()
    show_proof(proof, stack.terminal.console)
    stack.terminal.checks(proof.broken)
    if not proof.holds:
        sys.exit(1)


@main.command()
@click.option("--follow", "-f", is_flag=True, help="Go on showing what is written.")
@click.argument("process", required=False)
@click.pass_obj
def logs(stack: Stack, process: str | None, *, follow: bool) -> None:
    """Show the end of all logs, or of one process's."""
    sys.exit(stack_logs.show(stack.directory / "logs", process, follow=follow))


if __name__ == "__main__":
    main()
