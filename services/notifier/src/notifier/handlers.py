# SPDX-License-Identifier: Apache-2.0
"""What notifier does with news: it learns who people are, and notes what they should be told.

Nothing is sent from here. A handler that can't make sense of an event raises, and the subscriber
keeps the event as a dead letter; so whatever lies in ``notice_parts`` can be told.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.contracts import (
    Event,
    OrderCancelled,
    OrderPlaced,
    ProductChanged,
    ProductCreated,
    ProductDeleted,
    ProductPriceChanged,
    StockChanged,
    StockLow,
    UserChanged,
    UserDeleted,
    UserRegistered,
)
from common.db import DUPLICATE_KEY, error_number
from common.events import Envelope
from common.rows import CLOCK, insert_rows
from common.subscriber import BatchHandler, Handler
from notifier.models import Base, Notice, NoticePart, Product, Recipient, notice_id_of_update
from notifier.queries import has_part, known_parts
from notifier.stories import tell

NOTICES = Base.metadata.tables["notices"]
PARTS = Base.metadata.tables["notice_parts"]

FIRST_STOCK_REASON = "initial stock"
FIRST_STOCK_VERSION = 2
"""A product's stock is made empty as version 1; its first units are the next one."""


def on_user_told(
    session: Session, event: UserRegistered | UserChanged | UserDeleted, envelope: Envelope
) -> None:
    """Know the user as of the newest version told, in whatever order the news come.

    A deleted user's address and full name are forgotten; the username stays, because it is shown
    as who changed something.
    """
    user = session.get(Recipient, event.user_id, with_for_update=True, populate_existing=True)
    if user is None:
        user = Recipient(user_id=event.user_id)
        session.add(user)
    elif user.version >= envelope.aggregateversion:
        return
    user.version = envelope.aggregateversion
    user.username, user.role = event.username, event.role
    user.is_deleted = isinstance(event, UserDeleted)
    user.email = None if user.is_deleted else event.email
    user.fullname = None if user.is_deleted else event.fullname
    session.flush()


def on_product_updated(
    session: Session, event: ProductChanged | ProductPriceChanged, envelope: Envelope
) -> None:
    """Note an update; all its events become one notice, whichever comes first."""
    _learn(session, event, envelope)
    if not _changes_nothing(event):
        _note_update(session, event, envelope)


def on_stock_changed(session: Session, event: StockChanged, envelope: Envelope) -> None:
    """Note that somebody changed how many there are, as a part of the same request's update.

    What an order took or gave back is no news: that was an event's doing, and the envelope names
    it. The reason does not decide, for whoever changes the stock may give any.
    """
    if envelope.causationid is None and event.delta and not _is_first_stock(event, envelope):
        _note_update(session, event, envelope)


def _is_first_stock(event: StockChanged, envelope: Envelope) -> bool:
    """Whether these are the units that a product was created with: its own mail tells of it."""
    is_first_change = envelope.aggregateversion == FIRST_STOCK_VERSION
    return is_first_change and event.reason == FIRST_STOCK_REASON


def _note_update(
    session: Session, event: ProductChanged | ProductPriceChanged | StockChanged, envelope: Envelope
) -> None:
    """Add *event* to the notice of its request and product.

    What comes after the deliveries were made, and a second event of the same type, is a notice of
    its own: another mail is better than none.
    """
    if session.get(NoticePart, envelope.id) is not None:
        return
    notice_id = notice_id_of_update(f"product/{event.product_id}", envelope.correlationid)
    # The lock keeps the fan-out from closing the notice between our look and our insert.
    notice = session.get(Notice, notice_id, with_for_update=True, populate_existing=True)
    if notice is None:
        session.add(Notice(id=notice_id))
    elif notice.fanned_out_at is not None or has_part(session, notice_id, envelope.type):
        notice_id = envelope.id
        session.add(Notice(id=notice_id))
    _add_part(session, notice_id, event, envelope)


def on_product_came_or_went(
    session: Session, event: ProductCreated | ProductDeleted, envelope: Envelope
) -> None:
    """Note a new product, or one that is gone."""
    _learn(session, event, envelope)
    on_admin_news(session, event, envelope)


def on_admin_news(
    session: Session, event: ProductCreated | ProductDeleted | StockLow, envelope: Envelope
) -> None:
    """Note something that every admin gets a mail about."""
    if session.get(NoticePart, envelope.id) is None:
        session.add(Notice(id=envelope.id))
        _add_part(session, envelope.id, event, envelope)


def on_orders_settled(
    session: Session, received: Sequence[tuple[OrderPlaced | OrderCancelled, Envelope]]
) -> set[UUID]:
    """Note a receipt for the customer of each order, in two statements for all of them."""
    told = {envelope.id: (event, envelope) for event, envelope in received}
    known: set[UUID] = set()
    try:
        _note_receipts(session, told)
    except IntegrityError as error:
        if error_number(error) != DUPLICATE_KEY:
            raise
        known = known_parts(session, told)
        _note_receipts(session, {one: told[one] for one in told.keys() - known})
    return known


def _note_receipts(
    session: Session, told: Mapping[UUID, tuple[OrderPlaced | OrderCancelled, Envelope]]
) -> None:
    if not told:
        return
    ids = sorted(told)
    parts = [_part(one, *told[one]) for one in ids]
    notices = [{"id": one, "customer_id": told[one][0].customer_id} for one in ids]
    insert_rows(session, NOTICES, notices, computed={"opened_at": CLOCK})
    insert_rows(session, PARTS, parts)


def _learn(
    session: Session,
    event: ProductCreated | ProductChanged | ProductPriceChanged | ProductDeleted,
    envelope: Envelope,
) -> None:
    """Know what the product is called as of the newest version told, in whatever order."""
    product = session.get(Product, event.product_id, with_for_update=True, populate_existing=True)
    if product is None:
        product = Product(id=event.product_id)
        session.add(product)
    elif product.version >= envelope.aggregateversion:
        return
    product.version = envelope.aggregateversion
    product.sku, product.name = event.sku, event.name
    session.flush()


def _changes_nothing(event: ProductChanged | ProductPriceChanged) -> bool:
    if isinstance(event, ProductPriceChanged):
        return event.old_price == event.new_price
    return all(change.old == change.new for change in event.changes.values())


def _add_part(session: Session, notice_id: UUID, event: Event, envelope: Envelope) -> None:
    part = NoticePart(**_part(notice_id, event, envelope))
    session.flush()
    session.add(part)
    session.flush()


def _part(notice_id: UUID, event: Event, envelope: Envelope) -> dict[str, Any]:
    tell([(envelope, event)], currency="", names={})
    return {
        "event_id": envelope.id,
        "notice_id": notice_id,
        "event_type": envelope.type,
        "body": envelope.to_json(),
    }


HANDLERS: dict[type[Event], Handler] = {
    UserRegistered: on_user_told,
    UserChanged: on_user_told,
    UserDeleted: on_user_told,
    ProductCreated: on_product_came_or_went,
    ProductChanged: on_product_updated,
    ProductDeleted: on_product_came_or_went,
    ProductPriceChanged: on_product_updated,
    StockChanged: on_stock_changed,
    StockLow: on_admin_news,
}

BATCH_HANDLERS: dict[type[Event], BatchHandler] = {
    OrderPlaced: on_orders_settled,
    OrderCancelled: on_orders_settled,
}
