# SPDX-License-Identifier: Apache-2.0
"""Lists that are too long for one answer in memory, written row by row while they are read."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from flask import Response

from analytics import queries
from analytics.models import View
from common.clock import rfc3339, utcnow
from common.db import Database

ROWS_AT_ONCE = 1000
COLUMNS = ("event_id", "product_id", "viewer_id", "at")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which views, oldest first, from *start* up to but without *end*, behind *after*."""

    product_id: int | None
    viewer_id: int | None
    start: datetime | None
    end: datetime | None
    after: tuple[datetime, UUID] | None


def shown(view: View) -> dict[str, Any]:
    """A view as every format shows it."""
    return {
        "event_id": str(view.event_id),
        "product_id": view.product_id,
        "viewer_id": view.viewer_id,
        "at": rfc3339(view.at),
    }


def ndjson_views(database: Database, wanted: Wanted) -> Response:
    """All wanted views, one JSON object a line."""
    pages = _pages(database, wanted)
    return _streamed(map(_as_ndjson, pages), "application/x-ndjson", "views.ndjson")


def csv_views(database: Database, wanted: Wanted) -> Response:
    """All wanted views as RFC 4180 has it, with a line of names first.

    Every value is a number, a UUID or a time of ours, so there is nothing that a spreadsheet could
    take for a formula.
    """
    pages = _pages(database, wanted)
    return _streamed(_as_csv(pages), "text/csv; charset=utf-8", "views.csv")


def _pages(database: Database, wanted: Wanted) -> Iterator[Sequence[View]]:
    """The views in pages, each a short read of its own: no transaction waits for a slow client.

    The first page is read at once, so that a database that is away is a 503. Where a later one
    fails, the error goes through to the server, which cuts the connection: the last chunk is
    missing, and nobody takes the file for a complete one.
    """
    # New views come all the time: an export without an end might run behind them for ever.
    end = wanted.end or utcnow()

    def read(after: tuple[datetime, UUID] | None) -> list[View]:
        page = vars(wanted) | {"end": end, "after": after, "limit": ROWS_AT_ONCE}
        return database.read(queries.list_views, **page)

    first = read(wanted.after)
    return _follow(first, read)


def _follow(
    page: list[View], read: Callable[[tuple[datetime, UUID]], list[View]]
) -> Iterator[Sequence[View]]:
    while page:
        yield page
        page = read((page[-1].at, page[-1].event_id)) if len(page) == ROWS_AT_ONCE else []


def _as_ndjson(page: Sequence[View]) -> bytes:
    return b"".join(orjson.dumps(shown(view)) + b"\n" for view in page)


def _as_csv(pages: Iterator[Sequence[View]]) -> Iterator[bytes]:
    yield _csv_lines([COLUMNS])
    for page in pages:
        yield _csv_lines(shown(view).values() for view in page)


def _csv_lines(rows: Any) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _streamed(chunks: Iterator[bytes], content_type: str, name: str) -> Response:
    answer = Response(chunks, content_type=content_type)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer
