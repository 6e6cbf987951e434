# SPDX-License-Identifier: Apache-2.0
"""Compares what clients were told with what the shop knows; every difference is a sentence."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from chaos.observation import Observation, Stage, view_key

from support.history import FAIL, INFO, OK, History

EXPECTED_NO = {("order", "insufficient_stock")}
LOST_WITH_GATEWAY_SECONDS = 0.3
"""nginx writes a view down right after its answer. Whoever got an answer so shortly before nginx
was killed may have been its last words."""
MOST_NAMED = 20


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """All that a verdict is made of.

    Attributes:
        gateway_kills: When nginx was killed, by the wall clock.
    """

    stage: Stage
    history: History
    shop: Observation
    gateway_kills: Sequence[float] = ()


def faults_in(evidence: Evidence) -> list[str]:
    """Everything that must not be; empty is a proof."""
    return [f"{check.__name__}: {fault}" for check in CHECKS for fault in _some(check(evidence))]


def everybody_got_a_verdict(evidence: Evidence) -> Iterator[str]:
    """Who insists gets a yes or a no that belongs to the question, never an error."""
    for operation in evidence.history.operations:
        if operation.kind != "view" and operation.outcome == INFO:
            yield f"{operation.kind} {operation.wish} had no verdict after {operation.tries} tries"
        code = operation.answer.get("code")
        if operation.outcome == FAIL and (operation.kind, code) not in EXPECTED_NO:
            yield f"{operation.kind} {operation.wish} was answered {operation.answer}"


def nothing_is_oversold(evidence: Evidence) -> Iterator[str]:
    """Not more was sold than there was, and nobody ever read a number below zero."""
    sold = _sold(evidence)
    for product, units in evidence.stage.units.items():
        if sold[product] > units:
            yield f"product {product}: sold {sold[product]} of {units}"
    for view in evidence.history.of("view", OK):
        available = view.answer.get("available", 0)
        if not 0 <= available <= evidence.stage.units[view.wish["product"]]:
            yield f"product {view.wish['product']}: {available} were shown as available"


def nothing_is_undersold(evidence: Evidence) -> Iterator[str]:
    """What is not sold is there, and nothing is held for nobody."""
    sold = _sold(evidence)
    for product, units in evidence.stage.units.items():
        on_hand, reserved = evidence.shop.stock[product]
        if reserved or on_hand < 0 or on_hand + sold[product] != units:
            yield (
                f"product {product}: of {units} units {sold[product]} are sold, "
                f"{on_hand} on hand, {reserved} held back"
            )


def acknowledged_orders_are_there(evidence: Evidence) -> Iterator[str]:
    """Every order that a client was told of stands as it was told."""
    cancelled = _cancelled(evidence)
    for operation in evidence.history.of("order", OK):
        order_id = operation.answer["id"]
        stored = evidence.shop.orders.get(order_id)
        if stored is None:
            yield f"order {order_id} is lost"
            continue
        told = (operation.answer["lines"], operation.answer["total"], operation.wish["customer"])
        if (dict(stored.lines), stored.total, stored.customer) != told:
            yield f"order {order_id} is not what was told: {stored}, told {told}"
        status = "cancelled" if order_id in cancelled else "confirmed"
        if stored.status != status and order_id not in _perhaps_cancelled(evidence):
            yield f"order {order_id} is {stored.status} and should be {status}"


def orders_are_what_was_asked_for(evidence: Evidence) -> Iterator[str]:
    """An order has the units of its wish, at prices that its products had, and the right total."""
    prices = {product: {price} for product, price in evidence.stage.prices.items()}
    for operation in evidence.history.of("price"):
        prices[operation.wish["product"]].add(operation.wish["price"])
    for operation in evidence.history.of("order", OK):
        lines = operation.answer["lines"]
        units = {product: quantity for product, (quantity, _) in lines.items()}
        total = sum(quantity * price for quantity, price in lines.values())
        if units != operation.wish["lines"] or total != operation.answer["total"]:
            yield f"{operation.wish} became {operation.answer}"
        for product, (_, price) in lines.items():
            if price not in prices[product]:
                yield f"product {product} was sold at {price}, which was never its price"


def one_key_is_one_order(evidence: Evidence) -> Iterator[str]:
    """No key has two orders, and there is no order that nobody was told of."""
    keys = Counter((order.customer, order.key) for order in evidence.shop.orders.values())
    for (customer, key), times in keys.items():
        if times > 1:
            yield f"customer {customer}'s key {key} has {times} orders"
    told = Counter(operation.answer["id"] for operation in evidence.history.of("order", OK))
    for order_id, times in told.items():
        if times > 1:
            yield f"order {order_id} was given to {times} wishes"
    unknown = {operation.wish["key"] for operation in evidence.history.of("order", INFO)}
    for order_id, order in evidence.shop.orders.items():
        if order_id not in told and order.key not in unknown:
            yield f"order {order_id} ({order.status}) belongs to nobody"


def effects_happen_once(evidence: Evidence) -> Iterator[str]:
    """Each order is in the ledger once and in the numbers once; a cancelled one is undone once."""
    for order_id, order in evidence.shop.orders.items():
        for product, (units, _) in order.lines.items():
            moved = evidence.shop.ledger.get((order_id, product), [])
            # A cancellation may overtake the sale: then the units never left the shelf.
            fitting = [[-units]] if order.status == "confirmed" else [[], [-units, units]]
            if moved not in fitting:
                yield f"{order.status} order {order_id} moved product {product} by {moved}"
        status = "placed" if order.status == "confirmed" else "cancelled"
        wanted = sorted((product, *line, status) for product, line in order.lines.items())
        if sorted(evidence.shop.sales.get(order_id, [])) != wanted:
            yield f"order {order_id} is in the numbers as {evidence.shop.sales.get(order_id)}"
    for order_id in {order_id for order_id, _ in evidence.shop.ledger} - set(evidence.shop.orders):
        yield f"the ledger knows order {order_id}, which does not stand"
    for order_id in set(evidence.shop.sales) - set(evidence.shop.orders):
        yield f"the numbers know order {order_id}, which does not stand"


def new_prices_are_told_once(evidence: Evidence) -> Iterator[str]:
    """Every change of a price is one event, however often its client had to ask."""
    told = Counter((product, price) for product, price, _ in evidence.shop.new_prices)
    asked = list(evidence.history.of("price"))
    for operation in asked:
        times = told[operation.wish["product"], operation.wish["price"]]
        if times != 1 and (operation.outcome == OK or times > 1):
            yield f"{operation.wish} was told {times} times"
    known = {(operation.wish["product"], operation.wish["price"]) for operation in asked}
    for change in set(told) - known:
        yield f"{change} was told, and nobody asked for it"


def new_prices_are_mailed_once(evidence: Evidence) -> Iterator[str]:
    """Every admin has exactly one mail of every change.

    Not even a killed notifier may repeat one here: a mail is a file with its own name, and one that
    is written again replaces itself.
    """
    for address, mails in evidence.shop.mails.items():
        for product, price, event_id in evidence.shop.new_prices:
            if mails[event_id] != 1:
                yield f"{address} has {mails[event_id]} mails of {price} for product {product}"


def views_are_counted_once(evidence: Evidence) -> Iterator[str]:
    """Each answered look at a product is one view, except a killed nginx's last words."""
    for view in evidence.history.of("view", OK):
        times = evidence.shop.views[view_key(view.answer["request_id"])]
        if times > 1 or (times == 0 and not _was_last_word(evidence, view.ended_at)):
            yield f"the look {view.answer['request_id']} was counted {times} times"
    answered = sum(1 for _ in evidence.history.of("view", OK))
    unanswered = sum(1 for _ in evidence.history.of("view", INFO))
    counted = evidence.shop.views.total()
    if counted > answered + unanswered:
        yield f"{counted} views of {answered} looks and {unanswered} without an answer"


