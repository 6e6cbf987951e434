# SPDX-License-Identifier: Apache-2.0
"""Cursors: where a list goes on. Signed, so that nobody can make one up."""

import base64
import binascii
import hmac
from typing import Any

import orjson

from common.problems import Unprocessable

SIGNATURE_BYTES = 16


class Cursors:
    """Makes and reads one service's cursors.

    Args:
        key: The service's ``SECRET_KEY``.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def make(self, listing: str, position: list[Any]) -> str:
        """A cursor behind *position* in *listing*.

        Args:
            listing: Name and filters of the list; a cursor is good for no other.
            position: The last item's sort keys.
        """
        body = orjson.dumps(position)
        return base64.urlsafe_b64encode(self._sign(listing, body) + body).decode().rstrip("=")

    def read(self, listing: str, cursor: str) -> list[Any]:
        """The position in *cursor*.

        Raises:
            Unprocessable: It is not one of ours, or of another list.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            signature, body = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
            if not hmac.compare_digest(signature, self._sign(listing, body)):
                raise ValueError
            position: list[Any] = orjson.loads(body)
        except (ValueError, binascii.Error) as error:
            wrong = {"cursor": ["is not a cursor of this list"]}
            raise Unprocessable(errors=wrong) from error
        return position

    def _sign(self, listing: str, body: bytes) -> bytes:
        message = listing.encode() + b"\0" + body
        return hmac.digest(self._key, message, "sha256")[:SIGNATURE_BYTES]
