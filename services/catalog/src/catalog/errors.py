# SPDX-License-Identifier: Apache-2.0
"""The ways in which catalog says no."""

from typing import Any

from common.problems import Problem, Unprocessable
from common.schemas import MOST_UNITS


class ProductNotFound(Problem):
    status = 404
    detail = "There is no such product."


class SkuTaken(Problem):
    status = 409
    detail = "Another product has this sku."


class AmbiguousName(Problem):
    status = 409
    detail = "Several products have this name; say which by id, public id or sku."


class TooManyUnits(Problem):
    """More than the column can count."""

    status = 422
    detail = f"At most {MOST_UNITS} units of a product fit."


class BelowReserved(Problem):
    status = 409
    detail = "So many units are already promised to orders."


class StaleProduct(Problem):
    status = 412
    detail = "The product has changed since you read it; read it again."


class PictureNotFound(Problem):
    status = 404
    detail = "There is no such picture."


class NotBase64(Unprocessable):
    code = "not_base64"
    detail = "The picture's data is not base64."


class PictureFormat(Problem):
    status = 415
    detail = "A picture is a PNG, JPEG, GIF or WebP, whole and by its content."


class PictureTooLarge(Problem):
    status = 413
    detail = "A picture has at most 5 MiB."


class PictureNotStored(Problem):
    """The database takes everything else, but not this: its own limits are too low."""

    status = 500
    detail = "The picture could not be stored."


class InsufficientStock(Problem):
    """Members: ``items``, every short line with ``product_id``, ``requested``, ``available``."""

    status = 409
    detail = "There is not enough stock for every line; nothing was taken."


class PriceChanged(Problem):
    """Members: ``items``, every line whose price is another, or ``total``; money as text."""

    status = 409
    detail = "A price is not what the order expects; nothing was taken."


class OrderTooLarge(Problem):
    """Every line would fit, but no column holds their total."""

    status = 422
    detail = "The total of this order is too large; nothing was taken."


class ReservationReleased(Problem):
    """The order was rejected or cancelled before its stock was reserved."""

    status = 409
    code = "released"
    detail = "This order has already ended; nothing was taken."


class ReservationConflict(Problem):
    status = 409
    detail = "This order has reserved something else before."


class ReservationMissing(Exception):
    """An order stands for which nothing was reserved: a broken promise of ours."""


REFUSALS: dict[str, type[Problem]] = {
    refusal.code: refusal
    for refusal in (InsufficientStock, OrderTooLarge, PriceChanged, ProductNotFound)
}
"""Refusals of a reservation: stored, and given again to whoever repeats the command."""


def refusal_from(stored: dict[str, Any]) -> Problem:
    return REFUSALS[stored["code"]](**stored["members"])
