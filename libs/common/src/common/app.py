# SPDX-License-Identifier: Apache-2.0
"""The front door of every service: one Flask application with the same manners."""

import re
import time
from collections.abc import Callable
from functools import cache, partial
from http import HTTPStatus
from secrets import token_hex
from typing import Any

import orjson
from apiflask import APIBlueprint, APIFlask
from apiflask.exceptions import HTTPError
from flask import Flask, Request, Response, current_app, g, jsonify, request
from flask.json.provider import JSONProvider
from flask.sessions import NullSession, SessionInterface
from sqlalchemy import Engine
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from common.access import Epochs, Guard, Reader, connect_redis, public
from common.context import Trace, current_trace, set_trace
from common.cursors import Cursors
from common.db import Database
from common.health import Check, readiness
from common.http import Client
from common.logs import configure_logs, get_logger
from common.metrics import REQUESTS, exposition
from common.problems import (
    MalformedBody,
    Problem,
    Unavailable,
    Unprocessable,
    UnsupportedMediaType,
)
from common.recent_writers import RecentWriters
from common.refusals import problem_of, response_to
from common.replica import Replica
from common.settings import ServiceSettings
from common.spec import describe
from common.tokens import KeySet, ServiceTokens, Verifier
from common.traces import start_traces

log = get_logger(__name__)

REQUEST_ID = re.compile(r"[0-9a-f]{32}")
MOST_BYTES = 1024 * 1024
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
QUIET_ROUTES = frozenset({"/healthz", "/readyz", "/metrics"})


class _Json(JSONProvider):
    def dumps(self, obj: Any, **_options: Any) -> str:
        return orjson.dumps(obj).decode()

    def loads(self, s: str | bytes, **_options: Any) -> Any:
        return orjson.loads(s)


class _Request(Request):
    def get_json(self, *_args: Any, **_options: Any) -> Any:
        """The body as JSON; no body is an empty object, so that its fields are what is missing."""
        body = self.get_data()
        if not body:
            return {}
        charset = self.mimetype_params.get("charset", "utf-8").lower()
        if not self.is_json or charset not in {"utf-8", "utf8"}:
            raise UnsupportedMediaType
        try:
            return orjson.loads(body)
        except ValueError as error:
            raise MalformedBody(f"The body is not valid JSON: {error}.") from error


class _NoSession(SessionInterface):
    """Nobody has a session: a token says who asks."""

    _nobodys = NullSession()

    def open_session(self, *_: Any) -> NullSession:
        return self._nobodys

    def is_null_session(self, _: object) -> bool:
        return True


class _Application(APIFlask):
    request_class = _Request
    json_provider_class = _Json
    session_interface = _NoSession()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing of ours is a coroutine; to look costs each request four times."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """No rule of ours names a host, and no address that we write; to read it costs twice."""
        if request is None:
            return super().create_url_adapter(None)
        return self.url_map.bind("", path_info=request.path, default_method=request.method)


def create_service(
    service: str,
    config: ServiceSettings,
    blueprints: list[APIBlueprint],
    *,
    database: Database | None = None,
    guard: Guard | None = None,
    strangers_write: bool = False,
) -> APIFlask:
    """A service's application, without its routes' own needs.

    Args:
        database: Another than the settings name.
        guard: Another than the usual one; auth asks its own database instead of itself.
        strangers_write: Whether requests without a token may write.
    """
    configure_logs(service, config.log_level)
    app = _Application(
        service,
        title=f"Souk {service}",
        docs_path=None,
        spec_path=None,
        static_folder=None,  # type: ignore[arg-type]
    )
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        AUTO_404_RESPONSE=False,
        AUTO_VALIDATION_ERROR_RESPONSE=False,
        MAX_CONTENT_LENGTH=MOST_BYTES,
        VALIDATION_ERROR_STATUS_CODE=422,
    )
    app.spec_processor(partial(describe, app))
    # One address, one answer: a slash too many or too few is never a redirect.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.extensions["database"] = database or Database.for_requests(config)
    _know_replica(app, config, strangers_write=strangers_write)
    app.extensions["guard"] = guard or default_guard(service, config)
    app.extensions["cursors"] = Cursors(config.secret_key.get_secret_value())
    _handle_problems(app)
    _trace_requests(app)
    start_traces(service, config, _engines(app), app)
    _answer_operators(app, config)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
    return app


def _engines(app: APIFlask) -> list[Engine]:
    found = (app.extensions[name] for name in ("database", "replica"))
    return [database.engine for database in found if database is not None]


def database() -> Database:
    """The current application's database; its replica for a request that may read what is old.

    Whoever decides something by what was read takes the one that the application was made with.
    """
    name = "replica" if g.get("reads_may_lag") else "database"
    found: Database = current_app.extensions[name]
    return found


def cursors() -> Cursors:
    """The current application's cursors."""
    found: Cursors = current_app.extensions["cursors"]
    return found


def default_guard(service: str, config: ServiceSettings) -> Guard:
    """The guard of every service that is not auth."""
    tokens = ServiceTokens(config.service_token_key.get_secret_value(), service)
    auth = Client(config.auth_url, tokens, read_seconds=1.0)
    keys = Client(config.jwks_url, None, read_seconds=1.0)
    return Guard(
        Verifier(
            KeySet(lambda: _get(keys, "")),
            issuer=config.token_issuer,
            audience=config.token_audience,
        ),
        Epochs(
            Reader(connect_redis(config.redis_url.get_secret_value())),
            lambda user_id: _get(auth, f"/internal/users/{user_id}/epoch")["epoch"],
        ),
        tokens,
    )


def _know_replica(app: APIFlask, config: ServiceSettings, *, strangers_write: bool) -> None:
    replica = Replica.beside(app.extensions["database"], config)
    app.extensions["replica"] = replica
    app.extensions["recent_writers"] = replica and RecentWriters(
        connect_redis(config.redis_url.get_secret_value()),
        app.name,
        most_lag=config.replica_most_lag_seconds,
        strangers_write=strangers_write,
    )


def _get(client: Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    if answer.status != HTTPStatus.OK:
        # Our own token or address is wrong: an operator's mistake, which no client can mend.
        log.error("auth_refused", path=path, status=answer.status)
        raise Unavailable
    document: dict[str, Any] = answer.json()
    return document


def _handle_problems(app: APIFlask) -> None:
    def answer(error: Exception) -> Response:
        return response_to(problem_of(error))

    def invalid(error: HTTPError) -> Response:
        fields: dict[str, Any] = {}
        if isinstance(error.detail, dict):
            for problems in error.detail.values():
                fields.update(problems)
        return response_to(Unprocessable(errors=fields))

    app.register_error_handler(HTTPError, invalid)
    for kind in (Problem, HTTPException, Exception):
        app.register_error_handler(kind, answer)


@cache
def _observer(method: str, route: str, status: int) -> Callable[[float], None]:
    """Where such requests' seconds go; to find it by its labels takes as long as to write."""
    observe: Callable[[float], None] = REQUESTS.labels(method, route, status).observe
    return observe


def _trace_requests(app: Flask) -> None:
    @app.before_request
    def begin() -> None:
        given = request.environ.get("HTTP_X_REQUEST_ID", "")
        g.began = time.perf_counter()
        set_trace(Trace(correlation_id=given if REQUEST_ID.fullmatch(given) else token_hex(16)))

    @app.after_request
    def end(response: Response) -> Response:
        seconds = time.perf_counter() - g.began
        response.headers["X-Request-Id"] = current_trace().correlation_id
        rule, method = request.url_rule, request.method
        route = rule.rule if rule else "none"
        # A client may invent methods without end; a metric may not have labels without end.
        known = method if method in METHODS else "other"
        _observer(known, route, response.status_code)(seconds)
        if route not in QUIET_ROUTES:
            log.info(
                "request",
                method=method,
                path=request.path,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
            )
        return response


def _answer_operators(app: APIFlask, config: ServiceSettings) -> None:
    redis = connect_redis(config.redis_url.get_secret_value())
    app.extensions["checks"] = [
        Check(name="database", ask=app.extensions["database"].ping),
        Check(name="redis", ask=redis.ping, required=False),
    ]
    operators = APIBlueprint("operators", __name__, enable_openapi=False)

    @operators.get("/healthz")
    @public
    def get_healthz() -> Response:
        return jsonify({"ok": True})

    @operators.get("/readyz")
    @public
    def get_readyz() -> tuple[Response, int]:
        body, ready = readiness(app.extensions["checks"])
        return jsonify(body), 200 if ready else 503

    @operators.get("/metrics")
    @public
    def get_metrics() -> Response:
        body, content_type = exposition()
        return Response(body, content_type=content_type)

    app.register_blueprint(operators)
