# SPDX-License-Identifier: Apache-2.0
"""Analytics' part of the canonical API."""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from apiflask import APIBlueprint
from flask import current_app

from analytics import queries
from analytics.config import Config
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
from common.problems import Forbidden

blueprint = APIBlueprint("v1", __name__, url_prefix="/v1/analytics")

READERS = ("admin", "analyst")


@blueprint.get("/products/<ref>")
@requires()
@blueprint.input(SeriesAsked, location="query", arg_name="asked")
@blueprint.output(SeriesShown)
def get_product_series(ref: str, asked: SeriesAsked) -> dict[str, Any]:
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
    asked_window = ranking_window(start=asked.start, end=asked.end, now=utcnow())
    ranked = database().read(
        queries.top_products, metric=asked.metric, window=asked_window, limit=asked.limit
    )
    show = to_text if asked.metric == "revenue" else int
    return {
        "items": [{"product_id": product_id, "value": show(value)} for product_id, value in ranked]
    }


@blueprint.get("/views")
@requires(*READERS)
@blueprint.input(ViewsAsked, location="query", arg_name="asked")
@blueprint.output(ViewsShown)
def get_views(asked: ViewsAsked) -> dict[str, Any]:
    must_be_in_order(asked.start, asked.end)
    product_id = _product_id(asked.product)
    listing = f"views:{product_id}:{asked.user}:{asked.start}:{asked.end}"
    views = database().read(
        queries.list_views,
        product_id=product_id,
        viewer_id=asked.user,
        start=asked.start,
        end=asked.end,
        after=_position(listing, asked.cursor),
        limit=asked.limit + 1,
    )
    shown, more = views[: asked.limit], len(views) > asked.limit
    last = [shown[-1].at.isoformat(), shown[-1].event_id.hex] if more else []
    return {
        "items": [
            {
                "event_id": str(view.event_id),
                "product_id": view.product_id,
                "viewer_id": view.viewer_id,
                "at": rfc3339(view.at),
            }
            for view in shown
        ],
        "next_cursor": cursors().make(listing, last) if more else None,
    }


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
