# SPDX-License-Identifier: Apache-2.0
"""Every order in which the statements of two commands can come, on a real database.

Each command runs in a process of its own, as in two workers, and stops before each statement and
before its commit until it is told to go on. Who waits for a row lock is not asked to: what is tried
is all that the database lets happen, and each order once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from sqlalchemy import event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

from common.db import Database, error_number
from common.problems import Problem
from common.testing import eventually
from common.testing.processes import fork

QUICK_SECONDS = 0.01
LOCK_WAIT_SECONDS = 60
MOST_TRIES = 60

Task = Callable[..., str]
"""What a worker does: ``buy(database, order_id=…)`` gives a word for what came of it."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What came of one command.

    Attributes:
        word: What its task said; or the code of the problem, or ``error 1062``.
        lost_races: The numbers of all errors that the database gave on the way.
    """

    word: str
    lost_races: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Play:
    """One order of statements, for example ``["0 SELECT", "1 SELECT", "0 COMMIT", …]``.

    Attributes:
        ends: What came of each command, in the order of the tasks.
    """

    steps: list[str]
    ends: list[Ended]

    @property
    def words(self) -> list[str]:
        return [end.word for end in self.ends]

    @property
    def lost_races(self) -> list[int]:
        return [number for end in self.ends for number in end.lost_races]


@dataclass
class _Choice:
    """Who could go on at one moment, and who did."""

    able: list[int]
    taken: int

    def later(self) -> list[int]:
        return [number for number in self.able if number > self.taken]


class Worker:
    """A process with one connection, which runs a command statement by statement.

    Attributes:
        at: The statement before which it stands, or its end; None while it is under way.
    """

    def __init__(self, url: str, task: Task) -> None:
        self._pipe, theirs = Pipe()
        self._process = fork(_work, url, task, theirs)
        theirs.close()
        self.connection_id: int = self._pipe.recv()
        self.at: str | Ended | None = None

    def start(self, job: Mapping[str, Any]) -> None:
        self._pipe.send(job)
        self.at = self._pipe.recv()

    def go_on(self) -> None:
        self.at = None
        self._pipe.send(True)

    def arrives(self) -> bool:
        """Whether it stands or has ended, after a moment's patience."""
        if self.at is None and self._pipe.poll(QUICK_SECONDS):
            self.at = self._pipe.recv()
        return self.at is not None

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


class Interleavings:
    """Workers for these tasks, and all the ways in which they can get into each other's way."""

    def __init__(self, database: Database, tasks: Sequence[Task]) -> None:
        url = database.engine.url.render_as_string(hide_password=False)
        self._database = database
        self._workers = [Worker(url, task) for task in tasks]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.close()

    def every(self, jobs: Callable[[], Sequence[Mapping[str, Any]]]) -> Iterator[Play]:
        """Play every order; *jobs* makes the ground anew and gives each task's arguments."""
        choices: list[_Choice] = []
        while True:
            play, choices = self._replay(jobs, [choice.taken for choice in choices])
            yield play
            while choices and not choices[-1].later():
                choices.pop()
            if not choices:
                return
            choices[-1].taken = choices[-1].later()[0]

    def _replay(
        self, jobs: Callable[[], Sequence[Mapping[str, Any]]], wanted: Sequence[int]
    ) -> tuple[Play, list[_Choice]]:
        # Of a deadlock the server chooses the victim, and not always the same one.
        for _ in range(MOST_TRIES):
            play, choices = self._play(jobs(), wanted)
            if [choice.taken for choice in choices[: len(wanted)]] == wanted:
                return play, choices
        raise AssertionError(f"the same turns went another way: {play.steps}")

    def _play(
        self, jobs: Sequence[Mapping[str, Any]], wanted: Sequence[int]
    ) -> tuple[Play, list[_Choice]]:
        """Take the *wanted* turns as long as they can be taken, then whoever comes first."""
        for worker, job in zip(self._workers, jobs, strict=True):
            worker.start(job)
        steps: list[str] = []
        choices: list[_Choice] = []
        while able := self._able():
            turn = wanted[len(choices)] if len(choices) < len(wanted) else able[0]
            if turn not in able:
                wanted, turn = (), able[0]
            steps.append(f"{turn} {self._workers[turn].at}")
            choices.append(_Choice(able, turn))
            self._go_on(self._workers[turn])
        ends = [worker.at for worker in self._workers if isinstance(worker.at, Ended)]
        return Play(steps=steps, ends=ends), choices

    def _able(self) -> list[int]:
        """Who stands before a statement; nobody when all have ended."""
        if any(worker.at is None for worker in self._workers) and not self._standing():
            # All the others wait for locks. The database may take a while to see the deadlock.
            self._wait(lambda: any(worker.arrives() for worker in self._workers))
            self._settle()
        return self._standing()

    def _standing(self) -> list[int]:
        return [n for n, worker in enumerate(self._workers) if isinstance(worker.at, str)]

    def _go_on(self, moving: Worker) -> None:
        """Let one worker run its statement, and those go on whom it sets free."""
        moving.go_on()
        # First the one that moves: only then is it known who still waits.
        self._wait(lambda: moving.arrives() or self._waits_for_a_lock(moving))
        self._settle()

    def _settle(self) -> None:
        """Wait until each stands, has ended or waits for a lock, and none is being set free."""
        moved = True
        while moved:
            before = [worker.at for worker in self._workers]
            for worker in self._workers:
                self._wait(partial(self._is_settled, worker))
            moved = before != [worker.at for worker in self._workers]

    def _is_settled(self, worker: Worker) -> bool:
        # The lock first: who waits for one does so for several statements of the others.
        return worker.at is not None or self._waits_for_a_lock(worker) or worker.arrives()

    def _wait(self, condition: Callable[[], bool]) -> None:
        eventually(condition, seconds=LOCK_WAIT_SECONDS, what="a worker's next stop")

    def _waits_for_a_lock(self, worker: Worker) -> bool:
        # The tables of transactions and locks are copies up to a tenth of a second old.
        with self._database.engine.connect() as connection:
            status = str(connection.execute(text("SHOW ENGINE INNODB STATUS")).one()[2])
        mine = f"thread id {worker.connection_id},"
        transactions = status.split("---TRANSACTION")[1:]
        return any(mine in one and "LOCK WAIT" in one for one in transactions)


def _work(url: str, task: Task, pipe: Connection) -> None:
    database = Database(url, pool_size=1, lock_wait=LOCK_WAIT_SECONDS, read_timeout=300)
    lost_races: list[int] = []

    def stop_before(statement: str) -> None:
        pipe.send(statement)
        pipe.recv()

    def before_statement(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        stop_before(" ".join(statement.split()))

    def before_commit(_connection: object) -> None:
        stop_before("COMMIT")

    def on_error(context: ExceptionContext) -> None:
        if isinstance(context.sqlalchemy_exception, DBAPIError):
            lost_races.append(error_number(context.sqlalchemy_exception))

    pipe.send(database.read(lambda session: session.scalar(text("SELECT CONNECTION_ID()"))))
    event.listen(database.engine, "before_cursor_execute", before_statement)
    event.listen(database.engine, "commit", before_commit)
    event.listen(database.engine, "handle_error", on_error)
    while True:
        job = pipe.recv()
        lost_races.clear()
        word = _word(task, database, job)
        pipe.send(Ended(word=word, lost_races=tuple(lost_races)))


def _word(task: Task, database: Database, job: Mapping[str, Any]) -> str:
    try:
        return task(database, **job)
    except Problem as problem:
        return problem.code
    except DBAPIError as error:
        return f"error {error_number(error)}"
