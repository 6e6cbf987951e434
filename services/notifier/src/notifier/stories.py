# SPDX-License-Identifier: Apache-2.0
"""What events mean to the person who reads the mail. No markup here, and no addresses."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from common.contracts import (
    Change,
    Event,
    OrderCancelled,
    OrderPlaced,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductPriceChanged,
    StockChanged,
    StockLow,
)
from common.events import Envelope
from common.money import to_text

LONGEST_NAME = 80
LONGEST_HEADLINE = 200
NOTHING = "—"
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
MONEY_FIELDS = frozenset({"price"})

Part = tuple[Envelope, Event]


@dataclass(frozen=True, kw_only=True)
class Called:
    """What a product is called."""

    sku: str | None
    name: str


Names = Mapping[int, Called]
"""By product id; of those that nobody has told us about there is nothing."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One value before and after."""

    label: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a receipt."""

    name: str
    quantity: int
    unit_price: str
    subtotal: str


@dataclass(frozen=True, kw_only=True)
class Story:
    """One change, told.

    Attributes:
        headline: Also the subject of its mail; one line.
        facts: What it happened to: ``(("Product", "Blue shoes"), ("SKU", "SH-1"))``.
        actor: Who did it, as the event says: ``user/7``.
        at: When it happened, UTC.
    """

    headline: str
    intro: str
    actor: str
    at: datetime
    event_ids: tuple[UUID, ...]
    correlation_id: str
    facts: tuple[tuple[str, str], ...] = ()
    rows: tuple[Row, ...] = ()
    lines: tuple[Line, ...] = ()
    total: str = ""


def one_line(text: str, longest: int | None = None) -> str:
    """*text* without line breaks and without characters that nobody sees.

    A product's name with a line break would add headers to a mail, and one with direction marks
    would show a price backwards.
    """
    if not text.isprintable():
        text = "".join(" " if unicodedata.category(mark) in INVISIBLE else mark for mark in text)
    line = re.sub(r"\s+", " ", text).strip()
    if longest is not None and len(line) > longest:
        return line[: longest - 1] + "…"
    return line


def tell(parts: Sequence[Part], *, currency: str, names: Names) -> Story:
    """Tell one notice.

    Args:
        parts: The events of one change, in any order; at most one of each type.
        currency: Of amounts whose event names none.
        names: Of products whose event names none.
    """
    told = [_tell_one(part, currency, names) for part in sorted(parts, key=_weight)]
    story = told[0]
    return replace(
        story,
        rows=tuple(row for each in told for row in each.rows),
        event_ids=tuple(event_id for each in told for event_id in each.event_ids),
    )


def first_part(parts: Iterable[Part]) -> Part:
    """The event that gives the notice its headline: a new price is bigger news than a new name."""
    return min(parts, key=_weight)


def _weight(part: Part) -> tuple[int, UUID]:
    envelope, event = part
    match event:
        case ProductPriceChanged():
            return 0, envelope.id
        case StockChanged():
            return 2, envelope.id
        case _:
            return 1, envelope.id


def _tell_one(part: Part, currency: str, names: Names) -> Story:
    envelope, event = part
    match event:
        case ProductPriceChanged():
            return _price_changed(envelope, event)
        case ProductCreated() | ProductChanged() | ProductDeleted():
            return _product_changed(envelope, event, currency)
        case StockChanged():
            return _stock_changed(envelope, event, names.get(event.product_id))
        case StockLow():
            return _stock_low(envelope, event)
        case OrderPlaced() | OrderCancelled():
            return _order(envelope, event)
        case _:
            raise TypeError(f"{envelope.type} is nothing that is mailed")


def _story(envelope: Envelope, *, headline: str, intro: str, **more: Any) -> Story:
    return Story(
        headline=one_line(headline, LONGEST_HEADLINE),
        intro=intro,
        actor=one_line(envelope.actor, LONGEST_NAME),
        at=envelope.time,
        event_ids=(envelope.id,),
        correlation_id=envelope.correlationid,
        **more,
    )


def _product(product_id: int, sku: str | None, name: str) -> tuple[tuple[str, str], ...]:
    return (
        ("Product", one_line(name)),
        ("SKU", one_line(sku) if sku else NOTHING),
        ("Product id", str(product_id)),
    )


def _price_changed(envelope: Envelope, event: ProductPriceChanged) -> Story:
    old, new = to_text(event.old_price), to_text(event.new_price)
    currency = one_line(event.currency)
    name = one_line(event.name, LONGEST_NAME)
    return _story(
        envelope,
        headline=f"Price changed: {name} {old} → {new} {currency}",
        intro="A product has a new price.",
        facts=_product(event.product_id, event.sku, event.name),
        rows=(Row(label="Price", old=f"{old} {currency}", new=f"{new} {currency}"),),
    )


def _product_changed(
    envelope: Envelope, event: ProductCreated | ProductChanged | ProductDeleted, currency: str
) -> Story:
    rows = _rows(event.changes, currency)
    name = one_line(event.name, LONGEST_NAME)
    match event:
        case ProductCreated():
            price = next((row.new for row in rows if row.label == "Price"), "")
            headline, intro = f"New product: {name} {price}", "There is a new product."
        case ProductDeleted():
            headline, intro = f"Product removed: {name}", "A product is no longer for sale."
        case _:
            fields = ", ".join(row.label.lower() for row in rows)
            headline, intro = f"Product changed: {name} ({fields})", "A product was changed."
    facts = _product(event.product_id, event.sku, event.name)
    return _story(envelope, headline=headline, intro=intro, facts=facts, rows=rows)


def _rows(changes: dict[str, Change], currency: str) -> tuple[Row, ...]:
    stated = changes.get("currency")
    if stated is not None:
        currency = str(stated.new or stated.old or currency)
    return tuple(
        Row(
            label=one_line(field.replace("_", " ")).capitalize(),
            old=_shown(field, change.old, currency),
            new=_shown(field, change.new, currency),
        )
        for field, change in changes.items()
    )


def _shown(field: str, value: Any, currency: str) -> str:
    match value:
        case None | "":
            return NOTHING
        case bool():
            return "yes" if value else "no"
        case int() if field in MONEY_FIELDS:
            return f"{to_text(value)} {one_line(currency)}"
        case str():
            return one_line(value)
        case _:
            return one_line(orjson.dumps(value).decode())


def _stock_changed(envelope: Envelope, event: StockChanged, called: Called | None) -> Story:
    old, new = event.on_hand - event.delta, event.on_hand
    known = called or Called(sku=None, name=f"Product {event.product_id}")
    name = one_line(known.name, LONGEST_NAME)
    return _story(
        envelope,
        headline=f"Stock changed: {name} {old} → {new}",
        intro="Somebody changed how many there are of a product.",
        facts=_product(event.product_id, known.sku, known.name),
        rows=(Row(label="On hand", old=str(old), new=f"{new} ({one_line(event.reason)})"),),
    )


def _stock_low(envelope: Envelope, event: StockLow) -> Story:
    name = one_line(event.name, LONGEST_NAME)
    return _story(
        envelope,
        headline=f"Stock low: {name}, {event.available} left",
        intro=f"A product fell to its threshold of {event.threshold}.",
        facts=(
            *_product(event.product_id, event.sku, event.name),
            ("Available", str(event.available)),
            ("Threshold", str(event.threshold)),
        ),
    )


def _order(envelope: Envelope, event: OrderPlaced | OrderCancelled) -> Story:
    currency = one_line(event.currency)
    total = f"{to_text(event.total)} {currency}"
    if isinstance(event, OrderPlaced):
        headline, intro = f"Your order: {total}", "Thank you for your order."
    else:
        headline = f"Order cancelled: {total}"
        intro = "Your order was cancelled; nothing will be sent to you."
    lines = tuple(
        Line(
            name=one_line(line.name) or f"Product {line.product_id}",
            quantity=line.quantity,
            unit_price=f"{to_text(line.unit_price)} {currency}",
            subtotal=f"{to_text(line.unit_price * line.quantity)} {currency}",
        )
        for line in event.items
    )
    facts = (("Order", one_line(event.order_id)),)
    return _story(envelope, headline=headline, intro=intro, facts=facts, lines=lines, total=total)
