# SPDX-License-Identifier: Apache-2.0
"""Where the distribution keeps its servers: a plain user's PATH often lacks the sbin folders."""

import os
import shutil

SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def search_path() -> str:
    """The caller's PATH followed by the system's folders that it lacks."""
    own = os.environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys(filter(None, [*own, *SYSTEM_FOLDERS])))


def executable(name: str) -> str:
    """The absolute path of a program.

    Raises:
        FileNotFoundError: the machine does not have it.
    """
    path = shutil.which(name, path=search_path())
    if path is None:
        raise FileNotFoundError(f"The program {name} is not on this machine.")
    return path
