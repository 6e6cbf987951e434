# SPDX-License-Identifier: Apache-2.0
"""The private servers of one stack: each knows its files, its command line and when it is ready."""

from souk_local.servers.epmd import Epmd
from souk_local.servers.mariadb import MariaDB, Schema
from souk_local.servers.nginx import GatewayConfigurationRefused, Nginx
from souk_local.servers.rabbitmq import RabbitMQ
from souk_local.servers.redis import Redis
from souk_local.servers.server import Server, ServerNotReady

__all__ = [
    "Epmd",
    "GatewayConfigurationRefused",
    "MariaDB",
    "Nginx",
    "RabbitMQ",
    "Redis",
    "Schema",
    "Server",
    "ServerNotReady",
]
