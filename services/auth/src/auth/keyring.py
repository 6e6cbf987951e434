# SPDX-License-Identifier: Apache-2.0
"""Which keys a process signs with and shows: the environment's, and those that rotations made."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from auth import queries
from auth.keys import EnvironmentKeys, Signer, public_jwk, read_public_keys
from auth.models import SigningKey
from auth.sealing import Seal, SealBroken
from common.db import Database
from common.logs import get_logger
from common.problems import Unavailable

log = get_logger(__name__)

READ_SECONDS = 2
"""How long a process may not know of a rotation."""
PATIENCE_SECONDS = 0.3
"""For the table, before what was known of it goes on counting: a hanging database must not hang
those who only want to check tokens."""
FIRST_PATIENCE_SECONDS = 2.5
"""A new process knows nothing yet, and its first connection takes its time on a busy machine."""


@dataclass(frozen=True)
class _Known:
    """The table as it was at one moment.

    Attributes:
        clock: The database's time then; *moment* is this process's own.
        signers: The private keys that could be opened, by their names.
    """

    keys: Sequence[SigningKey]
    clock: datetime
    moment: float
    signers: Mapping[str, Signer]

    @property
    def now(self) -> datetime:
        return self.clock + timedelta(seconds=time.monotonic() - self.moment)


class Keyring:
    """The keys of one process, read again every two seconds while they are used."""

    def __init__(self, own: EnvironmentKeys, seal: Seal, database: Database) -> None:
        self._own = own
        self._seal = seal
        self._database = database
        self._reader = ThreadPoolExecutor(1, "keyring")
        self._reading: Future[_Known] | None = None
        self._asked_at = float("-inf")
        self._last: _Known | None = None
        self._unreadable: set[str] = set()
        self._lock = Lock()

    def signing(self) -> Signer:
        """The newest key that signs by now and that we can read.

        Raises:
            Unavailable: There is none, or the table was never to be had.
        """
        known, own = self._known(), self._own.signing()
        alive = [key for key in known.keys if not key.is_retired(known.now)]
        for key in reversed(alive):
            if key.signs_from <= known.now and key.kid in known.signers:
                return known.signers[key.kid]
        if own.kid in {key.kid for key in known.keys} - {key.kid for key in alive}:
            raise Unavailable("No key can sign tokens at the moment; try again.")
        return own

    def public(self) -> list[dict[str, str]]:
        """The newest first. A set that may lack keys is not shown: who checks keeps the last one.

        Raises:
            Unavailable: The table was never to be had.
        """
        known = self._known()
        alive = [key for key in reversed(known.keys) if not key.is_retired(known.now)]
        stored = [public_jwk(read_public_keys(key.public_key)[0]) for key in alive]
        names = {key.kid for key in known.keys}
        return [*stored, *(key for key in self._own.public() if key["kid"] not in names)]

    def _known(self) -> _Known:
        with self._lock:
            if self._reading is None or time.monotonic() - self._asked_at >= READ_SECONDS:
                self._asked_at = time.monotonic()
                self._reading = self._reader.submit(self._read)
            reading = self._reading
        patience = PATIENCE_SECONDS if self._last else FIRST_PATIENCE_SECONDS
        with suppress(TimeoutError, Unavailable):
            self._last = reading.result(timeout=patience)
        if self._last is None:
            raise Unavailable
        return self._last

    def _read(self) -> _Known:
        moment = time.monotonic()
        clock, keys = self._database.read(queries.signing_keys)
        own = self._own.signing()
        signers = {own.kid: own}
        for key in keys:
            if key.private_key is not None and (signer := self._opened(key)):
                signers[key.kid] = signer
        return _Known(keys, clock, moment, signers)

    def _opened(self, key: SigningKey) -> Signer | None:
        assert key.private_key is not None
        try:
            return self._seal.open(key.kid, key.private_key)
        except SealBroken:
            if key.kid not in self._unreadable:
                self._unreadable.add(key.kid)
                log.critical("signing_key_unreadable", kid=key.kid, reason="another SECRET_KEY")
            return None
