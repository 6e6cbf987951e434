# SPDX-License-Identifier: Apache-2.0
"""An import of products: rows are checked one by one, and good ones go in by the hundred."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from pydantic import ValidationError

from catalog.commands.imports import import_products
from catalog.commands.products import NewProduct
from catalog.queries import known_skus
from catalog.schemas import NewProductIn, Sku
from common.context import Trace, traced
from common.db import Database
from soukctl.sheets import Row

ROWS_AT_ONCE = 500
"""In one transaction: few enough that nobody waits for it, enough that it costs little a row."""
COLUMNS = ("sku", "name", "description", "mark", "price", "quantity", "low_stock_at")
NEEDED = ("sku", "name", "price")


class ImportedProductIn(NewProductIn):
    """A product as ``/v1`` takes it, but with a sku: by it a repetition knows what is there."""

    sku: Sku


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with one row; *field* is empty where it is the whole."""

    row: int
    sku: str
    field: str
    fault: str


@dataclass(kw_only=True)
class Tally:
    """What became of the rows so far."""

    rows: int = 0
    imported: int = 0
    already_there: int = 0
    faulty: int = 0


@dataclass(kw_only=True)
class Reading:
    """Turns rows into products, and keeps what is wrong with the others.

    Attributes:
        from_text: Whether every value is text, as in CSV.
    """

    from_text: bool
    tally: Tally
    faults: list[Fault] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)

    def products(self, rows: Iterable[Row]) -> Iterator[NewProduct]:
        for row in rows:
            self.tally.rows += 1
            product = self._read(row)
            if product is None:
                self.tally.faulty += 1
            else:
                yield product

    def _read(self, row: Row) -> NewProduct | None:
        if row.fields is None:
            self._refuse(row, "", row.fault)
            return None
        try:
            wanted = self._validate(row.fields)
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                where = ".".join(str(part) for part in one["loc"])
                self._refuse(row, where, one["msg"].removeprefix("Value error, "))
            return None
        first = self._seen.setdefault(wanted.sku, row.number)
        if first != row.number:
            self._refuse(row, "sku", f"is in row {first} already")
            return None
        return NewProduct(**wanted.model_dump())

    def _validate(self, fields: dict[str, Any]) -> ImportedProductIn:
        if self.from_text:
            return ImportedProductIn.model_validate_strings(fields)
        return ImportedProductIn.model_validate(fields)

    def _refuse(self, row: Row, where: str, fault: str) -> None:
        sku = str((row.fields or {}).get("sku", ""))
        self.faults.append(Fault(row=row.number, sku=sku, field=where, fault=fault))


@dataclass(frozen=True, kw_only=True)
class Importer:
    """Puts products up for sale in the name of one admin."""

    database: Database
    seller_id: int
    seller_name: str
    currency: str
    dry_run: bool

    def bring(self, products: Iterable[NewProduct], tally: Tally) -> Iterator[None]:
        """Work through *products*; yields after each part that is safely in."""
        products = iter(products)
        while part := list(islice(products, ROWS_AT_ONCE)):
            with traced(Trace(actor=f"user/{self.seller_id}")):
                came = self._new_among(part) if self.dry_run else self._import(part)
            tally.imported += came
            tally.already_there += len(part) - came
            yield

    def _new_among(self, part: Sequence[NewProduct]) -> int:
        return len(part) - len(self.database.read(known_skus, [str(one.sku) for one in part]))

    def _import(self, part: Sequence[NewProduct]) -> int:
        return self.database.run(
            import_products,
            new=part,
            seller_id=self.seller_id,
            seller_name=self.seller_name,
            currency=self.currency,
        )
