# SPDX-License-Identifier: Apache-2.0
"""One round: a full shop, faults for a while, recovery, and the verdict."""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from random import Random
from threading import Event

from chaos.browser import Browser
from chaos.clients import Person
from chaos.faults import Fault, Saboteur
from chaos.observation import Stage, is_quiet, observe
from chaos.verdict import Evidence, faults_in
from chaos.wires import Loss, WiredStack

from common.testing import eventually
from soukctl.shop import Refused
from support.history import FAIL, OK, History
from support.shop import Person as Account
from support.shop import Shop

UNITS = (20, 200, 1500)
"""The first is sold out early, the last never: the one who comes last buys the rest of it."""
FIRST_PRICE = 1000
BUYERS, CARTS = 6, 2
SETTLED_SECONDS = 150
"""A killed notifier's mails wait a minute until another one may take them."""


@dataclass
class Round:
    """A round on a stack.

    Attributes:
        second_admin: Who hears of new prices beside the stack's own admin.
    """

    stack: WiredStack
    shop: Shop
    second_admin: Account
    chances: Random
    history: History = field(default_factory=History)

    def run(self, faults: Iterable[Fault | Loss], seconds: float) -> list[str]:
        """Let *faults* happen for so many seconds; returns everything that must not be."""
        self._admin = self.shop.admin()
        self._accounts = [self.shop.sign_up("chaos") for _ in range(BUYERS + CARTS + 1)]
        stage = self._stage()
        self.saboteur = Saboteur(self.stack, self.chances)
        with self._load(stage):
            self._sabotage(faults, seconds)
        return self._buy_the_rest(stage) + self._verdict(stage)

    def _sabotage(self, faults: Iterable[Fault | Loss], seconds: float) -> None:
        """Let faults happen for so long, and of enough kinds; leave a stack that works."""
        deadline = time.monotonic() + seconds
        try:
            for fault in faults:
                self.saboteur.commit(fault)
                if time.monotonic() > deadline and self.saboteur.has_done_enough():
                    break
        finally:
            self.saboteur.wait_until_ready()

    def _stage(self) -> Stage:
        products = {}
        began_at = time.time()
        for units in UNITS:
            name = f"Chaos lamp {secrets.token_hex(4)}"
            made = self.shop.product(self._admin, name, price="10.00", quantity=units)
            products[made["id"]] = units
        me = self._admin.get("/v1/users/me").json()["email"]
        other = self._admin.get(f"/v1/users/{self.second_admin.id}").json()["email"]
        return Stage(
            units=products,
            prices=dict.fromkeys(products, FIRST_PRICE),
            customers=tuple(account.id for account in self._accounts),
            admins=(me, other),
            began_at=began_at,
        )

    @contextmanager
    def _load(self, stage: Stage) -> Iterator[None]:
        done = Event()
        people = [self._person(account, stage, done) for account in self._accounts[:-1]]
        eyes = (self.shop.visitor(), self._accounts[0])
        viewers = [self._person(account, stage, done) for account in eyes]
        admin = self._person(self._admin, stage, done)
        with ThreadPoolExecutor(len(people) + len(viewers) + 1) as pool:
            running = [
                *(pool.submit(_work, person, Person.buys) for person in people[:BUYERS]),
                *(pool.submit(_work, person, Person.fills_carts) for person in people[BUYERS:]),
                *(pool.submit(_work, person, Person.looks) for person in viewers),
                pool.submit(_work, admin, lambda one: one.changes_prices(FIRST_PRICE)),
            ]
            try:
                yield
            finally:
                done.set()
        for future in running:
            future.result()

    def _person(self, account: Account, stage: Stage, done: Event) -> Person:
        return Person(
            browser=Browser(self.shop.url, account.token),
            user_id=account.id,
            products=tuple(stage.units),
            chances=Random(self.chances.random()),
            history=self.history,
            done=done,
        )

    def _buy_the_rest(self, stage: Stage) -> list[str]:
        """Buy what is left of everything, to the last unit: what can't be bought is lost stock."""
        eventually(lambda: is_quiet(self.stack), seconds=60, what="quiet before the last sale")
        admin, buyer = (
            self._person(account, stage, Event()) for account in (self._admin, self._accounts[-1])
        )
        faults = []
        with closing(admin.browser), closing(buyer.browser):
            for product in stage.units:
                # Around the cache: an admin sees the page as it is now.
                shown = admin.look(product, {})
                assert shown is not None, "nothing is hurt any more, and nobody answers"
                left = shown.body["available"]
                if left and buyer.order({product: left}, has_cart=False).outcome != OK:
                    faults.append(f"the last {left} units of product {product} can't be bought")
                if buyer.order({product: 1}, has_cart=False).outcome != FAIL:
                    faults.append(f"product {product} is sold beyond its last unit")
        return faults

    def _verdict(self, stage: Stage) -> list[str]:
        """The verdict once nothing moves any more; what is still wrong then is wrong."""
        eventually(lambda: is_quiet(self.stack), seconds=SETTLED_SECONDS, what="quiet")
        deadline = time.monotonic() + SETTLED_SECONDS
        pause = Event()
        while (faults := self._look(stage)) and time.monotonic() < deadline:
            pause.wait(1)
        return faults

    def _look(self, stage: Stage) -> list[str]:
        try:
            shop = observe(self.stack, stage)
        except Refused as refusal:
            return [str(refusal)]
        return faults_in(
            Evidence(
                stage=stage,
                history=self.history,
                shop=shop,
                gateway_kills=self.saboteur.moments_of("gateway"),
            )
        )


def _work(person: Person, task: Callable[[Person], None]) -> None:
    with closing(person.browser):
        task(person)
