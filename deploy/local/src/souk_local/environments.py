# SPDX-License-Identifier: Apache-2.0
"""The environment of every process: the one place where ports and secrets become settings."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from souk_local.keyring import GATEWAY, SERVICES, Keyring
from souk_local.ports import Ports
from souk_local.servers import MariaDB, Nginx, RabbitMQ, Redis, Schema
from souk_local.servers.server import LOOPBACK

ADMIN_USERNAME = "admin"
ADMIN_EMAIL = "admin@souk.example"
OPERATOR = "operator"
"""The broker's user of ``soukctl``."""
TOKEN_NAMES = {"TOKEN_ISSUER": "souk", "TOKEN_AUDIENCE": "souk"}
RATE_LIMIT_FACTOR = "1000"
FRUGAL = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "1048576"}
"""Threads share two heaps, and what hashing a password took goes back at once."""
SCALED = {"catalog", "orders"}
"""The services that a flash sale meets; the others answer from one web process."""
WEB_THREADS = {"catalog": "16", "orders": "64"}
"""Who waits for a thread shares nothing; the others have eight."""


@dataclass(frozen=True)
class Environments:
    """What each process of a stack is told, from its directory, its ports and its secrets."""

    directory: Path
    ports: Ports
    keyring: Keyring
    gateway: Path
    web_workers: int = 1
    open_store: bool = False
    traces: str | None = None

    @cached_property
    def mariadb(self) -> MariaDB:
        return MariaDB(
            directory=self.directory / "mariadb",
            port=self.ports.mariadb,
            root_password=self.keyring.database_root,
        )

    @cached_property
    def rabbitmq(self) -> RabbitMQ:
        return RabbitMQ(
            directory=self.directory / "rabbitmq",
            port=self.ports.rabbitmq,
            distribution_port=self.ports.rabbitmq_distribution,
            epmd_port=self.ports.epmd,
            passwords=self.keyring.broker,
            administrators={OPERATOR: self.keyring.broker_operator},
        )

    @cached_property
    def redis(self) -> Redis:
        return Redis(
            directory=self.directory / "redis",
            port=self.ports.redis,
            password=self.keyring.redis,
        )

    @cached_property
    def nginx(self) -> Nginx:
        upstreams = {
            f"{service.upper()}_UPSTREAM": f"{LOOPBACK}:{self._port(service)}"
            for service in SERVICES
        }
        return Nginx(
            directory=self.directory / "gateway",
            port=self.ports.gateway,
            gateway=self.gateway,
            logs=self.directory / "logs" / "nginx",
            settings={
                **upstreams,
                **TOKEN_NAMES,
                "RATE_LIMIT_FACTOR": RATE_LIMIT_FACTOR,
                "WORKER_PROCESSES": "2",
            },
        )

    @property
    def gateway_url(self) -> str:
        return f"http://{LOOPBACK}:{self.ports.gateway}"

    def address(self, program: str) -> str:
        """Where a service's web process or worker, or the shipper, is asked how it is."""
        port = getattr(self.ports, program.removesuffix("-web").replace("-", "_"))
        return f"http://{LOOPBACK}:{port}"

    def schemas(self) -> list[Schema]:
        return [Schema(name, password) for name, password in self.keyring.database.items()]

    def service(self, service: str) -> dict[str, str]:
        """The settings of a service's processes; no other service's secret is among them."""
        return {
            **self._everywhere(service, getattr(self.ports, f"{service}_worker")),
            "DATABASE_URL": self.mariadb.url(Schema(service, self.keyring.database[service])),
            "REDIS_URL": self.redis.url,
            "HTTP_HOST": LOOPBACK,
            "HTTP_PORT": str(self._port(service)),
            "WEB_WORKERS": str(self.web_workers if service in SCALED else 1),
            "WEB_THREADS": WEB_THREADS.get(service, "8"),
            "JWKS_URL": f"{self._url('auth')}/.well-known/jwks.json",
            "AUTH_URL": self._url("auth"),
            "CATALOG_URL": self._url("catalog"),
            "ORDERS_URL": self._url("orders"),
            "NOTIFIER_URL": self._url("notifier"),
            **TOKEN_NAMES,
            "SERVICE_TOKEN_KEY": self.keyring.service_token,
            "SECRET_KEY": self.keyring.signing[service],
            "RATE_LIMIT_FACTOR": RATE_LIMIT_FACTOR,
            "CURRENCY": "USD",
            "OPEN_STORE": str(self.open_store).lower(),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.traces or "",
            **self._own(service),
        }

    def shipper(self) -> dict[str, str]:
        return {
            **self._everywhere(GATEWAY, self.ports.shipper),
            "VIEW_LOG": str(self.nginx.view_log),
            "VIEW_LOG_KEY": self.keyring.view_log,
            "VIEW_OFFSET": str(self.nginx.directory / "views.offset"),
        }

    def admin(self) -> dict[str, str]:
        """What ``create-admin`` needs beside auth's own settings."""
        return {
            **self.service("auth"),
            "ADMIN_USERNAME": ADMIN_USERNAME,
            "ADMIN_EMAIL": ADMIN_EMAIL,
            "ADMIN_PASSWORD": self.keyring.admin_password,
        }

    def _everywhere(self, broker_user: str, worker_port: int) -> dict[str, str]:
        return {
            "AMQP_URL": self.rabbitmq.url(broker_user),
            "WORKER_HOST": LOOPBACK,
            "WORKER_PORT": str(worker_port),
            "LOG_LEVEL": "info",
            "PYTHONUNBUFFERED": "1",
            **FRUGAL,
        }

    def _own(self, service: str) -> dict[str, str]:
        if service == "auth":
            return {"JWT_PRIVATE_KEY_FILE": str(Keyring.private_key_file(self.directory))}
        if service == "notifier":
            return {
                "MAIL_BACKEND": "file",
                "MAIL_DIR": str(self.directory / "mail"),
                "EMAIL_SOURCE": "shop@souk.example",
                "MAIL_PER_SECOND": "1000",  # files, and no provider whose quota they could pass
            }
        return {}

    def _port(self, service: str) -> int:
        return int(getattr(self.ports, service))

    def _url(self, service: str) -> str:
        return f"http://{LOOPBACK}:{self._port(service)}"
