# SPDX-License-Identifier: Apache-2.0
"""What the gateway tells the world."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PlainSerializer

from common.clock import rfc3339
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


class OneView(BaseModel):
    """One of ``ProductsViewed``.

    Attributes:
        id: The same as that of the ``ProductViewed`` which older gateways make of it.
        request_id: The gateway's; their ``correlationid``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    time: Annotated[datetime, PlainSerializer(rfc3339, when_used="json")]
    request_id: str
    product_id: int
    viewer_id: int | None
    session: str
    status: int
    path: str


class ProductsViewed(Event):
    """Many a ``ProductViewed`` in one message, in the order of the gateway's log.

    How they are put together means nothing, and may be another when they are told again: a view is
    known by its own id.
    """

    publisher: ClassVar[str] = "gateway"
    gathers: ClassVar[str] = "views"

    views: list[OneView]

    def subject(self) -> str:
        return "products"

    def ids(self) -> Collection[UUID]:
        return [view.id for view in self.views]
