# SPDX-License-Identifier: Apache-2.0
"""Supervisord as a stack runs it: no line of a log wakes it, and what has ended starts at once."""

import contextlib
import os
import stat
import time
from typing import Any

from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.poller import Poller
from supervisor.supervisord import Supervisor

GATHER_SECONDS = 0.05
"""A pipe holds 64 KiB: so long, a process may write 1.3 MB a second without waiting."""


class Patient(Poller):  # type: ignore[misc] # supervisor has no types
    """Lets lines gather where nothing but lines has come: a round costs more than all of them."""

    def poll(self, timeout: float) -> Any:
        readable, writable = super().poll(timeout)
        # A pipe whose process has ended is readable, too.
        if readable and not writable and all(map(_is_pipe, readable)) and not _has_any_ended():
            time.sleep(GATHER_SECONDS)
            return super().poll(0)
        return readable, writable


class Prompt(Supervisor):  # type: ignore[misc] # supervisor has no types
    """Starts what has ended in the round that finds it, not in the next, up to a second later."""

    def reap(self, *arguments: Any, **options: Any) -> None:
        super().reap(*arguments, **options)
        for group in self.process_groups.values():
            group.transition()


def _is_pipe(descriptor: int) -> bool:
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode)


def _has_any_ended() -> bool:
    """Whether a process waits to be reaped; it goes on waiting."""
    with contextlib.suppress(ChildProcessError):  # none has ever been started
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return False


def main() -> None:
    options = ServerOptions()
    options.poller = Patient(options)
    options.realize(doc=__doc__)
    options.first, options.test = True, False
    with contextlib.suppress(ExitNow):
        Prompt(options).main()
    options.close_httpservers()
    options.close_logger()


if __name__ == "__main__":
    main()
