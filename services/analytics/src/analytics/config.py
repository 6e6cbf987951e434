# SPDX-License-Identifier: Apache-2.0
"""What analytics needs to know about its surroundings."""

from pydantic import Field

from common.settings import ServiceSettings


class Config(ServiceSettings):
    """Settings of analytics.

    Attributes:
        inbox_kept_days: How long handled events are remembered. Every effect is idempotent by a key
            of its own as well, so a dead letter that is replayed later does no harm either.
        audit_every_seconds: How long the worker waits between two audits of the whole shop.
        partitions_ahead_days: For how many days to come the views' partitions exist.
        views_kept_days: How many days of views before today are kept; 0 keeps all. Counters stay in
            any case. More than anything may wait on its way: a view that comes when its day is gone
            is a dead letter.
    """

    http_port: int = 9105
    worker_port: int = 9205
    catalog_url: str = "http://127.0.0.1:9102"
    orders_url: str = "http://127.0.0.1:9103"
    notifier_url: str = "http://127.0.0.1:9104"
    audit_every_seconds: int = Field(default=300, ge=1, le=3600)
    inbox_kept_days: int = Field(default=7, ge=1, le=365)
    partitions_ahead_days: int = Field(default=7, ge=1, le=60)
    views_kept_days: int = Field(default=0, ge=0, le=3650)
