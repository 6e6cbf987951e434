# SPDX-License-Identifier: Apache-2.0
"""The online store of the 12.12 sale as its README tells it: the denominator of P1.

Flask's threaded development server, one lock around the shared stock, a database connection per
request. No idempotency, no events; right in one process only. Neither better nor worse than that.
"""
