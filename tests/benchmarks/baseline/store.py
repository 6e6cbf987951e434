# SPDX-License-Identifier: Apache-2.0
"""A running baseline: its processes, and a schema of its own beside the shop's."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from benchmarks.baseline.app import TABLES
from common.testing import eventually
from souk_local.ports import free_ports
from souk_local.servers import MariaDB
from support.databases import as_root

SCHEMA = "baseline"
TESTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Store:
    """The seed's store; more than one process is what it was not made for."""

    urls: Sequence[str]
    database: MariaDB

    def stock_up(self, product_id: int, units: int) -> None:
        with as_root(self.database, SCHEMA) as cursor:
            cursor.execute("DELETE FROM orders WHERE product_id = %s", (product_id,))
            cursor.execute("REPLACE INTO product VALUES (%s, 'lamp', %s)", (product_id, units))

    def sold(self, product_id: int) -> int:
        """Units in all orders of a product."""
        with as_root(self.database, SCHEMA) as cursor:
            query = "SELECT COALESCE(SUM(quantity), 0) FROM orders WHERE product_id = %s"
            cursor.execute(query, (product_id,))
            (units,) = cursor.fetchone()
        return int(units)

    def is_idle(self) -> bool:
        """Whether no request has a connection open: each request has one of its own."""
        with as_root(self.database, SCHEMA) as cursor:
            cursor.execute(
                "SELECT COUNT(*) FROM information_schema.processlist"
                " WHERE db = DATABASE() AND id <> CONNECTION_ID()"
            )
            (others,) = cursor.fetchone()
        return not others


@contextmanager
def baseline(database: MariaDB, processes: int = 1) -> Iterator[Store]:
    """Run it until the end, on the shop's own database server: the durability is the same."""
    with as_root(database) as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {SCHEMA}")
        cursor.execute(f"CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {SCHEMA}")
        for table in TABLES:
            cursor.execute(table)
    running = {port: _start(database, port) for port in free_ports(processes)}
    try:
        store = Store([f"http://127.0.0.1:{port}" for port in running], database)
        for url in store.urls:
            eventually(lambda url=url: _answers(url), seconds=30, what="the baseline")
        yield store
    finally:
        for process in running.values():
            process.terminate()
            process.wait()


def _start(database: MariaDB, port: int) -> subprocess.Popen[bytes]:
    settings = {
        "PYTHONPATH": str(TESTS),
        "BASELINE_PORT": str(database.port),
        "BASELINE_PASSWORD": database.root_password,
        "BASELINE_SCHEMA": SCHEMA,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.baseline.app", str(port)],
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=1).ok
    except requests.RequestException:
        return False
