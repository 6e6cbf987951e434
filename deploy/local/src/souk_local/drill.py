# SPDX-License-Identifier: Apache-2.0
"""A flash sale to watch: many buyers, few units, kills in between, and a proof at the end."""

import contextlib
import http.client
import os
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from souk_local.environments import ADMIN_USERNAME
from souk_local.stack import Stack
from soukctl.audit import ask as ask_audit
from soukctl.gateway import Answer, GatewayClient
from soukctl.shop import Refused

KILLS = ((0.15, "catalog-web"), (0.4, "orders-web"), (0.65, "rabbitmq"))
"""Who dies when so many of the buyers have come."""

CROWD = 20
PACE_SECONDS = 0.015
"""Between two buyers who come: slow enough to watch."""

RETRY_SECONDS = 0.3
ANSWER_SECONDS = 10.0
VERDICT_SECONDS = 120
READY_SECONDS = 120
SETTLED_SECONDS = 60
POLL_SECONDS = 0.1
NO_VERDICT = {
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class DrillRefused(Exception):
    """The drill could not be held; the message says why."""


@dataclass(frozen=True)
class Guest:
    """A throw-away customer."""

    client: GatewayClient

    @classmethod
    def arrive(cls, url: str) -> "Guest":
        """Come in as a guest of the online store, whom nobody sends mails.

        Raises:
            DrillRefused: the shop lets nobody in.
        """
        answer = GatewayClient(url).post(
            "/customer/add", {"username": f"drill-{secrets.token_hex(8)}"}
        )
        if answer.status != HTTPStatus.CREATED:
            raise DrillRefused(f"A guest was refused: {answer.status} {answer.body}")
        return cls(GatewayClient(url, answer.body["access_token"], ANSWER_SECONDS))

    def leave(self) -> None:
        self.client.delete("/v1/users/me")


@dataclass
class Tally:
    """What the buyers were told so far.

    Attributes:
        sold: Each accepted order with its buyer.
        odd: Answers that are neither a yes nor a no, and wishes without any.
    """

    sold: deque[tuple[Guest, str]] = field(default_factory=deque)
    refused: deque[Guest] = field(default_factory=deque)
    odd: deque[str] = field(default_factory=deque)
    retried: deque[Guest] = field(default_factory=deque)

    @property
    def settled(self) -> int:
        return len(self.sold) + len(self.refused) + len(self.odd)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What came of a drill.

    Attributes:
        total: Units that the shop itself says it has sold.
        oversold: Units sold beyond those there were.
        lost: Orders that a buyer was told of and that do not stand.
        unclaimed: Units sold to nobody that was told of it: an order that happened twice.
        odd: Wishes without a yes or a no.
        checks: The audit's rules.
    """

    wanted: int
    units: int
    sold: int
    refused: int
    odd: tuple[str, ...]
    retried: int
    killed: tuple[str, ...]
    total: int
    lost: int
    checks: list[dict[str, Any]]

    @property
    def is_exact(self) -> bool:
        """Whether all that could be sold was sold, and nothing else."""
        return self.sold == self.total == min(self.wanted, self.units)

    @property
    def oversold(self) -> int:
        return max(0, self.total - self.units)

    @property
    def unclaimed(self) -> int:
        return max(0, self.total - self.sold)

    @property
    def broken(self) -> list[dict[str, Any]]:
        return [check for check in self.checks if not check["ok"]]

    @property
    def holds(self) -> bool:
        """Whether everything is as it must be."""
        faults = (self.oversold, self.unclaimed, self.lost, self.odd, self.broken)
        return self.is_exact and not any(faults)


class Drill:
    """One flash sale on a running stack.

    Args:
        buyers: Each wants one unit.
    """

    def __init__(self, stack: Stack, *, buyers: int, units: int) -> None:
        self._stack = stack
        self._buyers = buyers
        self._units = units
        self._url = stack.environments.gateway_url
        self._tally = Tally()
        self._killed: list[str] = []
        self._closed = threading.Event()

    def run(self) -> Proof:
        """Hold the sale. The product and the buyers are gone afterwards, whatever happens.

        Raises:
            DrillRefused: the shop did not let it begin, or did not come back.
        """
        terminal = self._stack.terminal
        with self._shop_is_needed(), self._product() as product, self._guests() as guests:
            self._sale(guests, product)
            with terminal.step("Waiting until the stack is whole again"):
                self._wait_until_ready()
            with terminal.step("Letting those who were refused ask for what came back"):
                self._serve_again(product)
            with terminal.step("Comparing what was told with what the shop knows"):
                return self._proof(product)

    def _sale(self, guests: list[Guest], product: int) -> None:
        with ThreadPoolExecutor(CROWD) as pool, _progress(self._stack.terminal.console) as progress:
            task = progress.add_task("", total=len(guests), told=self._told())

            def show() -> None:
                progress.update(task, completed=self._tally.settled, told=self._told())

            try:
                buyers = self._let_in(guests, product, pool, progress, show)
                while wait(buyers, timeout=POLL_SECONDS).not_done:
                    show()
                for buyer in buyers:
                    buyer.result()
                show()
            except BaseException:
                # When somebody interrupts, nobody asks again.
                self._closed.set()
                raise

    def _let_in(
        self,
        guests: list[Guest],
        product: int,
        pool: ThreadPoolExecutor,
        progress: Progress,
        show: Callable[[], None],
    ) -> list[Future[None]]:
        """Let the guests in one by one, as many as there is room for, and kill in between."""
        kills, room, buyers = deque(KILLS), threading.Semaphore(CROWD), []
        for number, guest in enumerate(guests):
            # Those who are in are being served at this moment.
            while kills and number >= kills[0][0] * len(guests):
                self._kill(kills.popleft()[1], progress)
            while not room.acquire(timeout=POLL_SECONDS):
                show()
            buyer = pool.submit(self._buy, guest, product)
            buyer.add_done_callback(lambda _: room.release())
            buyers.append(buyer)
            self._closed.wait(PACE_SECONDS)
        return buyers

    def _told(self) -> str:
        tally = self._tally
        return (
            f"[green]{len(tally.sold)} sold[/green] · {len(tally.refused)} refused · "
            f"[yellow]{len(tally.retried)} asked again[/yellow] · "
            f"[red]{len(self._killed)} killed[/red]"
        )

    def _kill(self, program: str, progress: Progress) -> None:
        pids = [one.pid for one in self._stack.supervisor.statuses() if one.name == program]
        for pid in filter(None, pids):
            # supervisord makes each program the leader of a process group, and starts it again.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._killed.append(program)
        progress.console.print(f"  [red]kill -9[/red] {program}")

    def _buy(self, guest: Guest, product: int) -> None:
        key = secrets.token_hex(16)
        deadline = time.monotonic() + VERDICT_SECONDS
        while (answer := _order(guest, product, key)) is None:
            self._tally.retried.append(guest)
            if self._closed.wait(RETRY_SECONDS) or time.monotonic() > deadline:
                self._tally.odd.append("no answer")
                return
        match answer.status, answer.body:
            case HTTPStatus.CREATED, {"id": order_id}:
                self._tally.sold.append((guest, order_id))
            case HTTPStatus.CONFLICT, {"code": "insufficient_stock"}:
                self._tally.refused.append(guest)
            case _:
                self._tally.odd.append(f"{answer.status} {answer.body}")

    def _serve_again(self, product: int) -> None:
        """Sell what orders that a kill interrupted had held, and gave back after others came."""
        deadline = time.monotonic() + SETTLED_SECONDS
        tally = self._tally
        most = min(self._buyers, self._units)
        while len(tally.sold) < most and tally.refused and time.monotonic() < deadline:
            self._buy(tally.refused.popleft(), product)

    def _proof(self, product: int) -> Proof:
        tally = self._tally
        total = _asked(self._admin(), f"/v1/orders/products/{product}/total")
        return Proof(
            wanted=self._buyers,
            units=self._units,
            sold=len({order_id for _, order_id in tally.sold}),
            refused=len(tally.refused),
            odd=tuple(tally.odd),
            retried=len(tally.retried),
            killed=tuple(self._killed),
            total=total.body["total_quantity"],
            lost=sum(not _stands(guest, order_id) for guest, order_id in tally.sold),
            checks=self._checks(),
        )

    def _checks(self) -> list[dict[str, Any]]:
        """The audit's word once the last news has arrived; what is broken for long is broken."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while True:
            is_late = time.monotonic() > deadline
            try:
                checks = ask_audit(self._url, ADMIN_USERNAME, self._stack.keyring.admin_password)
            except Refused:
                # Who has just got up may need a moment.
                if is_late:
                    raise
                time.sleep(RETRY_SECONDS)
                continue
            if is_late or all(check["ok"] for check in checks):
                return checks

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        gateway = GatewayClient(self._url)
        while not (self._stack.supervisor.all_running() and gateway.is_ready()):
            if time.monotonic() > deadline:
                raise DrillRefused(f"The stack does not recover: {gateway.readiness().body}")
            time.sleep(POLL_SECONDS)

    @contextmanager
    def _shop_is_needed(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise DrillRefused(f"The shop does not answer: {error}") from error

    def _admin(self) -> GatewayClient:
        client = GatewayClient(self._url)
        return client.logged_in(ADMIN_USERNAME, self._stack.keyring.admin_password)

    @contextmanager
    def _product(self) -> Iterator[int]:
        name = f"Drill lamp {secrets.token_hex(4)}"
        wanted = {"name": name, "price": "10.00", "quantity": self._units}
        made = self._admin().post("/v1/products", wanted)
        if made.status != HTTPStatus.CREATED:
            raise DrillRefused(f"The product was refused: {made.status} {made.body}")
        try:
            yield made.body["id"]
        finally:
            self._wait_until_ready()
            # A long drill outlives a token.
            self._admin().delete(f"/v1/products/{made.body['id']}")

    @contextmanager
    def _guests(self) -> Iterator[list[Guest]]:
        with ThreadPoolExecutor(CROWD) as pool:
            with self._stack.terminal.step(f"Letting {self._buyers} buyers in"):
                urls = [self._url] * self._buyers
                guests = list(pool.map(Guest.arrive, urls))
            try:
                yield guests
            finally:
                self._wait_until_ready()
                list(pool.map(Guest.leave, guests))


def show(proof: Proof, console: Console) -> None:
    """The proof for people."""
    rows: list[tuple[str, object, bool]] = [
        ("wanted", proof.wanted, True),
        ("there were", proof.units, True),
        ("sold", proof.sold, proof.is_exact),
        ("refused", proof.refused, True),
        ("asked again", proof.retried, True),
        ("killed", ", ".join(proof.killed) or "nobody", True),
        ("oversold", proof.oversold, not proof.oversold),
        ("acknowledged orders lost", proof.lost, not proof.lost),
        ("orders that nobody was told of", proof.unclaimed, not proof.unclaimed),
        ("without a yes or a no", len(proof.odd), not proof.odd),
        ("invariants", "broken" if proof.broken else "ok", not proof.broken),
    ]
    for name, value, is_good in rows:
        mark = "[green]✓[/green]" if is_good else "[red]✗[/red]"
        console.print(f"{mark} {name:<31}{value}")


def _order(guest: Guest, product: int, key: str) -> Answer | None:
    """One try; None is no verdict, so the same key may ask again."""
    wish = {"items": [{"product": product, "quantity": 1}]}
    try:
        answer = guest.client.post("/v1/orders", wish, Idempotency_Key=key)
    except (OSError, http.client.HTTPException):
        return None
    is_being_placed = isinstance(answer.body, dict) and answer.body.get("code") == "in_progress"
    return None if answer.status in NO_VERDICT or is_being_placed else answer


def _asked(client: GatewayClient, path: str) -> Answer:
    """The verdict on a question; who has just got up may need a moment for it.

    Raises:
        DrillRefused: there is none.
    """
    deadline = time.monotonic() + VERDICT_SECONDS
    while (answer := client.get(path)).status in NO_VERDICT:
        if time.monotonic() > deadline:
            raise DrillRefused(f"{path} has no answer: {answer.status} {answer.body}")
        time.sleep(RETRY_SECONDS)
    return answer


def _stands(guest: Guest, order_id: str) -> bool:
    answer = _asked(guest.client, f"/v1/orders/{order_id}")
    return answer.status == HTTPStatus.OK and answer.body["status"] == "confirmed"


def _progress(console: Console) -> Progress:
    return Progress(
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        console=console,
    )
