# SPDX-License-Identifier: Apache-2.0
"""What a customer does to the cart. A cart may want more than there is: it holds nothing."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from common.clock import utcnow
from common.problems import Unprocessable
from orders.errors import BeingPlaced, CartFull, EmptyOrder, NotInCart
from orders.models import MOST_LINES, MOST_UNITS, Cart, CartItem


def set_cart_line(session: Session, *, customer_id: int, product_id: int, quantity: int) -> Cart:
    """Want so many units of a product, instead of what was wanted before.

    Raises:
        CartFull: It would be one product too many for an order.
    """
    cart = _lock_cart(session, customer_id)
    line = session.get(CartItem, (customer_id, product_id))
    if line is None:
        _must_have_room(session, customer_id, more=1)
        line = _new_line(customer_id, product_id)
        session.add(line)
    line.quantity = quantity
    cart.version += 1
    return cart


def add_cart_lines(session: Session, *, customer_id: int, units: Mapping[int, int]) -> Cart:
    """Want so many units more of these products; all of them, or nothing is changed.

    Args:
        units: Units by product id; at least one product.

    Raises:
        CartFull: They would be too many products for an order.
        Unprocessable: They would be too many units of one product.
    """
    cart = _lock_cart(session, customer_id)
    query = select(CartItem).where(CartItem.customer_id == customer_id)
    lines = {
        line.product_id: line
        for line in session.scalars(query.where(CartItem.product_id.in_(units)))
    }
    _must_have_room(session, customer_id, more=len(units) - len(lines))
    for product_id, quantity in units.items():
        line = lines.get(product_id)
        if line is None:
            line = _new_line(customer_id, product_id)
            session.add(line)
        line.quantity = _sum_of(line.quantity, quantity)
    cart.version += 1
    return cart


def remove_cart_line(session: Session, *, customer_id: int, product_id: int) -> Cart:
    """Want nothing of a product any more.

    Raises:
        NotInCart: Nothing of it was wanted.
    """
    cart = _lock_cart(session, customer_id)
    line = session.get(CartItem, (customer_id, product_id))
    if line is None:
        raise NotInCart
    session.delete(line)
    cart.version += 1
    return cart


def clear_cart(session: Session, *, customer_id: int) -> Cart:
    """Want nothing any more; an empty cart stays empty."""
    cart = _lock_cart(session, customer_id)
    session.execute(delete(CartItem).where(CartItem.customer_id == customer_id))
    cart.version += 1
    return cart


def take_cart(session: Session, *, customer_id: int, order_id: UUID) -> dict[int, int]:
    """Mark the cart as being ordered, and return its lines: units by product id.

    The mark is what makes a double click one order: two keys are two requests, but the second finds
    the cart taken, or empty.

    Raises:
        BeingPlaced: Another order is being made of it.
        EmptyOrder: There is nothing in it.
    """
    cart = session.get(Cart, customer_id, with_for_update=True)
    if cart is None:
        raise EmptyOrder
    if cart.ordering_id is not None:
        raise BeingPlaced(cart.ordering_id)
    items = session.scalars(select(CartItem).where(CartItem.customer_id == customer_id))
    lines = {item.product_id: item.quantity for item in items}
    if not lines:
        raise EmptyOrder
    cart.ordering_id = order_id
    return lines


def return_cart(
    session: Session, *, customer_id: int, order_id: UUID, taken: Mapping[int, int]
) -> None:
    """Take the order's mark off the cart, and out of it what the order got.

    What the customer put in while the order was being placed stays. A cart that was deleted, or is
    no longer this order's, is left alone.
    """
    cart = session.get(Cart, customer_id, with_for_update=True)
    if cart is None or cart.ordering_id != order_id:
        return
    cart.ordering_id = None
    if not taken:
        return
    cart.version += 1
    lines = select(CartItem).where(CartItem.customer_id == customer_id)
    for line in session.scalars(lines.where(CartItem.product_id.in_(taken))):
        left = line.quantity - taken[line.product_id]
        if left > 0:
            line.quantity = left
        else:
            session.delete(line)


def _lock_cart(session: Session, customer_id: int) -> Cart:
    cart = session.get(Cart, customer_id, with_for_update=True)
    if cart is None:
        cart = Cart(customer_id=customer_id, version=0)
        session.add(cart)
        # At once, so that of two first requests the second fails here and reruns behind the first.
        session.flush()
    return cart


def _must_have_room(session: Session, customer_id: int, *, more: int) -> None:
    query = select(func.count()).where(CartItem.customer_id == customer_id)
    if more and session.scalars(query).one() + more > MOST_LINES:
        raise CartFull


def _new_line(customer_id: int, product_id: int) -> CartItem:
    return CartItem(customer_id=customer_id, product_id=product_id, quantity=0, added_at=utcnow())


def _sum_of(wanted: int, more: int) -> int:
    if wanted + more > MOST_UNITS:
        raise Unprocessable(errors={"quantity": [f"at most {MOST_UNITS} units of a product"]})
    return wanted + more
