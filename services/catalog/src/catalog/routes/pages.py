# SPDX-License-Identifier: Apache-2.0
"""How one product is shown, on every surface alike: its tag, its id for the view log, its 304."""

from collections.abc import Callable
from typing import Any

import orjson
from flask import Response, current_app, request

from catalog.errors import StaleProduct
from catalog.models import OnSale, Product, ShownProduct
from catalog.page_cache import Page, PageCache
from catalog.page_rows import PageRows
from common.access import carries_token
from common.app import database

CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MATCH")
NOT_MODIFIED = {304: "It is still what the ETag in If-None-Match names."}


def product_page(
    surface: str, ref: str, shape: Callable[[ShownProduct], dict[str, Any]]
) -> Response:
    """One product with what the gateway needs: its ETag, and its id for the view log.

    Who asks with a token, even one that nobody can judge now, may just have written, and gets what
    is in the database.
    """

    def read() -> Page:
        product = _rows().row(ref)
        return Page(product.id, etag(product), orjson.dumps(shape(product)))

    page = read() if carries_token() else _cache().page(f"{surface}/{ref}", read)
    response = Response(page.body, content_type="application/json")
    response.headers["ETag"] = page.etag
    response.headers["X-Product-Id"] = str(page.product_id)
    response.headers["Cache-Control"] = "no-cache"
    # Without a condition there is nothing to weigh, which takes as long as to make the answer.
    if not request.environ.keys().isdisjoint(CONDITIONS):
        response.make_conditional(request)
    return response


def _rows() -> PageRows:
    found: PageRows = current_app.extensions["page_rows"][database()]
    return found


def _cache() -> PageCache:
    found: PageCache = current_app.extensions["page_cache"]
    return found


def etag(product: OnSale) -> str:
    """Changes with whatever a reader sees: the text, and what is available."""
    return f'"{product.version}.{product.stock_version}"'


def wanted_version(product: Product) -> int | None:
    """The version that the client read, where it says so.

    Only the text's part of the tag counts: a sale in between makes no change of the text stale.

    Raises:
        StaleProduct: The tag is none of this product.
    """
    if not request.if_match or request.if_match.star_tag:
        return None
    for tag in request.if_match.as_set():
        version = tag.partition(".")[0]
        if version.isdigit() and int(version) == product.version:
            return product.version
    raise StaleProduct
