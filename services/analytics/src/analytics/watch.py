# SPDX-License-Identifier: Apache-2.0
"""The audit by the clock: its verdict as a metric, so that nobody has to ask for it."""

import time

from prometheus_client import Gauge

from analytics.audit import Auditor

VIOLATIONS = Gauge(
    "souk_invariant_violations", "What breaks a rule of the audit, 100 at most; 0 is good", ["rule"]
)
FINISHED = Gauge(
    "souk_audit_finished_timestamp_seconds", "When an audit last came to a verdict; 0 for never"
)
TOOK = Gauge("souk_audit_seconds", "How long that audit took")


def watch(auditor: Auditor) -> None:
    """Hold the audit and show what it says.

    Without a verdict everything keeps its value, and only the growing age of the last one tells:
    a service that is away is no violation. Several workers may watch; they only read.
    """
    began = time.monotonic()
    for check in auditor.audit():
        VIOLATIONS.labels(check.name).set(len(check.violations))
    TOOK.set(time.monotonic() - began)
    FINISHED.set_to_current_time()
