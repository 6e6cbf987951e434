# SPDX-License-Identifier: Apache-2.0
"""Headers that calls read or send beside bodies. Views set them by hand, so they stand here."""

from typing import Any

_PAGES = ("get /v1/products/{ref}", "get /api/products/{ref}", "get /product/{ref}")
_CHANGES = ("patch /v1/products/{ref}", "put /api/products/{ref}", "put /product/{ref}")
_NEW_PRODUCTS = ("post /v1/products", "post /api/products", "post /product/add")
_NEW = (*_NEW_PRODUCTS, "post /v1/users", "post /api/users", "post /v1/pictures")
_RAW = "get /v1/pictures/{ref}/raw"
_LISTS = ("get /products", "get /product/all", "get /api/products", "get /api/products/my")
_ORDERS = ("post /v1/orders", "post /order/add")

READ = {
    "If-None-Match": ((*_PAGES, _RAW), "An `ETag`; what still has it is not sent again."),
    "If-Match": (_CHANGES, "An `ETag`; whoever changes something newer gets 412."),
}
"""Who reads the header, and what for. None is needed."""

SENT = {
    ("200", "ETag"): ((*_PAGES, *_CHANGES, _RAW), "The version."),
    ("201", "ETag"): (_NEW_PRODUCTS, "The version."),
    ("200", "X-Product-Id"): (_PAGES, "The product's number, whatever name the path has."),
    ("201", "Location"): (_NEW, "Where the new thing is."),
    ("200", "Link"): ((*_LISTS, "get /api/users"), "The first, previous, next and last page."),
}
"""Who sends the header, always, with which status."""

SENT_SOMETIMES = {
    ("200", "X-Total-Count"): (
        (*_LISTS, "get /api/users"),
        "How many there are, up to 10,000.",
    ),
    ("201", "Idempotent-Replayed"): (_ORDERS, "`true` where the order was there already."),
}

TEXT = {"type": "string"}


def add(paths: dict[str, Any]) -> None:
    """Write the headers into the operations of a whole document.

    Raises:
        KeyError: A call that is named here is gone.
    """
    for name, (calls, told) in READ.items():
        for call in calls:
            parameter = {"name": name, "in": "header", "required": False, "schema": TEXT}
            operation = _operation(paths, call)
            operation["parameters"] = [*operation["parameters"], parameter | {"description": told}]
    for always, table in ((True, SENT), (False, SENT_SOMETIMES)):
        for (status, name), (calls, told) in table.items():
            for call in calls:
                response = _operation(paths, call)["responses"][status]
                header = {"description": told, "required": always, "schema": TEXT}
                response["headers"] = {**response.get("headers", {}), name: header}


def _operation(paths: dict[str, Any], call: str) -> dict[str, Any]:
    method, _, path = call.partition(" ")
    operation: dict[str, Any] = paths[path][method]
    return operation
