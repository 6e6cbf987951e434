# SPDX-License-Identifier: Apache-2.0
"""Logs: one JSON object a line, with the request id that the gateway gave."""

import contextlib
import json
import logging
import sys
from typing import Any, TextIO

import orjson

from common.context import current_trace
from common.hiding import hidden

# structlog paints tracebacks with rich where it finds it, and it looks once: while it is imported.
# Our logs are JSON; not finding it saves each process five megabytes.
with hidden("rich"):
    import structlog
    from structlog.typing import EventDict, WrappedLogger

HIDDEN = "[hidden]"
SECRET_FIELDS = frozenset(
    {"password", "token", "access_token", "refresh_token", "authorization", "secret", "key", "body"}
)


def _add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.setdefault("correlation_id", current_trace().correlation_id)
    return event


def _hide_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    # A second fence: nobody should log these, and if somebody does, nobody reads them.
    hidden: EventDict = _without_secrets(event)
    return hidden


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: HIDDEN if str(name).lower() in SECRET_FIELDS else _without_secrets(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return value


def _dumps(event: Any, **_options: Any) -> str:
    try:
        return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        # Integers beyond 64 bits and lone surrogates: a line must not be lost for them.
        return json.dumps(event, default=str, skipkeys=True)


class _StandardOutput(logging.StreamHandler[TextIO]):
    """Writes to what is standard output at that moment, so that it can be redirected later."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stdout
        super().emit(record)


class _Lines:
    """Our own lines: straight to the same place, without a record that nobody else reads."""

    def msg(self, line: str) -> None:
        # Whoever works must not fail because its log is full or closed.
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()

    debug = info = warning = error = critical = msg


def configure_logs(service: str, level: str = "info") -> None:
    """Send this process's logs, and those of its libraries, to standard output as JSON."""
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        _hide_secrets,
        structlog.processors.format_exc_info,
    ]
    written: list[structlog.typing.Processor] = [
        lambda _logger, _method, event: {"service": service, **event},
        structlog.processors.JSONRenderer(serializer=_dumps),
    ]
    structlog.configure(
        processors=[*shared, *written],
        logger_factory=lambda *_: _Lines(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,  # tests configure more than one service
    )
    handler = _StandardOutput(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *written],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # It tells of every failed connection in seven errors; ours says it in one line.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    for chatty in ("urllib3", "alembic.runtime.plugins", "werkzeug", "botocore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(name)
    return logger
