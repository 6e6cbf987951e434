# SPDX-License-Identifier: Apache-2.0
"""What the seed surfaces take and show: one product shape with all the seeds' names in it."""

from typing import Annotated, Any

from pydantic import Field, RootModel, model_validator

from catalog.models import Product, ShownProduct
from catalog.schemas import Description, Mark, Name, Sku, changes_like
from common.money import Amount, to_number
from common.schemas import Schema, Shown, Units

TWINS = {"product_name": "name", "stock": "quantity"}
"""S3's words, and what the other seeds call the same."""


def _like(example: dict[str, Any]) -> Any:
    """The common manners of a body, with the seed's own as its example."""
    return Schema.model_config | {"json_schema_extra": {"examples": [example]}}


class SeedNewProductIn(Schema):
    """A product to sell, as S1 and S2 put it."""

    model_config = _like(
        {"sku": "d7iy6euiue", "name": "zapatos", "price": 300, "mark": "chabelo", "quantity": 5}
    )

    name: Name
    price: Amount
    sku: Sku | None = None
    description: Description | None = None
    mark: Mark | None = None
    quantity: Units = 0


class SeedChangesIn(Schema):
    """Only what is named changes, under any of the seeds' names; null clears what may be empty."""

    model_config = Schema.model_config | {"json_schema_extra": changes_like({"price": 500})}

    name: Name = ""
    product_name: Name = ""
    price: Amount = 0
    sku: Sku | None = None
    description: Description | None = None
    mark: Mark | None = None
    quantity: Units = 0
    stock: Units = 0

    @model_validator(mode="after")
    def _twins_agree(self) -> "SeedChangesIn":
        for one, other in TWINS.items():
            both = {one, other} <= self.model_fields_set
            if both and getattr(self, one) != getattr(self, other):
                raise ValueError(f"{one} and {other} are the same and must be equal")
        return self

    def changes(self) -> dict[str, Any]:
        """New values by our own field names, without the units."""
        return {field: value for field, value in self._named().items() if field != "quantity"}

    def units(self) -> int | None:
        """How many there are to sell, where the client says so."""
        return self._named().get("quantity")

    def _named(self) -> dict[str, Any]:
        return {TWINS.get(field, field): getattr(self, field) for field in self.model_fields_set}


class StoreProductIn(Schema):
    """A product to sell, as S3 puts it; it costs nothing until somebody says otherwise."""

    model_config = _like({"product_name": "product1", "stock": 0})

    product_name: Name
    stock: Units


class StoreStockIn(Schema):
    """Units that came in."""

    model_config = _like({"product_id": "product1", "stock": 10})

    product_id: Annotated[int, Field(gt=0, lt=2**63)] | Name
    stock: Units


class SeedProductOut(Shown):
    """A product; ``quantity`` and ``stock`` are the units that are left to sell."""

    id: int
    product_id: int
    public_id: str
    sku: str | None
    name: str
    product_name: str
    description: str | None
    price: int | float
    mark: str | None
    quantity: int
    stock: int
    user_id: int
    created_at: str
    updated_at: str

    @classmethod
    def of(cls, product: Product) -> "SeedProductOut":
        return cls.model_validate(cls.shape(ShownProduct.of(product)))

    @staticmethod
    def shape(product: ShownProduct) -> dict[str, Any]:
        """The same as plain values; see ``ProductOut``."""
        return {
            "id": product.id,
            "product_id": product.id,
            "public_id": product.public_id,
            "sku": product.sku,
            "name": product.name,
            "product_name": product.name,
            "description": product.description,
            "price": to_number(product.price_minor),
            "mark": product.mark,
            "quantity": product.available,
            "stock": product.available,
            "user_id": product.seller_id,
            "created_at": product.created_at,
            "updated_at": product.updated_at,
        }


class SeedProductsOut(RootModel[list[SeedProductOut]]):
    """Products by ascending id."""


class SeedDeletedOut(Shown):
    message: str
    id: int
