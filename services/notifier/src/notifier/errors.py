# SPDX-License-Identifier: Apache-2.0
"""The ways notifier says no."""

from common.problems import NotFound


class NotificationNotFound(NotFound):
    code = "not_found"
    detail = "There is no such notification."
