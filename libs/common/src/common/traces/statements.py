# SPDX-License-Identifier: Apache-2.0
"""Spans of the statements that a database is asked.

OpenTelemetry's own instrumentation of SQLAlchemy goes up to 2.0, and repeats the driver's words on
a failure, which may hold what was in the statement.
"""

from functools import partial
from typing import Any

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from sqlalchemy import Connection, Engine, ExceptionContext, event

SPAN = "souk.span"


def follow_statements(engine: Engine, tracer: Tracer) -> None:
    """A span for each statement from now on; it shows the text, without the values."""
    event.listen(engine, "before_cursor_execute", partial(_begin, tracer))
    event.listen(engine, "after_cursor_execute", _end)
    event.listen(engine, "handle_error", _fail)


def described(statement: str) -> tuple[str, dict[str, str]]:
    """The name and the attributes of a statement's span."""
    words = {"db.system": "mysql", "db.statement": statement}
    return statement.split(maxsplit=1)[0].upper(), words


def _begin(tracer: Tracer, connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
    name, words = described(statement)
    connection.info[SPAN] = tracer.start_span(name, kind=SpanKind.CLIENT, attributes=words)


def _end(connection: Connection, *_: Any) -> None:
    span: Span = connection.info.pop(SPAN)
    span.end()


def _fail(context: ExceptionContext) -> None:
    found = context.connection
    if found is None or found.invalidated or SPAN not in found.info:
        return
    span: Span = found.info.pop(SPAN)
    span.set_status(StatusCode.ERROR, type(context.original_exception).__name__)
    span.end()
