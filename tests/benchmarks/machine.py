# SPDX-License-Identifier: Apache-2.0
"""What the figures were measured on, without a name or a path of the machine."""

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pika
import pymysql
import redis

from benchmarks.ground import Ground
from souk_local.executables import executable

GIGABYTE = 1024 * 1024  # in the kernel's kB

DURABILITY = (
    "innodb_flush_log_at_trx_commit",
    "innodb_doublewrite",
    "innodb_flush_method",
    "log_bin",
    "sync_binlog",
    "innodb_buffer_pool_size",
)


def facts(ground: Ground) -> dict[str, str]:
    """The machine, the programs' versions, and the settings of the run's database."""
    found = {
        "processor": f"{_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(_line('/proc/meminfo', 'MemTotal').split()[0]) / GIGABYTE:.0f} GB",
        "system": f"{_line('/etc/os-release', 'PRETTY_NAME')}, Linux {platform.release()}",
        "Python": platform.python_version(),
        "Flask, gunicorn": f"{version('flask')}, {version('gunicorn')}",
        "nginx": _words(executable("nginx"), "-v"),
        "wrk": _words(executable("wrk"), "-v"),
    }
    return found | _servers(ground)


def _servers(ground: Ground) -> dict[str, str]:
    servers = ground.running
    if servers is None:
        return {}
    database, broker, cache = servers
    with redis.Redis.from_url(cache.url) as client:
        version_of_redis = client.info("server")["redis_version"]
    user = next(iter(broker.administrators))
    with pika.BlockingConnection(pika.URLParameters(broker.url(user))) as connection:
        told = connection._impl.server_properties
    return {
        "RabbitMQ": str(told["version"]),
        "Redis": version_of_redis,
        **_database(database.port, database.root_password),
    }


def _database(port: int, password: str) -> dict[str, str]:
    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", password=password)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (name,) = cursor.fetchone() or ("?",)
        names = ", ".join(f"'{name}'" for name in DURABILITY)
        cursor.execute(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
        settings = dict(cursor.fetchall())
    durability = ", ".join(f"{name}={settings[name]}" for name in DURABILITY if name in settings)
    return {"database": name, "durability of both sides": durability}


def _line(path: str, name: str) -> str:
    """What stands behind *name* in a file of ``name: value`` or ``name=value`` lines."""
    found = re.search(rf"^{name}\s*[:=]\s*\"?(.*?)\"?$", Path(path).read_text(), re.MULTILINE)
    return found[1] if found else "?"


def _words(*command: str) -> str:
    # Both of them say their version on stderr or with a non-zero status.
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = re.search(r"[0-9]+\.[0-9.]+[0-9]", done.stdout + done.stderr)
    return found[0] if found else "?"
