# SPDX-License-Identifier: Apache-2.0
"""What orders needs to know about its surroundings."""

from pydantic import Field

from common.settings import ServiceSettings


class Config(ServiceSettings):
    """Orders' settings.

    Attributes:
        web_threads: Requests that are at work share transactions, so no fewer than a batch takes.
        catalog_seconds: So long one call to catalog may take. Twice as long is within what a
            customer waits: one whose turn comes when the first calls fail may try, too.
        pending_seconds: So long one request, or one sweep, alone may settle a pending order; after
            that a retry with the same key, or the next sweep, takes the order over.
        open_store: Whether guests' carts and orders are open to requests without a token, as in
            S3's own shop. For demonstrations; whoever guesses a guest's number is that guest.
    """

    http_port: int = 9103
    worker_port: int = 9203
    web_threads: int = Field(default=64, ge=1)
    catalog_url: str = "http://127.0.0.1:9102"
    catalog_seconds: float = Field(default=1.2, gt=0)
    pending_seconds: float = Field(default=10.0, gt=0)
    sweep_seconds: float = Field(default=2.0, gt=0)
    idempotency_key_days: int = Field(default=7, ge=1)
    open_store: bool = False
