# SPDX-License-Identifier: Apache-2.0
"""Mechanism that the services share. No shop noun lives here but in the event contracts."""

import sys

# redis loads what it finds of OpenTelemetry, three megabytes a process and for nobody. Not finding
# it saves them; common.traces lets it in where somebody wants traces.
sys.modules.setdefault("opentelemetry", None)  # type: ignore[arg-type]
