# SPDX-License-Identifier: Apache-2.0
"""The spans themselves. This module and its neighbour are imported where spans are wanted."""

import re
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING

import orjson
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes
from sqlalchemy import Engine

from common.amqp.publisher import Outgoing
from common.context import Trace, current_trace, traced
from common.traces import PARENT
from common.traces.statements import described, follow_statements

if TYPE_CHECKING:
    from flask import Flask

REQUEST_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")
EXPORT_SECONDS = 3.0
"""Short, because a process that ends waits for its last spans."""
QUIET_ROUTES = "/healthz$,/readyz$,/metrics$"
BEGINNINGS = {SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER}

_wire = TraceContextTextMapPropagator()


class _RequestIds(RandomIdGenerator):
    def generate_trace_id(self) -> int:
        given = current_trace().correlation_id
        return int(given, 16) if REQUEST_ID.fullmatch(given) else super().generate_trace_id()


class _Beginnings(Sampler):
    """A trace begins with a request or an event, never with the look that a clock makes."""

    def should_sample(  # noqa: PLR0917 - the signature is given
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        del parent_context, trace_id, name, attributes, links, trace_state
        return SamplingResult(Decision.RECORD_AND_SAMPLE if kind in BEGINNINGS else Decision.DROP)

    def get_description(self) -> str:
        return "requests and events"


class Spans:
    """This process's spans, sent to a collector beside its work.

    Args:
        collector: The base of its OTLP/HTTP address; OpenTelemetry's other variables count too.
    """

    def __init__(self, service: str, collector: str, engines: Sequence[Engine]) -> None:
        provider = TracerProvider(
            sampler=ParentBased(_Beginnings()),
            resource=Resource.create({"service.name": service, "service.namespace": "souk"}),
            id_generator=_RequestIds(),
        )
        address = f"{collector.rstrip('/')}/v1/traces"
        exporter = OTLPSpanExporter(endpoint=address, timeout=EXPORT_SECONDS)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        self._tracer = trace.get_tracer("souk")
        RedisInstrumentor().instrument()
        for engine in engines:
            follow_statements(engine, self._tracer)

    def follow_requests(self, app: "Flask") -> None:
        """A span for each request of *app*; whoever sets the request's id must do it before."""
        # A worker has no use for Flask.
        from opentelemetry.instrumentation.flask import FlaskInstrumentor  # noqa: PLC0415

        FlaskInstrumentor().instrument_app(  # type: ignore[no-untyped-call]
            app, excluded_urls=QUIET_ROUTES, enable_commenter=False
        )

    def current_parent(self) -> str | None:
        return _name_of(trace.get_current_span())

    @contextmanager
    def publishing(self, messages: Sequence[Outgoing]) -> Iterator[None]:
        spans = []
        for message in messages:
            span = self._publishing(message)
            _wire.inject(message.headers, trace.set_span_in_context(span))
            spans.append(span)
        try:
            yield
        finally:
            for span in spans:
                span.end()

    def _publishing(self, message: Outgoing) -> trace.Span:
        name, told = f"publish {message.type}", orjson.loads(message.body).get(PARENT)
        cause = Trace(correlation_id=message.correlation_id or "")
        with traced(cause):
            return self._tracer.start_span(name, _context_of(told), kind=SpanKind.PRODUCER)

    @contextmanager
    def calling(self, method: str, headers: MutableMapping[str, str]) -> Iterator[None]:
        with self._working(method, None, SpanKind.CLIENT):
            _wire.inject(headers)
            yield

    @contextmanager
    def asking(self, statement: str) -> Iterator[None]:
        name, words = described(statement)
        with self._working(name, None, SpanKind.CLIENT):
            trace.get_current_span().set_attributes(words)
            yield

    def handling(self, event_type: str, parent: str | None) -> AbstractContextManager[None]:
        return self._working(f"handle {event_type}", _context_of(parent), SpanKind.CONSUMER)

    @contextmanager
    def handling_together(
        self, event_type: str, parents: Sequence[str | None]
    ) -> Iterator[list[str | None]]:
        with ExitStack() as ends:
            spans = [
                self._tracer.start_span(
                    f"handle {event_type}", _context_of(parent), kind=SpanKind.CONSUMER
                )
                for parent in parents
            ]
            for span in spans:
                ends.callback(span.end)
            yield [_name_of(span) for span in spans]

    @contextmanager
    def _working(self, name: str, parent: Context | None, kind: SpanKind) -> Iterator[None]:
        with self._tracer.start_as_current_span(
            name, parent, kind=kind, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except Exception as error:
                # Only its kind: its text may hold what the event or the answer holds.
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise


def _name_of(span: trace.Span) -> str | None:
    carrier: dict[str, str] = {}
    _wire.inject(carrier, trace.set_span_in_context(span, Context()))
    return carrier.get(PARENT)


def _context_of(parent: object) -> Context:
    return _wire.extract({PARENT: parent} if isinstance(parent, str) else {}, Context())
