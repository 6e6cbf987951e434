# SPDX-License-Identifier: Apache-2.0
"""Problems as HTTP answers: the one place that turns an exception into a response."""

from http import HTTPStatus

import orjson
from flask import Response, request
from werkzeug.exceptions import HTTPException

from common.events import snake_case
from common.logs import get_logger
from common.problems import Problem, Unavailable
from common.seeds import SEED_PATH, mithril

log = get_logger(__name__)


class BadGateway(Problem):
    """What ``Unavailable`` is called on the seed surfaces."""

    status = 502


def response_to(problem: Problem) -> Response:
    """A refusal in the words of the surface that was called."""
    if isinstance(problem, Unavailable) and SEED_PATH.match(request.path):
        problem = BadGateway(problem.detail, headers=problem.headers, **problem.members)
    if mithril.PATH.match(request.path):
        return mithril.refusal(problem)
    body = orjson.dumps(problem.document(instance=request.path))
    return Response(body, problem.status, problem.headers, content_type="application/problem+json")


def _of_http_exception(error: HTTPException) -> Problem:
    status = HTTPStatus(error.code or 500)
    problem = Problem(error.description or status.description or status.phrase)
    # Flask's own refusals (404, 405, 413, …) have no class of ours: nobody catches them by name.
    problem.status = int(status)
    problem.code = snake_case(type(error).__name__)
    problem.headers = {
        name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After"}
    }
    return problem


def problem_of(error: Exception) -> Problem:
    """What a client may see of *error*: of an unknown one only the request id, for our logs."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return _of_http_exception(error)
    log.error("request_failed", exc_info=error)
    return Problem("Something went wrong on our side; the request id finds it in the logs.")
