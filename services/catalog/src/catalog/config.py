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
    """

    reservation_overdue_seconds: int = Field(default=900, ge=1)
    overdue_repeat_seconds: int = Field(default=300, ge=1)
    overdue_sweep_seconds: float = Field(default=5.0, gt=0)
