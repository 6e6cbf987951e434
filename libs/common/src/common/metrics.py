# SPDX-License-Identifier: Apache-2.0
"""Every metric that more than one service has. Few labels, never ids."""

import os

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

REQUESTS = Histogram(
    "souk_request_seconds", "HTTP requests by route and status", ["method", "route", "status"]
)
COMMANDS = Histogram("souk_command_seconds", "Commands, with all their attempts", ["command"])
COMMAND_RETRIES = Counter(
    "souk_command_retries_total", "Commands run again after a lost race", ["command", "errno"]
)
BATCH_SIZES = Histogram(
    "souk_batch_items",
    "Items that shared one transaction or one call",
    ["batch"],
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
OUTBOX_DEPTH = Gauge(
    "souk_outbox_depth", "Events that wait for the broker", multiprocess_mode="max"
)
OUTBOX_OLDEST = Gauge(
    "souk_outbox_oldest_seconds", "Age of the oldest waiting event", multiprocess_mode="max"
)
REPLICA_READS = Counter(
    "souk_replica_reads_total",
    "Reads that might have been a moment old, by the server that answered",
    ["server"],
)
PUBLISHED = Counter("souk_events_published_total", "Events that the broker confirmed", ["event"])
UNPUBLISHED = Counter(
    "souk_events_publish_failures_total", "Events that it did not, by reason", ["reason"]
)
HANDLED = Counter(
    "souk_events_handled_total",
    "Events by outcome: done, duplicate, retried, dead",
    ["event", "outcome"],
)
LAG = Histogram(
    "souk_event_lag_seconds",
    "From an event's time to the commit of its effect",
    ["event"],
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600),
)
QUEUE_MESSAGES = Gauge(
    "souk_queue_messages", "Messages of a queue: waiting, retrying, dead", ["queue", "kind"]
)
POOL_LIMIT = Gauge(
    "souk_pool_limit_connections",
    "Database connections that there may be",
    multiprocess_mode="livesum",
)
POOL_USED = Gauge(
    "souk_pool_used_connections",
    "Database connections that somebody works with",
    multiprocess_mode="livesum",
)
POOL_WAITING = Gauge(
    "souk_pool_waiting_callers", "Who waits for a connection", multiprocess_mode="livesum"
)
POOL_TIMEOUTS = Counter("souk_pool_timeouts_total", "Who waited in vain, and was told 503")


def exposition() -> tuple[bytes, str]:
    """All metrics of this process, or of all processes of a gunicorn, and their content type."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST
