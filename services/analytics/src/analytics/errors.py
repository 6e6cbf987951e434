# SPDX-License-Identifier: Apache-2.0
"""The ways analytics says no."""

from common.problems import NotFound, Problem


class ProductNotFound(NotFound):
    detail = "There is no such product."


class OrderNotFound(NotFound):
    detail = "There is no such order."


class ReplayRefused(Problem):
    status = 409
    detail = "The consumer refuses some of these events; see errors. Choose another stretch."


class DayClosed(Exception):
    """A view came when its day had been dropped: it stays a dead letter."""
