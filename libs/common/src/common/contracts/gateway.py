# SPDX-License-Identifier: Apache-2.0
"""What the gateway tells the world."""

from typing import ClassVar

from common.events import Event


class ProductViewed(Event):
    """Somebody looked at a product's page, whether or not a cache answered.

    Attributes:
        viewer_id: The user whose verified token came with the request; null for anonymous ones.
        session: A keyed hash that tells anonymous viewers apart; it names nobody.
    """

    publisher: ClassVar[str] = "gateway"

    product_id: int
    viewer_id: int | None
    session: str
    status: int
    path: str

    def subject(self) -> str:
        return f"product/{self.product_id}"
