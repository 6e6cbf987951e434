# SPDX-License-Identifier: Apache-2.0
"""Analytics' part of the canonical API."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import Response, current_app

from analytics import queries
from analytics.config import Config
from analytics.errors import ProductNotFound
from analytics.exports import Wanted, csv_views, ndjson_views, shown
from analytics.models import Product
from analytics.queries import Figures
from analytics.schemas import (
    SeriesAsked,
    SeriesShown,
    TopAsked,
    TopShown,
    ViewsAsked,
    ViewsShown,
)
from analytics.windows import must_be_in_order, ranking_window, window
from common.access import identity, requires
from common.app import cursors, database
from common.clock import rfc3339, utcnow
from common.money import to_text
from common.problems import Forbidden, Unprocessable
from common.spec import refuses

blueprint = APIBlueprint("v1", __name__, url_prefix="/v1/analytics", tag="analytics")

READERS = ("admin", "analyst")

EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A page of views; with another format a file of all of them, streamed.",
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}


@blueprint.get("/products/<ref>")
@requires()
@refuses(Forbidden, ProductNotFound)
@blueprint.input(SeriesAsked, location="query", arg_name="asked")
@blueprint.output(SeriesShown)
def get_product_series(ref: str, asked: SeriesAsked) -> dict[str, Any]:
    """Count a product's views, viewers and sales, bucket by bucket.

    For admins, analysts and the product's seller.
    """
    product = database().read(queries.product_by_ref, ref)
    _must_be_readable(product)
    asked_window = window(start=asked.start, end=asked.end, bucket=asked.bucket, now=utcnow())
    series = database().read(queries.product_series, product_id=product.id, window=asked_window)
    config: Config = current_app.extensions["config"]
    return {
        "product_id": product.id,
        "bucket": asked.bucket,
        "series": [
            {"at": rfc3339(asked_window.bucket_at(number)), **_figures(figures)}
            for number, figures in enumerate(series.buckets)
        ],
        "totals": {**_figures(series.totals), "currency": config.currency},
    }


@blueprint.get("/top")
@requires(*READERS)
@blueprint.input(TopAsked, location="query", arg_name="asked")
@blueprint.output(TopShown)
def get_top(asked: TopAsked) -> dict[str, Any]:
    """Rank the products with the most views, units or revenue."""
    asked_window = ranking_window(start=asked.start, end=asked.end, now=utcnow())
    ranked = database().read(
        queries.top_products, metric=asked.metric, window=asked_window, limit=asked.limit
    )
    show = to_text if asked.metric == "revenue" else int
    return {
        "items": [{"product_id": product_id, "value": show(value)} for product_id, value in ranked]
    }


@blueprint.get("/views")
@requires()
@refuses(Forbidden, ProductNotFound)
@blueprint.input(ViewsAsked, location="query", arg_name="asked")
@blueprint.output(ViewsShown)
@blueprint.doc(responses=EXPORTED)
def get_views(asked: ViewsAsked) -> dict[str, Any] | Response:
    """List views, oldest first, in pages, or write all of them into one file.

    For admins and analysts; a seller says which of the own products.
    """
    must_be_in_order(asked.start, asked.end)
    product_id = _readable_product_id(asked.product)
    listing = f"views:{product_id}:{asked.user}:{asked.start}:{asked.end}"
    wanted = Wanted(
        product_id=product_id,
        viewer_id=asked.user,
        start=asked.start,
        end=asked.end,
        after=_position(listing, asked.cursor),
    )
    if asked.is_export:
        return _export(asked, wanted)
    views = database().read(queries.list_views, **vars(wanted), limit=asked.limit + 1)
    page, more = views[: asked.limit], len(views) > asked.limit
    last = [page[-1].at.isoformat(), page[-1].event_id.hex] if more else []
    return {
        "items": [shown(view) for view in page],
        "next_cursor": cursors().make(listing, last) if more else None,
    }


def _export(asked: ViewsAsked, wanted: Wanted) -> Response:
    if asked.has_limit:
        raise Unprocessable(errors={"limit": ["goes with format=json only"]})
    write = ndjson_views if asked.format == "ndjson" else csv_views
    return write(database(), wanted)


def _readable_product_id(ref: str | None) -> int | None:
    """The id that the filter means; whoever does not read everything must name an own product."""
    if identity().role in READERS:
        return _product_id(ref)
    if ref is None:
        raise Forbidden("Say which of your own products.")
    product = database().read(queries.product_by_ref, ref)
    _must_be_readable(product)
    return product.id


def _must_be_readable(product: Product) -> None:
    """Refuse whoever is neither a reader of everything nor the product's seller."""
    asker = identity()
    if asker.role not in READERS and asker.user_id != product.seller_id:
        raise Forbidden


def _product_id(ref: str | None) -> int | None:
    """The id that a filter means. Digits are it, known or not: views may come before their product.

    Raises:
        ProductNotFound: *ref* is no id, and nothing is called so.
    """
    if ref is None:
        return None
    known = queries.read_id(ref) if queries.is_id(ref) else None
    return known or database().read(queries.product_by_ref, ref).id


def _position(listing: str, cursor: str | None) -> tuple[datetime, UUID] | None:
    if cursor is None:
        return None
    at, event_id = cursors().read(listing, cursor)
    return datetime.fromisoformat(at), UUID(event_id)


def _figures(figures: Figures) -> dict[str, Any]:
    return asdict(figures) | {"revenue": to_text(figures.revenue)}
