# SPDX-License-Identifier: Apache-2.0
"""Orders without keys and events: what P5 compares the shop with. Only the benchmark starts it."""

from collections.abc import Mapping, Sequence

from apiflask import APIFlask
from sqlalchemy.orm import Session

from common import idempotency, outbox
from common.events import Envelope
from common.idempotency import Answer, Claim, Key, Known


def claim_nothing(session: Session, claims: Sequence[Claim]) -> list[Known | None]:
    return [None] * len(claims)


def finish_nothing(session: Session, answers: Mapping[Key, Answer]) -> None:
    """Nobody will ask again."""


def promise_nothing(session: Session, envelopes: Sequence[Envelope]) -> None:
    """Nobody will hear of it."""


def create_app() -> APIFlask:
    idempotency.claim_all = claim_nothing
    idempotency.finish_all = finish_nothing
    outbox.append_all = promise_nothing
    from orders import app  # noqa: PLC0415 - whatever it imports by name must be the double's

    return app.create_app()
