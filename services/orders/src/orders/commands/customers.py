# SPDX-License-Identifier: Apache-2.0
"""What orders remembers of auth's users."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from orders.models import Cart, CartItem, Customer


def remember_customer(
    session: Session,
    *,
    customer_id: int,
    username: str,
    is_guest: bool,
    is_deleted: bool,
    version: int,
) -> Customer:
    """Take over what auth says, unless something newer is known. A deleted customer's cart goes."""
    customer = session.get(Customer, customer_id, with_for_update=True)
    if customer is None:
        customer = Customer(id=customer_id, version=-1)
        session.add(customer)
    if version <= customer.version:
        return customer
    customer.username = username
    customer.is_guest = is_guest
    customer.is_deleted = is_deleted
    customer.version = version
    session.flush()
    if is_deleted:
        _drop_cart(session, customer_id)
    return customer


def _drop_cart(session: Session, customer_id: int) -> None:
    # The cart's lock comes before its lines', as everywhere.
    cart = session.get(Cart, customer_id, with_for_update=True)
    session.execute(delete(CartItem).where(CartItem.customer_id == customer_id))
    if cart is not None:
        session.delete(cart)
