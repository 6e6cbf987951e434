# SPDX-License-Identifier: Apache-2.0
"""The ways in which orders says no."""

from uuid import UUID

from common.idempotency import InProgress
from common.problems import Problem, Unavailable


class Refused(Problem):
    """An order that will not stand, for a reason that its customer should know."""

    status = 409


class ProductNotFound(Refused):
    """Members: ``items``, every unknown product by its ``product_id`` or by what it was called."""

    status = 404
    detail = "There is no such product."


class CustomerNotFound(Problem):
    status = 404
    detail = "There is no such customer."


class NotInCart(Problem):
    status = 404
    detail = "This product is not in your cart."


class CartFull(Problem):
    status = 409
    detail = "A cart holds at most 100 different products."


class OrderNotFound(Problem):
    status = 404
    detail = "There is no such order."


class EmptyOrder(Problem):
    status = 422
    detail = "There is nothing to order."


class OrderTooLarge(Refused):
    status = 422
    detail = "The total of this order is too large."


class InsufficientStock(Refused):
    """Members: ``items``, every short line with ``product_id``, ``requested``, ``available``."""

    detail = "There is not enough stock for every line; nothing was taken."


class PriceChanged(Refused):
    """Members: what catalog says differs, ``items`` or ``total``."""

    detail = "A price is not what the order expects; nothing was taken."


class BeingPlaced(InProgress):
    """The order that this request is about is still being placed, by another request."""

    code = InProgress.code

    def __init__(self, order_id: UUID) -> None:
        super().__init__("An order like this is being placed; ask again.")
        self.order_id = order_id


class NotCancellable(Problem):
    status = 409
    detail = "This order never stood; there is nothing to cancel."


class ReservationImpossible(Unavailable):
    """Catalog will never hold stock under this order's id; a new order may have more luck."""


REFUSALS: dict[str, type[Refused]] = {
    refusal.code: refusal
    for refusal in (InsufficientStock, OrderTooLarge, PriceChanged, ProductNotFound)
}
"""Catalog's refusals that are the customer's to know, by their code."""
