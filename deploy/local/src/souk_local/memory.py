# SPDX-License-Identifier: Apache-2.0
"""How much memory the processes of a program hold together."""

import os
from collections import Counter
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
PROCESS_GROUP, RESIDENT_PAGES = 2, 21  # columns of /proc/<pid>/stat after the program's name


def memory_by_group() -> Counter[int]:
    """Resident bytes by process group; supervisord gives each program a group of its own.

    Pages that processes share count in each of them, so sums say rather too much than too little.
    """
    groups: Counter[int] = Counter()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            columns = (process / "stat").read_text().rpartition(") ")[2].split()
        except OSError:  # ended meanwhile
            continue
        groups[int(columns[PROCESS_GROUP])] += int(columns[RESIDENT_PAGES]) * PAGE_BYTES
    return groups
