# SPDX-License-Identifier: Apache-2.0
"""One program per service, several roles: ``python -m catalog web``, ``worker``, ``migrate``."""

import os
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click

from common.logs import configure_logs
from common.settings import ServiceSettings


def service_roles(
    service: str, settings: type[ServiceSettings], worker: Callable[[], None]
) -> click.Group:
    """The commands that every service has; a service adds its own to the group."""

    @click.group(help=f"Souk's {service} service.")
    def group() -> None:
        """Each role is a process of its own."""

    @group.command(help="Answer HTTP requests.")
    def web() -> None:
        config = settings.load()
        # Metrics of several gunicorn processes meet in files of a private directory.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=f"souk-{service}-")
        os.execv(  # noqa: S606 - gunicorn takes this process's place and its signals
            sys.executable,
            [
                *(sys.executable, "-m", "gunicorn", "--config", "python:common.gunicorn"),
                *("--bind", f"{config.http_host}:{config.http_port}"),
                *("--workers", str(config.web_workers), "--threads", str(config.web_threads)),
                f"{service}.app:create_app()",
            ],
        )

    @group.command("worker", help="Relay and consume events, and do what is due.")
    def run_worker() -> None:
        worker()

    @group.command(help="Bring the schema up to date.")
    def migrate() -> None:
        from common.migrations import migrate_to_head  # noqa: PLC0415 - Alembic only where it works

        config = settings.load()
        configure_logs(service, config.log_level)
        migrate_to_head(config.database_url.get_secret_value(), migrations_of(service))

    return group


def migrations_of(service: str) -> Path:
    """Where a service's migrations lie: beside ``src`` in a checkout, inside it when installed."""
    package = Path(str(import_module(service).__file__)).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parents[1] / "migrations"
