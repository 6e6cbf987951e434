# SPDX-License-Identifier: Apache-2.0
"""Five schemas at one moment, while the shop sells.

Every relay rests for some seconds before it: what was told until then has been read meanwhile, and
what happens meanwhile waits in the outboxes, which are copied with the rest. See decision 18.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, func, select

from common.outbox import RELAYS_REST
from soukctl.config import Config
from soukctl.databases import database_of
from soukctl.shop import Refused

IN_ORDER = ("auth", "orders", "catalog", "notifier", "analytics")
"""Orders before catalog: an order that stands in the one has its units in the other."""


@contextmanager
def snapshots(config: Config, settle: Callable[[], None]) -> Iterator[Mapping[str, Connection]]:
    """A connection to each schema, which sees it as it was at one moment.

    Args:
        settle: Returns when what was told until then has been read; relays rest meanwhile.

    Raises:
        Refused: A schema does not answer, or another backup has its relays rest.
    """
    with ExitStack() as stack:
        connections = {}
        for service in IN_ORDER:
            database = stack.enter_context(database_of(config, service))
            database.ping()
            connection = stack.enter_context(database.engine.connect())
            connections[service] = connection.execution_options(isolation_level="REPEATABLE READ")
        for service, connection in connections.items():
            if not connection.execute(select(func.get_lock(RELAYS_REST, 0))).scalar():
                raise Refused(f"Another backup of {service} is beginning.")
        settle()
        for connection in connections.values():
            connection.rollback()
        for connection in connections.values():
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        for connection in connections.values():
            connection.execute(select(func.release_lock(RELAYS_REST)))
        yield connections
