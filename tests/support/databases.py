# SPDX-License-Identifier: Apache-2.0
"""The stack's databases as an operator sees them: for looking, and for doing damage."""

from collections.abc import Iterator
from contextlib import contextmanager

import pymysql

from souk_local.servers import MariaDB
from souk_local.stack import Stack


@contextmanager
def schema_of(stack: Stack, service: str) -> Iterator[pymysql.cursors.Cursor]:
    """A service's schema, with every right, each statement committed at once."""
    with as_root(stack.environments.mariadb, service) as cursor:
        yield cursor


@contextmanager
def as_root(server: MariaDB, schema: str | None = None) -> Iterator[pymysql.cursors.Cursor]:
    """A whole server, likewise."""
    connection = pymysql.connect(
        host="127.0.0.1",
        port=server.port,
        user="root",
        password=server.root_password,
        database=schema,
        autocommit=True,
        ssl_disabled=True,  # making a TLS context costs far more than all that is asked here
    )
    with connection, connection.cursor() as cursor:
        yield cursor
