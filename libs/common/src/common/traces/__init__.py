# SPDX-License-Identifier: Apache-2.0
"""Traces, for whoever has a collector. Without one nothing here does or imports anything.

A trace's number is the request's id, so one word finds logs, events, mails and the trace. What an
event causes later belongs to the same trace: its envelope says which span it came from.
"""

import sys
from collections.abc import MutableMapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from common.settings import ServiceSettings

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Engine

    from common.amqp.publisher import Outgoing
    from common.traces.spans import Spans

PARENT = "traceparent"
"""W3C's name for the span that something came from, in headers and in envelopes."""

_spans: "Spans | None" = None


def start_traces(
    service: str, config: ServiceSettings, engines: Sequence["Engine"], app: "Flask | None" = None
) -> None:
    """Trace this process from now on, if the settings name a collector.

    Each process calls it for itself, after its forks: a thread sends the spans.
    """
    global _spans  # noqa: PLW0603 - one per process, as the libraries' own
    if not config.otel_exporter_otlp_endpoint:
        return
    if _spans is None:
        let_in()
        from common.traces.spans import Spans  # noqa: PLC0415 - 10 MB, for those who want traces

        _spans = Spans(service, config.otel_exporter_otlp_endpoint, engines)
    if app is not None:
        _spans.follow_requests(app)


def let_in() -> None:
    """Let OpenTelemetry be imported, which the package ``common`` hides from its libraries."""
    if sys.modules.get("opentelemetry", sys) is None:
        del sys.modules["opentelemetry"]


def current_parent() -> str | None:
    """The span that works now, for an envelope; None where nobody traces."""
    return _spans.current_parent() if _spans else None


def calling(method: str, headers: MutableMapping[str, str]) -> AbstractContextManager[None]:
    """A span for a call to another service in the block; the headers say which."""
    return _spans.calling(method, headers) if _spans else nullcontext()


def asking(statement: str) -> AbstractContextManager[None]:
    """A span for a statement that the block asks a database past SQLAlchemy."""
    return _spans.asking(statement) if _spans else nullcontext()


def publishing(messages: Sequence["Outgoing"]) -> AbstractContextManager[None]:
    """A span for each message that is published in the block; its headers say which."""
    return _spans.publishing(messages) if _spans else nullcontext()


def handling(event_type: str, told: str | None) -> AbstractContextManager[None]:
    """A span for the handling of an event in the block, which *told* has caused."""
    return _spans.handling(event_type, told) if _spans else nullcontext()


def handling_together(
    event_type: str, told: Sequence[str | None]
) -> AbstractContextManager[Sequence[str | None]]:
    """A span for each of many events that the block handles as one; gives what to call each.

    None of them is the one that works now: what the block does for all belongs to no trace.
    """
    return _spans.handling_together(event_type, told) if _spans else nullcontext(told)
