# SPDX-License-Identifier: Apache-2.0
"""Who asked for what happens now, and why: carried from the gateway through events to mails."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from uuid import uuid4


@dataclass(frozen=True, kw_only=True)
class Trace:
    """The cause of the current work.

    Attributes:
        correlation_id: The gateway's request id, or a new one for work that a clock started.
        causation_id: The event that is being handled, if any.
        actor: ``user/7``, ``guest``, or ``service/orders``.
        span: The ``traceparent`` of where it came from, for work that has no span of its own.
    """

    correlation_id: str = field(default_factory=lambda: uuid4().hex)
    causation_id: str | None = None
    actor: str = "system"
    span: str | None = None


_trace: ContextVar[Trace | None] = ContextVar("trace", default=None)


def current_trace() -> Trace:
    trace = _trace.get()
    if trace is None:
        trace = Trace()
        _trace.set(trace)
    return trace


def set_trace(trace: Trace) -> None:
    _trace.set(trace)


def set_actor(actor: str) -> None:
    _trace.set(replace(current_trace(), actor=actor))


@contextmanager
def traced(trace: Trace) -> Iterator[None]:
    """Do the block's work in *trace*'s name."""
    token = _trace.set(trace)
    try:
        yield
    finally:
        _trace.reset(token)
