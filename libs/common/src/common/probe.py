# SPDX-License-Identifier: Apache-2.0
"""An image's health check, ``python -m common.probe 8000``: whether this port's process is alive.

Only the standard library: it runs every few seconds, and imports cost more than the question.
"""

import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

SECONDS = 4


def is_alive(port: int) -> bool:
    """Whether a web process or a worker answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(not is_alive(int(sys.argv[1])))
