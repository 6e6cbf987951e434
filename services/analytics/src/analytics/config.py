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
    """

    http_port: int = 9105
    worker_port: int = 9205
    catalog_url: str = "http://127.0.0.1:9102"
    orders_url: str = "http://127.0.0.1:9103"
    notifier_url: str = "http://127.0.0.1:9104"
    audit_every_seconds: int = Field(default=300, ge=1, le=3600)
    inbox_kept_days: int = Field(default=7, ge=1, le=365)
    partitions_ahead_days: int = Field(default=7, ge=1, le=60)
