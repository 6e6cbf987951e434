# SPDX-License-Identifier: Apache-2.0
"""The database's driver: PyMySQL, which connects for less."""

import ssl
from functools import cache
from typing import Any

from pymysql.connections import Connection


class ThriftyConnection(Connection):
    """Speaks TLS wherever the server does, as PyMySQL by itself, with one context for all.

    PyMySQL would load the machine's certificate authorities for every connection, which takes 40 ms
    of the processor and 0.8 MB, and then verify nothing: it was given no authority. Who names one
    in the database's URL gets a context of his own.
    """

    def _create_ssl_ctx(self, sslp: dict[str, Any]) -> ssl.SSLContext:
        if not sslp:
            return _unverified()
        own: ssl.SSLContext = super()._create_ssl_ctx(sslp)  # type: ignore[misc] # its types lack it
        return own


@cache
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(_dialect: Any, _record: Any, args: list[Any], settings: dict[str, Any]) -> Any:
    """For SQLAlchemy's event ``do_connect``."""
    return ThriftyConnection(*args, **settings)
