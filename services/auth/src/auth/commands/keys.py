# SPDX-License-Identifier: Apache-2.0
"""What can happen to the keys that sign access tokens."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from auth import queries
from auth.errors import KeyPending, KeyUnknown
from auth.models import SigningKey


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key that is not in the table yet; the environment's has no private half there."""

    kid: str
    public_key: str
    private_key: bytes | None = None


def rotate_keys(
    session: Session, *, first: NewKey, successor: NewKey, lead_seconds: int, token_seconds: int
) -> SigningKey:
    """Show *successor* now and let it sign later; the key before it retires after its last token.

    Args:
        first: The environment's key, of which the table does not know before the first rotation.
        lead_seconds: How long whoever checks tokens needs at most to hear of a key.
        token_seconds: The longest life of a token.

    Raises:
        KeyPending: The last rotation's key does not sign yet.
    """
    now, keys = _locked(session, first)
    if pending := _pending(keys, now):
        raise KeyPending(pending.kid, pending.signs_from)
    lead = timedelta(seconds=lead_seconds)
    signing = _signing(keys, now)
    # One more lead: a process may have missed the moment and signed with the old key after it.
    signing.retires_at = now + lead + timedelta(seconds=token_seconds) + lead
    for key in keys:
        if key.is_retired(now):
            key.private_key = None
    return _add(session, keys, successor, now, signs_from=now + lead)


def retire_key(session: Session, *, number: int, first: NewKey, successor: NewKey) -> SigningKey:
    """End a key now, and with it every token that it signed; returns the key that signs then.

    Args:
        number: 1 is the environment's key.
        successor: Signs at once where no other key can, so that there always is one.

    Raises:
        KeyUnknown: There is none of this number, or not any more.
    """
    now, keys = _locked(session, first)
    retiring = next((key for key in keys if key.number == number and not key.is_retired(now)), None)
    if retiring is None:
        raise KeyUnknown
    signing, pending = _signing(keys, now), _pending(keys, now)
    retiring.retires_at = now
    retiring.private_key = None
    if retiring is pending:
        signing.retires_at = None
    elif retiring is signing and pending:
        signing = pending
        signing.signs_from = now
    elif retiring is signing:
        signing = _add(session, keys, successor, now, signs_from=now)
    return signing


def _locked(session: Session, first: NewKey) -> tuple[datetime, list[SigningKey]]:
    """The time, and every key, the oldest first, held until the end of the transaction."""
    query = select(SigningKey).order_by(SigningKey.number).with_for_update()
    keys = list(session.scalars(query))
    now = queries.clock(session)
    if not keys:
        keys = [_add(session, [], first, now, signs_from=now)]
    return now, keys


def _add(
    session: Session, keys: list[SigningKey], new: NewKey, now: datetime, *, signs_from: datetime
) -> SigningKey:
    key = SigningKey(
        number=keys[-1].number + 1 if keys else 1,
        kid=new.kid,
        public_key=new.public_key,
        private_key=new.private_key,
        published_at=now,
        signs_from=signs_from,
    )
    session.add(key)
    return key


def _signing(keys: list[SigningKey], now: datetime) -> SigningKey:
    return [key for key in keys if key.signs_from <= now and not key.is_retired(now)][-1]


def _pending(keys: list[SigningKey], now: datetime) -> SigningKey | None:
    last = keys[-1]
    return last if last.signs_from > now and not last.is_retired(now) else None
