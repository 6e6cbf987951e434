# SPDX-License-Identifier: Apache-2.0
"""Who listens on a port, as far as this user may see it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from souk_local.ports import is_free, variable

LISTENING = "0A"
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))


class PortTaken(Exception):
    """A port that the stack needs is taken; the message names all such ports and the way out."""


def refuse_taken(ports: Mapping[str, int]) -> None:
    """Return when every port is free.

    Raises:
        PortTaken: naming each taken port, who holds it where that is visible, and its variable.
    """
    taken = {name: port for name, port in ports.items() if not is_free(port)}
    if not taken:
        return
    lines = [
        f"Port {port} ({name.replace('_', ' ')}) is taken by {holder(port) or 'another process'}; "
        f"stop it, or choose another port with {variable(name)}=…"
        for name, port in taken.items()
    ]
    raise PortTaken("\n".join(lines))


def holder(port: int) -> str | None:
    """The listener on this port as ``name (pid 42)``, if we may know it."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(link.readlink()) in wanted for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
        except OSError:  # ended meanwhile, or another user's
            continue
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in TABLES:
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            local, state, inode = (line.split()[column] for column in (1, 3, 9))
            if state == LISTENING and int(local.rpartition(":")[2], 16) == port:
                yield inode
