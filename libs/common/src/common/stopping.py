# SPDX-License-Identifier: Apache-2.0
"""How a task that waits elsewhere hears at once that it shall stop."""

from collections.abc import Callable
from threading import Event as Signal
from threading import Thread


def on_stop(stop: Signal, wake: Callable[[], None]) -> None:
    """Call *wake* when *stop* is set, in a thread that does nothing else.

    For tasks that wait for a socket, which no event wakes: to look up each second would make them
    end late, and work while there is none.
    """

    def wait() -> None:
        stop.wait()
        wake()

    Thread(target=wait, name="on stop", daemon=True).start()
