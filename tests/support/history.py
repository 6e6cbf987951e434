# SPDX-License-Identifier: Apache-2.0
"""What clients asked for and what they were told, with times: the witness of a run with faults."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

OK, FAIL, INFO = "ok", "fail", "info"
"""A yes; a no; or nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that a client wanted, however often it had to ask.

    Attributes:
        wish: What it asked for.
        outcome: ``ok``, ``fail`` or ``info``.
        answer: What it was told; of a ``fail`` the status and the code.
        began_at: When it was first asked for, by the wall clock.
        ended_at: When the last answer was there.
    """

    kind: str
    wish: Mapping[str, Any]
    outcome: str
    answer: Mapping[str, Any]
    began_at: float
    ended_at: float
    tries: int = 1


@dataclass
class History:
    """Everything that was asked for; many clients write into one history."""

    operations: list[Operation] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(
        self,
        kind: str,
        wish: Mapping[str, Any],
        outcome: str,
        answer: Mapping[str, Any],
        *,
        began_at: float,
        tries: int = 1,
    ) -> Operation:
        """Write down what came of a wish that began at *began_at* and ended now."""
        operation = Operation(
            kind=kind,
            wish=wish,
            outcome=outcome,
            answer=answer,
            began_at=began_at,
            ended_at=time.time(),
            tries=tries,
        )
        with self._lock:
            self.operations.append(operation)
        return operation

    def of(self, kind: str, *outcomes: str) -> Iterator[Operation]:
        """The operations of a kind, with one of these outcomes, or all of them."""
        for operation in self.operations:
            if operation.kind == kind and (not outcomes or operation.outcome in outcomes):
                yield operation

    def write(self, path: Path) -> None:
        """One JSON object a line, for people who look for what went wrong."""
        lines = (json.dumps(asdict(operation), default=str) for operation in self.operations)
        path.write_text("".join(f"{line}\n" for line in lines))
