# SPDX-License-Identifier: Apache-2.0
"""Load from ``wrk``: of all clients the one that takes least from the processors it shares.

Where a single client counts its own milliseconds, it is Python's.
"""

import json
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from souk_local.executables import executable
from support.shop import Person

SCRIPT = Path(__file__).with_name("load.lua")
SLACK_SECONDS = 60


@dataclass(frozen=True)
class Load:
    """What came of one round.

    Attributes:
        good: Answers as they were wanted.
        odd: What else came, by its status or in words.
    """

    seconds: float
    good: int
    odd: Mapping[str, int]
    median_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Good answers a second."""
        return self.good / self.seconds


def gets(
    url: str,
    paths: Sequence[str],
    *,
    clients: int,
    seconds: int = 2,
    token: str = "",
    headers: Mapping[str, str] | None = None,
) -> Load:
    """GET these pages, one or at random; an answer below 400 is good."""
    tokens = [f"Bearer {token}"] if token else []
    told = _wrk(url, "GET", "", (paths, tokens, ()), clients, seconds, headers or {})
    odd = {"refused": told["refused"], "without an answer": told["broken"]}
    return _load(told, told["requests"] - told["refused"], odd)


def posts(
    url: str,
    path: str,
    *,
    body: str,
    products: Sequence[int],
    tokens: Sequence[str] = ("-",),
    clients: int,
    seconds: int = 2,
) -> Load:
    """POST *body*, each time with a key of its own; only a 201 is good.

    Args:
        body: JSON in which ``PRODUCT`` stands for one of *products*, at random.
    """
    files = ([path], [f"Bearer {token}" for token in tokens], [str(each) for each in products])
    told = _wrk(url, "POST", body, files, clients, seconds, {"Content-Type": "application/json"})
    statuses: dict[str, int] = told["statuses"]
    good = statuses.pop("201", 0)
    return _load(told, good, statuses | {"without an answer": told["broken"]})


def one_by_one(
    person: Person, method: str, path: str, asked: Iterable[tuple[str, Mapping[str, str]]]
) -> Iterator[tuple[float, HTTPResponse]]:
    """Send each body with its headers when the one before was answered.

    Returns:
        For each the milliseconds that it took, and its answer, which has been read.
    """
    address = urlsplit(person.url)
    own = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/json"}
    with closing(HTTPConnection(str(address.hostname), address.port, timeout=60)) as connection:
        for body, headers in asked:
            began = time.monotonic()
            connection.request(method, path, body, own | dict(headers))
            answer = connection.getresponse()
            answer.read()
            yield 1000 * (time.monotonic() - began), answer


def _load(told: Mapping[str, Any], good: int, odd: Mapping[str, int]) -> Load:
    odd = {what: count for what, count in odd.items() if count}
    return Load(told["seconds"], good, odd, told["median_ms"], told["p99_ms"])


def _wrk(
    url: str,
    method: str,
    body: str,
    files: Sequence[Sequence[str]],
    clients: int,
    seconds: int,
    headers: Mapping[str, str],
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory:
        names = [_written(Path(directory, str(n)), lines) for n, lines in enumerate(files)]
        command = [
            executable("wrk"),
            *("--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s"),
            *("--timeout", "30s", "--script", str(SCRIPT)),
            *(word for name, value in headers.items() for word in ("--header", f"{name}: {value}")),
            url,
            *("--", method, body, *names, secrets.token_hex(6), str(secrets.randbelow(2**31))),
        ]
        limit = seconds + SLACK_SECONDS
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=limit)
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def _written(path: Path, lines: Sequence[str]) -> str:
    # In files: a token in a command line is seen by everybody on the machine.
    path.write_text("".join(f"{line}\n" for line in lines))
    return str(path)
