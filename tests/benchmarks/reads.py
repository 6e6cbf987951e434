# SPDX-License-Identifier: Apache-2.0
"""Product pages: from the gateway's cache, from catalog's, and from the database."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import requests

from benchmarks.benchmark import Benchmark, Ratio, Sides
from benchmarks.gateways import Unwatched, files, gateway
from benchmarks.ground import Ground
from benchmarks.load import Load, gets, posts
from benchmarks.shelves import clear_away, stock_up
from common.testing import eventually
from souk_local.ports import free_ports
from souk_local.stack import Stack
from support.databases import schema_of
from support.shop import PASSWORD

CLIENTS = 16
SHOPPERS = 4
FLOOD_CLIENTS = 16
SECONDS = 1
MANY = 20_000
"""So many pages that catalog is hardly ever asked for one of them twice in a second."""
SOME = 1000
PAGE, FILE = "/v1/products", "/page.json"
ACCEPT = {"Accept": "*/*"}
"""As every client says but wrk: the gateway's cache answers nobody who takes no JSON."""
TESTS = Path(__file__).parents[1]


class Rounds:
    """Rounds of GETs, and what went wrong in any of them."""

    def __init__(self) -> None:
        self._odd: Counter[str] = Counter()

    def play(self, get: Callable[[], Load]) -> Load:
        load = get()
        self._odd.update(load.odd)
        return load

    def rate(self, url: str, paths: Sequence[str], **asked: object) -> Callable[[], float]:
        """A round that tells how many pages a second came."""
        get: Callable[[], Load] = partial(
            gets,
            url,
            paths,
            **({"clients": CLIENTS, "seconds": SECONDS, "headers": ACCEPT} | asked),
        )
        return lambda: self.play(get).rate

    def fault(self) -> str | None:
        return ", ".join(f"{count} × {what}" for what, count in self._odd.items()) or None


@contextmanager
def _products(stack: Stack, count: int) -> Iterator[list[str]]:
    """The paths of so many products' pages."""
    with schema_of(stack, "catalog") as catalog:
        made = stock_up(catalog, count)
        try:
            yield [f"{PAGE}/{number}" for number in made]
        finally:
            clear_away(catalog)


@contextmanager
def _page_and_file(ground: Ground, **asked: object) -> Iterator[Sides]:
    """One page through the gateway, and the same bytes as a file."""
    with _products(ground.stack, 1) as pages, gateway(ground.stack) as url:
        page = requests.get(url + pages[0], timeout=10)
        if asked.pop("known", False):
            asked["headers"] = ACCEPT | {"If-None-Match": page.headers["ETag"]}
        if asked.pop("signed_in", False):
            asked["token"] = ground.buyers()[0].token
        rounds = Rounds()
        with files(page.content) as beside:
            yield Sides(
                {
                    "the gateway": rounds.rate(url, pages, **asked),
                    "a file": rounds.rate(beside, [FILE]),
                },
                rounds.fault,
            )


@contextmanager
def past_the_gateway(ground: Ground) -> Iterator[Sides]:
    """Catalog's own process, and one with the same settings that greets and has a naive page."""
    environment = ground.stack.environments.service("catalog")
    url = f"http://127.0.0.1:{environment['HTTP_PORT']}"
    rounds = Rounds()
    with _products(ground.stack, MANY) as pages, _naive(environment) as naive:
        yield Sides(
            {
                "from the database": rounds.rate(url, pages),
                "hot": rounds.rate(url, pages[:1]),
                "hello": rounds.rate(naive, ["/hello"]),
                "naive": rounds.rate(naive, pages),
            },
            rounds.fault,
        )


@contextmanager
def _naive(environment: Mapping[str, str]) -> Iterator[str]:
    [port] = free_ports(1)
    command = [sys.executable, "-m", "gunicorn", "--config", "python:common.gunicorn"]
    command += ["--bind", f"127.0.0.1:{port}", "--workers", environment["WEB_WORKERS"]]
    command += ["--threads", environment["WEB_THREADS"], "benchmarks.naive:create_app()"]
    process = subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"], **environment, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: _greets(url), seconds=30, what="the greeting")
        yield url
    finally:
        process.terminate()
        process.wait()


