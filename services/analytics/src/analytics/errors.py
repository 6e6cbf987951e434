# SPDX-License-Identifier: Apache-2.0
"""The ways analytics says no."""

from common.problems import NotFound


class ProductNotFound(NotFound):
    detail = "There is no such product."


class OrderNotFound(NotFound):
    detail = "There is no such order."
