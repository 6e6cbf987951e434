# SPDX-License-Identifier: Apache-2.0
"""The services' schemas, each with its own address."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from sqlalchemy import MetaData

from common.db import Database
from common.problems import Unavailable
from soukctl.config import Config
from soukctl.shop import Refused

ANSWER_SECONDS = 60.0


@contextmanager
def database_of(config: Config, service: str) -> Iterator[Database]:
    """A service's schema for one command.

    Raises:
        Refused: It does not answer.
    """
    database = Database(config.database_url(service), pool_size=1, read_timeout=ANSWER_SECONDS)
    try:
        yield database
    except Unavailable as error:
        raise Refused(f"The database of {service} does not answer.") from error
    finally:
        database.dispose()


def words_of(error: Exception) -> str:
    """What went wrong; of a database's driver its own words, without the statement around them."""
    return str(getattr(getattr(error, "orig", None), "args", [error])[-1])


def tables_of(service: str) -> MetaData:
    """The schema as the service's code wants it."""
    metadata: MetaData = import_module(f"{service}.models").Base.metadata
    return metadata