def _greets(url: str) -> bool:
    try:
        return requests.get(f"{url}/hello", timeout=1).ok
    except requests.RequestException:
        return False


@contextmanager
def with_and_without_views(ground: Ground) -> Iterator[Sides]:
    """Two gateways, one of which writes down who looks at what."""
    rounds = Rounds()
    with (
        _products(ground.stack, 1) as pages,
        gateway(ground.stack) as watched,
        gateway(ground.stack, Unwatched) as unwatched,
    ):
        yield Sides(
            {"with": rounds.rate(watched, pages), "without": rounds.rate(unwatched, pages)},
            rounds.fault,
        )


@contextmanager
def while_many_log_in(ground: Ground) -> Iterator[Sides]:
    """A few shoppers who look at many pages, alone and beside a crowd that logs in."""
    someone, rounds = ground.buyers()[0].username, Rounds()
    with _products(ground.stack, SOME) as pages, gateway(ground.stack) as url:
        look = partial(gets, url, pages, clients=SHOPPERS, seconds=2, headers=ACCEPT)
        flood = partial(
            posts,
            url,
            "/v1/auth/login",
            body=f'{{"login": "{someone}", "password": "{PASSWORD}"}}',
            products=[0],
            clients=FLOOD_CLIENTS,
        )

        def in_the_flood() -> Mapping[str, float]:
            with ThreadPoolExecutor(1) as pool:
                crowd = pool.submit(flood)
                load = rounds.play(look)
                log_ins = crowd.result()
            return {
                "flood": load.p99_ms,
                "pages/s in the flood": load.rate,
                "log-ins/s": log_ins.odd.get("200", 0) / log_ins.seconds,
            }

        yield Sides(
            {"quiet": lambda: rounds.play(look).p99_ms, "flood": in_the_flood}, rounds.fault
        )


def _against_a_file(
    number: str, title: str, limits: tuple[float, float, float], **asked: object
) -> Benchmark:
    return Benchmark(
        id=number,
        title=title,
        prepare=lambda ground: _page_and_file(ground, **asked),
        ratios=[
            Ratio(
                title=f"{title} / the same bytes as a file from nginx, both log requests",
                unit="pages/s",
                of="the gateway",
                to="a file",
                limits=limits,
            )
        ],
    )


BENCHMARKS = (
    _against_a_file("P6", "a product page from the gateway's cache", (0.6, 0.85, 0.95)),
    _against_a_file(
        "P6b", "the same for who is signed in (ES256)", (0.15, 0.3, 0.5), signed_in=True
    ),
    _against_a_file("P6c", "a 304 of a product page", (0.6, 0.9, 1.0), known=True),
    Benchmark(
        id="P7",
        title="a product page past the gateway",
        prepare=past_the_gateway,
        ratios=[
            Ratio(
                title="read from the database / a Flask hello as JSON on the same workers",
                unit="pages/s",
                of="from the database",
                to="hello",
                limits=(0.4, 0.6, 0.8),
            ),
            Ratio(
                title="read from the database / a naive endpoint with SQLAlchemy's ORM",
                unit="pages/s",
                of="from the database",
                to="naive",
                limits=(1.5, 2.5, 4),
            ),
            Ratio(
                title="a hot page / the hello",
                unit="pages/s",
                of="hot",
                to="hello",
                limits=(0.4, 0.6, 0.8),
            ),
            Ratio(
                title="a hot page / the naive endpoint",
                unit="pages/s",
                of="hot",
                to="naive",
                limits=(1.5, 2.5, 4),
            ),
        ],
    ),
    Benchmark(
        id="P12",
        title="the cost of counting views",
        prepare=with_and_without_views,
        ratios=[
            Ratio(
                title="cached pages: with / without the view log",
                unit="pages/s",
                of="with",
                to="without",
                limits=(0.8, 0.95, 0.99),
            )
        ],
    ),
    Benchmark(
        id="P14",
        title="product pages in a flood of log-ins",
        prepare=while_many_log_in,
        ratios=[
            Ratio(
                title="p99 of uncached pages: in the flood / quiet",
                unit="ms",
                of="flood",
                to="quiet",
                limits=(4, 2, 1.3),
                lower_is_better=True,
            )
        ],
    ),
)
