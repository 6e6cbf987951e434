# SPDX-License-Identifier: Apache-2.0
"""Every process of the stack, as supervisord is told about it."""

import sys
from collections.abc import Mapping

from souk_local.environments import Environments
from souk_local.executables import executable
from souk_local.keyring import SERVICES
from souk_local.processes import environment_of
from souk_local.servers import Epmd, MariaDB, RabbitMQ, Redis, Server
from souk_local.supervision import Program

SHIPPER = "shipper"
WEBS = tuple(f"{service}-web" for service in SERVICES)
WORKERS = (*(f"{service}-worker" for service in SERVICES), SHIPPER)
STOPPED_LAST = {Epmd.name, MariaDB.name, RabbitMQ.name, Redis.name}


def servers_of(environments: Environments) -> list[Server]:
    broker = environments.rabbitmq
    return [broker.epmd, broker, environments.mariadb, environments.redis, environments.nginx]


def programs_of(environments: Environments) -> list[Program]:
    """All programs: the servers, each service's web and worker, and the shipper."""
    settings = {service: environments.service(service) for service in SERVICES}
    services = [
        program
        for service, its in settings.items()
        for program in (
            _python(f"{service}-web", [service, "web", *_told_to_gunicorn(its)], its),
            _python(f"{service}-worker", [service, "worker"], its),
        )
    ]
    shipper = _python(SHIPPER, [SHIPPER, "worker"], environments.shipper())
    return [*map(_server, servers_of(environments)), *services, shipper]


def _told_to_gunicorn(settings: Mapping[str, str]) -> list[str]:
    """What its leader would else load and read all settings for."""
    return [
        f"--bind={settings['HTTP_HOST']}:{settings['HTTP_PORT']}",
        f"--workers={settings['WEB_WORKERS']}",
        f"--threads={settings['WEB_THREADS']}",
    ]


def _python(name: str, module: list[str], environment: dict[str, str]) -> Program:
    return Program(
        name=name,
        command=[sys.executable, "-P", "-m", *module],
        environment=environment,
        stops_as_group=True,
    )


def _server(server: Server) -> Program:
    program, *arguments = server.command()
    return Program(
        name=server.name,
        command=[executable(program), *arguments],
        environment=environment_of(server),
        stop_signal=server.stop_signal,
        stop_seconds=server.stop_seconds,
    )
