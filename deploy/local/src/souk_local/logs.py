# SPDX-License-Identifier: Apache-2.0
"""Shows the ends of the stack's logs."""

import subprocess
from pathlib import Path

LINES = 15


def show(directory: Path, process: str | None, *, follow: bool) -> int:
    """Print the last lines of all logs or of one process's; the exit code says whether it could."""
    found = sorted(directory.rglob(f"{process or '*'}.log"))
    if not found:
        print(f"There is no log of {process or 'any process'} in {directory}.")  # noqa: T201
        return 1
    command = ["tail", f"--lines={LINES}", *(["--follow=name", "--retry"] if follow else [])]
    try:
        return subprocess.run([*command, *map(str, found)], check=False).returncode
    except KeyboardInterrupt:  # the way to end following
        return 0
