# SPDX-License-Identifier: Apache-2.0
"""Lists as the older APIs have them: plain arrays by page number, with their place in headers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, request
from pydantic import Field

from common.schemas import Query

MOST_PAGES = 10_000


class SeedPage(Query):
    """Which part of a list, counted in pages."""

    page: int = Field(default=1, ge=1, le=MOST_PAGES)
    limit: int = Field(default=100, ge=1, le=500)

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.limit


def listed(
    items: Sequence[Mapping[str, Any]], wanted: SeedPage, *, total: int | None, more: bool
) -> Response:
    """A page as a JSON array, with ``Link`` and, where the total is known, ``X-Total-Count``."""
    response = Response(orjson.dumps(items), content_type="application/json")
    response.headers["Link"] = ", ".join(_links(wanted, total=total, more=more))
    if total is not None:
        response.headers["X-Total-Count"] = str(total)
    return response


def _links(wanted: SeedPage, *, total: int | None, more: bool) -> Iterable[str]:
    yield _link("first", 1, wanted)
    if wanted.page > 1:
        yield _link("prev", wanted.page - 1, wanted)
    if more and wanted.page < MOST_PAGES:
        yield _link("next", wanted.page + 1, wanted)
    if total is not None:
        yield _link("last", max(1, -(-total // wanted.limit)), wanted)


def _link(relation: str, page: int, wanted: SeedPage) -> str:
    others = [
        (name, value)
        for name, value in request.args.items(multi=True)
        if name not in {"page", "limit"}
    ]
    address = urlencode([*others, ("page", page), ("limit", wanted.limit)])
    return f'<{request.path}?{address}>; rel="{relation}"'
