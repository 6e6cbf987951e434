# SPDX-License-Identifier: Apache-2.0
"""What catalog needs to know about its surroundings."""

from pydantic import Field

from common.settings import ServiceSettings


class Config(ServiceSettings):
    """Catalog's settings.

    Attributes:
        reservation_overdue_seconds: So long a reservation may wait for orders' word before catalog
            asks for it. No clock ever takes the units away.
        overdue_repeat_seconds: So long it waits before it asks again.
        web_threads: Pages that wait share a statement, so many of them cost less each.
        open_store: Whether S3's clients may add products and stock without a token, as the
            built-in seller ``store``. For demonstrations; never in production.
    """

    reservation_overdue_seconds: int = Field(default=900, ge=1)
    overdue_repeat_seconds: int = Field(default=300, ge=1)
    overdue_sweep_seconds: float = Field(default=5.0, gt=0)
    web_threads: int = Field(default=16, ge=1)
    open_store: bool = False
