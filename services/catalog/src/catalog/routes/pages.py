# SPDX-License-Identifier: Apache-2.0
"""How one product is shown, on every surface alike: its tag, its id for the view log, its 304."""

import orjson
from flask import Response, request

from catalog.errors import StaleProduct
from catalog.models import Product
from common.schemas import Shown

NOT_MODIFIED = {304: "It is still what the ETag in If-None-Match names."}


def product_page(product: Product, shown: Shown) -> Response:
    """One product with what the gateway needs: its ETag, and its id for the view log."""
    response = Response(orjson.dumps(shown.model_dump()), content_type="application/json")
    response.headers["ETag"] = etag(product)
    response.headers["X-Product-Id"] = str(product.id)
    response.headers["Cache-Control"] = "no-cache"
    response.make_conditional(request)
    return response


def etag(product: Product) -> str:
    return f'"{product.etag}"'


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
