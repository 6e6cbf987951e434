# SPDX-License-Identifier: Apache-2.0
"""S0's rule that a client says what it takes."""

from flask import request

from common.problems import Problem


class AcceptMissing(Problem):
    status = 440
    detail = "Send an Accept header; */* will do."


def must_accept() -> None:
    """Refuse a request without any ``Accept`` header; for ``blueprint.before_request``.

    Raises:
        AcceptMissing
    """
    if "Accept" not in request.headers:
        raise AcceptMissing
