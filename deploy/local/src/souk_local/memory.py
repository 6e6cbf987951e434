# SPDX-License-Identifier: Apache-2.0
"""How much memory the processes of a program hold together."""

from collections import Counter
from pathlib import Path

PROCESS_GROUP = 2  # the column of /proc/<pid>/stat, counted after the program's name
SHARE = "Pss:"


def memory_by_group() -> Counter[int]:
    """Bytes by process group; supervisord gives each program a group of its own.

    A page that several processes share counts for each by its share, so that the sum of all is what
    they really take.
    """
    groups: Counter[int] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            columns = (process / "stat").read_text().rpartition(") ")[2].split()
            shares = (process / "smaps_rollup").read_text().splitlines()
        except OSError:  # ended meanwhile, or somebody else's
            continue
        kilobytes = sum(int(line.split()[1]) for line in shares if line.startswith(SHARE))
        groups[int(columns[PROCESS_GROUP])] += kilobytes * 1024
    return groups
