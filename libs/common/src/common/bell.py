# SPDX-License-Identifier: Apache-2.0
"""The bell: a process whose commit left events in the outbox wakes the relay of its service.

It is a datagram to the port of the worker's health server, on this machine: nothing to connect to,
nothing to wait for, nothing that can fail a request. The relay also looks by itself, so a ring that
is lost, or that no worker hears because it runs elsewhere, costs a moment and never an event.
"""

import select
import socket
from contextlib import suppress

from common.logs import get_logger

log = get_logger(__name__)

RING = b"\0"


def ring(host: str, port: int) -> None:
    """Wake the relay that listens there, if one does; never raises."""
    with suppress(OSError), _socket() as caller:
        caller.sendto(RING, (host, port))


class Bell:
    """Listens; where the port is taken, it never rings."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = _socket()
        try:
            self.socket.bind((host, port))
        except OSError as error:
            log.warning("bell_not_heard", port=port, reason=error.strerror)

    def wait(self, seconds: float) -> bool:
        """Wait until it rings; returns whether it did."""
        return bool(select.select([self.socket], [], [], seconds)[0])

    def hush(self) -> bool:
        """Forget the rings so far; returns whether there were any."""
        heard = False
        with suppress(OSError):
            while self.socket.recv(1):
                heard = True
        return heard

    def wake(self) -> None:
        """Ring from here, so that who waits looks up."""
        with suppress(OSError):
            ring(*self.socket.getsockname())

    def close(self) -> None:
        self.socket.close()


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made
