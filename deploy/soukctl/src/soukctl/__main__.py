# SPDX-License-Identifier: Apache-2.0
"""``soukctl``: what operators do to a running shop; wiring only."""

from pathlib import Path

import click
from sqlalchemy.exc import ArgumentError, DBAPIError

from common.amqp import BrokerUnavailable, TopologyConflict
from common.logs import configure_logs
from common.migrations import MigrationBusy
from common.problems import Problem
from soukctl.audit import audit
from soukctl.backup import backup
from soukctl.config import Config, SettingsMissing
from soukctl.create_admin import create_admin
from soukctl.databases import words_of
from soukctl.db import db
from soukctl.dead_letters import dead_letters
from soukctl.demo import DemoRefused
from soukctl.doctor import doctor
from soukctl.events import events
from soukctl.keys import keys
from soukctl.orders import orders
from soukctl.products import products
from soukctl.restore import restore
from soukctl.seed import seed
from soukctl.shop import Refused

SAID_CLEARLY = (
    ArgumentError,
    BrokerUnavailable,
    DBAPIError,
    DemoRefused,
    MigrationBusy,
    OSError,
    Problem,
    Refused,
    TopologyConflict,
)


class _ClearErrors(click.Group):
    """Says what went wrong in one sentence, and leaves with 1; what was asked wrongly, with 2."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except SettingsMissing as error:
            raise click.UsageError(str(error), ctx) from error
        except BrokenPipeError:
            raise  # click ends silently: `soukctl events tail | head` is no fault
        except SAID_CLEARLY as error:
            raise click.ClickException(_sentence(error)) from error


def _sentence(error: Exception) -> str:
    if isinstance(error, DBAPIError):
        return f"The database refused: {words_of(error)}"
    if isinstance(error, MigrationBusy):
        return f"Somebody else has been migrating {error} for too long."
    return str(error) or type(error).__name__


def _local_stack() -> Path | None:
    """The file that ``make up`` writes, for who stands in the checkout."""
    path = Path(".run/operator.env")
    return path if path.is_file() else None


@click.group(cls=_ClearErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--env-file",
    type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path),
    envvar="SOUKCTL_ENV_FILE",
    default=_local_stack,
    help="A file of settings, NAME=value; the environment goes before it. "
    "[default: $SOUKCTL_ENV_FILE, else .run/operator.env where there is one]",
)
@click.pass_context
def main(context: click.Context, *, env_file: Path | None) -> None:
    """Operate a Souk shop.

    What a command needs to know comes from the environment or a file of it, never from the command
    line. Leaves with 0 when all is well, 1 when something is wrong, 2 when it was asked wrongly.
    """
    # What goes wrong is said here in a sentence; a log among the results would break programs.
    configure_logs("soukctl", "critical")
    try:
        context.obj = Config.load(env_file=env_file)
    except SystemExit as wrong:
        raise click.UsageError(str(wrong.code), context) from wrong


for command in (
    *(audit, backup, create_admin, db, dead_letters, doctor, events, keys, orders, products),
    *(restore, seed),
):
    main.add_command(command)


if __name__ == "__main__":
    main()
