# SPDX-License-Identifier: Apache-2.0
"""What is done to the stack's processes and its cables, in an order that a seed decides."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from threading import Event

from chaos.wires import WORDS, Loss, WiredStack, losses_of_each_kind

from common.testing import eventually
from soukctl.gateway import GatewayClient

PROGRAMS = (
    "catalog-web",
    "orders-web",
    "auth-web",
    "catalog-worker",
    "orders-worker",
    "notifier-worker",
    "analytics-worker",
    "shipper",
    "gateway",
    "redis",
    "mariadb",
    "rabbitmq",
)
WITH_CHILDREN = {"catalog-web", "orders-web", "auth-web", "gateway"}
"""Those whose leader may die alone: its children must find out by themselves, and its successor
must get along with them."""

KILLED, BEHEADED, STOPPED = "killed", "beheaded", "stopped"
FEWEST_HIT = 6
PAIRS = 4
EARLY = 4
LONGEST_STOP = 4.0
PAUSE = (0.5, 2.0)
PATIENCE = 0.5
BACK_SECONDS = 60
READY_SECONDS = 120


@dataclass(frozen=True)
class Fault:
    """Something that happens to one program, or to two at once."""

    programs: tuple[str, ...]
    how: str
    seconds: float = 0.0

    def __str__(self) -> str:
        length = f" for {self.seconds:.1f} s" if self.how == STOPPED else ""
        return f"{' + '.join(self.programs)} {self.how}{length}"


def schedule(chances: Random, first: tuple[str, ...] = ()) -> Iterator[Fault | Loss]:
    """Faults without end: every program once, in a random order and way, and some pairs.

    Lost answers come early, so that a short run has them all.

    Args:
        first: The programs with which it begins.
    """
    while True:
        others = [program for program in PROGRAMS if program not in first]
        chances.shuffle(others)
        deck: list[Fault | Loss] = [_fault(chances, (program,)) for program in (*first, *others)]
        pairs = [_fault(chances, tuple(chances.sample(PROGRAMS, 2))) for _ in range(PAIRS)]
        # Pairs lie between the single ones, but not before the programs that come first.
        for pair in pairs:
            deck.insert(chances.randint(len(first), len(deck)), pair)
        for loss in losses_of_each_kind(chances):
            deck.insert(chances.randint(len(first), len(first) + EARLY), loss)
        yield from deck
        first = ()


def _fault(chances: Random, programs: tuple[str, ...]) -> Fault:
    ways = [KILLED, KILLED, STOPPED]
    if WITH_CHILDREN.issuperset(programs):
        ways.append(BEHEADED)
    how = chances.choice(ways)
    return Fault(programs, how, chances.uniform(0.5, LONGEST_STOP) if how == STOPPED else 0.0)


@dataclass
class Saboteur:
    """Does faults to a stack, and makes good what it did.

    Attributes:
        done: What was done, with the time, by the wall clock.
    """

    stack: WiredStack
    chances: Random
    done: list[tuple[float, Fault | Loss]] = field(default_factory=list)
    _clock: Event = field(default_factory=Event)

    def commit(self, fault: Fault | Loss) -> None:
        """Do it, and wait until it is over; what was lost is still unknown to who asked."""
        if isinstance(fault, Loss):
            self._lose(fault)
        else:
            self._hurt(fault)

    def _lose(self, loss: Loss) -> None:
        wire = self.stack.wires[loss.where]
        before = wire.swallowed
        wire.swallow_answer_to(WORDS[loss.where], then=loss.then)
        eventually(lambda: wire.swallowed > before, seconds=READY_SECONDS, what=str(loss))
        self.done.append((time.time(), loss))

    def _hurt(self, fault: Fault) -> None:
        """Do it, wait until the programs run again, and let the load go on for a moment."""
        leaders = self._leaders(fault.programs)
        self.done.append((time.time(), fault))
        if fault.how == STOPPED:
            self._stop_for(leaders, fault.seconds)
        elif fault.how == BEHEADED:
            for leader in leaders:
                os.kill(leader, signal.SIGKILL)
        else:
            _signal_groups(leaders, signal.SIGKILL)
        eventually(
            lambda: self._run_again(fault, leaders), seconds=BACK_SECONDS, what=f"{fault}: the end"
        )
        # Half of the faults meet a shop that works, the others one that is still getting up.
        if self.chances.random() < PATIENCE:
            self.wait_until_ready()
        self._clock.wait(self.chances.uniform(*PAUSE))

    def wait_until_ready(self) -> None:
        """Wait until every process runs and the gateway says that all is well."""
        gateway = GatewayClient(self.stack.environments.gateway_url)
        eventually(
            lambda: self.stack.supervisor.all_running() and gateway.is_ready(),
            seconds=READY_SECONDS,
            what="the stack's recovery",
        )

    def hit(self) -> set[str]:
        """The programs to which something was done."""
        return {program for _, fault in self.done for program in fault.programs}

    def has_done_enough(self) -> bool:
        """Whether enough programs were hit, and an answer of each kind was lost."""
        lost = {fault.where for _, fault in self.done if isinstance(fault, Loss)}
        return len(self.hit()) >= FEWEST_HIT and lost == WORDS.keys()

    def moments_of(self, program: str) -> list[float]:
        """When a program was killed."""
        return [
            moment
            for moment, fault in self.done
            if program in fault.programs and fault.how != STOPPED
        ]

    def _stop_for(self, leaders: list[int], seconds: float) -> None:
        try:
            _signal_groups(leaders, signal.SIGSTOP)
            self._clock.wait(seconds)
        finally:
            _signal_groups(leaders, signal.SIGCONT)

    def _leaders(self, programs: tuple[str, ...]) -> list[int]:
        def running() -> list[int]:
            pids = [one.pid for one in self.stack.supervisor.statuses() if one.name in programs]
            return pids if all(pids) else []

        return eventually(running, seconds=BACK_SECONDS, what=f"{programs} running")

    def _run_again(self, fault: Fault, leaders: list[int]) -> bool:
        statuses = [one for one in self.stack.supervisor.statuses() if one.name in fault.programs]
        if fault.how != STOPPED and {one.pid for one in statuses}.intersection(leaders):
            return False
        return all(one.is_running for one in statuses)


def _signal_groups(leaders: list[int], number: signal.Signals) -> None:
    for leader in leaders:
        # supervisord starts each program as the leader of a process group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, number)
