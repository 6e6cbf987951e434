# SPDX-License-Identifier: Apache-2.0
"""One program per service, several roles: ``python -m catalog web``, ``worker``, ``migrate``.

A role imports what it needs when it is called: a web process that loads the worker's modules first
only to become gunicorn starts half a second later.
"""

import gc
import os
import re
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from common.settings import ServiceSettings


def service_roles(service: str) -> click.Group:
    """The commands that every service has; a service adds its own to the group."""

    @click.group(help=f"Souk's {service} service.")
    def group() -> None:
        """Each role is a process of its own."""

    @group.command(
        help="Answer HTTP requests. Where, and with how many processes and threads, is TOLD to "
        "gunicorn in its own words (--bind, --workers, --threads); else the settings say.",
        context_settings={"ignore_unknown_options": True},
    )
    @click.argument("told", nargs=-1, type=click.UNPROCESSED)
    def web(told: tuple[str, ...]) -> None:
        # Metrics of several gunicorn processes meet in files of a private directory.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_directory(service)
        os.execv(  # noqa: S606 - gunicorn takes this process's place and its signals
            sys.executable,
            [
                *(sys.executable, "-m", "gunicorn", "--config", "python:common.gunicorn"),
                *(told or _as_set(service)),
                f"{service}.app:create_app()",
            ],
        )

    @group.command("worker", help="Relay and consume events, and do what is due.")
    def run_worker() -> None:
        import_for_good(f"{service}.worker").main()

    @group.command(help="Bring the schema up to date.")
    def migrate() -> None:
        from common.logs import configure_logs  # noqa: PLC0415
        from common.migrations import migrate_to_head  # noqa: PLC0415

        config = settings_of(service).load()
        configure_logs(service, config.log_level)
        migrate_to_head(config.database_url.get_secret_value(), migrations_of(service))

    return group


def settings_of(service: str) -> type["ServiceSettings"]:
    """What a service needs to know. To load that is most of the way to gunicorn."""
    found: type[ServiceSettings] = import_module(f"{service}.config").Config
    return found


def _as_set(service: str) -> list[str]:
    """What gunicorn is told where nobody has said it; who answers reads all settings again."""
    config = settings_of(service).load()
    return [
        f"--bind={config.http_host}:{config.http_port}",
        f"--workers={config.web_workers}",
        f"--threads={config.web_threads}",
    ]


def import_for_good(name: str) -> ModuleType:
    """Import a module, and spare the collector of garbage everything that was imported so far.

    None of it is garbage; looking for some is a tenth of a start's time, and more of a rush's.
    """
    gc.disable()
    module = import_module(name)
    gc.freeze()
    gc.enable()
    return module


def _metrics_directory(service: str) -> str:
    """A new directory that bears this process's number; those of killed processes are deleted."""
    name = re.compile(rf"souk-{service}-([0-9]+)-\w+")
    for path in Path(tempfile.gettempdir()).iterdir():
        if (found := name.fullmatch(path.name)) and not _is_somebody_elses(int(found[1])):
            shutil.rmtree(path, ignore_errors=True)
    return tempfile.mkdtemp(prefix=f"souk-{service}-{os.getpid()}-")


def _is_somebody_elses(process: int) -> bool:
    """Whether another process has this number; in a container the killed one had ours."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def migrations_of(service: str) -> Path:
    """Where a service's migrations lie: beside ``src`` in a checkout, inside it when installed."""
    package = Path(str(import_module(service).__file__)).parent
    inside = package / "migrations"
    return inside if inside.is_dir() else package.parents[1] / "migrations"
