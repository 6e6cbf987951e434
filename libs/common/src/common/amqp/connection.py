# SPDX-License-Identifier: Apache-2.0
"""How every connection to the broker is made. A connection belongs to one thread."""

from pika import BlockingConnection, URLParameters
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError

HEARTBEAT_SECONDS = 20
BLOCKED_SECONDS = 30
CONNECT_SECONDS = 3

BROKER_ERRORS = (AMQPError, AMQPConnectorException, OSError)
"""What pika raises when the broker is gone, refuses, or hangs. The second is no ``AMQPError``: it
comes from a broker that takes the connection and then says nothing."""


class BrokerUnavailable(Exception):
    """The broker can't be reached, or the connection broke. What was not confirmed may be lost."""


def parameters(url: str, name: str, *, seconds: float = CONNECT_SECONDS) -> URLParameters:
    """Connection parameters with every time limit set; the handshake has twice *seconds*.

    Without ``blocked_connection_timeout`` a broker under a memory alarm would hold a publisher for
    ever; without heartbeats a cut cable would.
    """
    wanted = URLParameters(url)
    wanted.heartbeat = HEARTBEAT_SECONDS
    wanted.blocked_connection_timeout = BLOCKED_SECONDS
    wanted.socket_timeout = seconds
    wanted.stack_timeout = 2 * seconds
    wanted.connection_attempts = 1
    wanted.client_properties = {"connection_name": name}
    return wanted


def connect(url: str, name: str, *, seconds: float = CONNECT_SECONDS) -> BlockingConnection:
    try:
        return BlockingConnection(parameters(url, name, seconds=seconds))
    except BROKER_ERRORS as error:
        raise BrokerUnavailable(str(error) or type(error).__name__) from error