def the_audit_finds_nothing(evidence: Evidence) -> Iterator[str]:
    yield from evidence.shop.broken


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    everybody_got_a_verdict,
    nothing_is_oversold,
    nothing_is_undersold,
    acknowledged_orders_are_there,
    orders_are_what_was_asked_for,
    one_key_is_one_order,
    effects_happen_once,
    new_prices_are_told_once,
    new_prices_are_mailed_once,
    views_are_counted_once,
    the_audit_finds_nothing,
)


def _some(faults: Iterator[str]) -> list[str]:
    found = list(faults)
    more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return found[:MOST_NAMED] + more


def _sold(evidence: Evidence) -> Counter[int]:
    sold: Counter[int] = Counter()
    for order in evidence.shop.orders.values():
        if order.status == "confirmed":
            sold.update({product: units for product, (units, _) in order.lines.items()})
    return sold


def _cancelled(evidence: Evidence) -> set[str]:
    return {operation.wish["id"] for operation in evidence.history.of("cancel", OK)}


def _perhaps_cancelled(evidence: Evidence) -> set[str]:
    return {operation.wish["id"] for operation in evidence.history.of("cancel", INFO)}


def _was_last_word(evidence: Evidence, moment: float) -> bool:
    return any(
        kill - LOST_WITH_GATEWAY_SECONDS <= moment <= kill + LOST_WITH_GATEWAY_SECONDS
        for kill in evidence.gateway_kills
    )
