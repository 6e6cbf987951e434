# SPDX-License-Identifier: Apache-2.0
from datetime import UTC, datetime
from uuid import UUID

import pytest

from notifier.commands.deliveries import MOST_ATTEMPTS, delay_after
from notifier.models import Delivery, Reader, Status, notice_id_of_update

NOW = datetime(2026, 11, 20, tzinfo=UTC)
NEWS = None
RECEIPT = 5


def person(**changes):
    facts = {"user_id": 5, "email": "ada@example.com", "role": "user", "is_deleted": False}
    return Reader(**(facts | changes))


@pytest.mark.parametrize(
    ("reader", "customer_id", "allowed"),
    [
        (person(role="admin"), NEWS, True),
        (person(), NEWS, False),
        (person(role="analyst"), NEWS, False),
        (person(role="admin", is_deleted=True), NEWS, False),
        (person(role="admin", email=None), NEWS, False),
        (person(), RECEIPT, True),
        (person(is_deleted=True), RECEIPT, False),
        (person(email=None), RECEIPT, False),
        (person(user_id=6), RECEIPT, False),
        (person(user_id=6, role="admin"), RECEIPT, False),
    ],
)
def test_news_are_for_admins_and_receipts_for_their_customer(reader, customer_id, allowed):
    assert reader.may_get(customer_id) is allowed


def test_one_request_on_one_product_is_one_notice():
    notice_id = notice_id_of_update("product/42", "a")

    assert notice_id == notice_id_of_update("product/42", "a")
    assert notice_id != notice_id_of_update("product/42", "b")
    assert notice_id != notice_id_of_update("product/43", "a")


@pytest.mark.parametrize("status", [Status.SENT, Status.FAILED, Status.CANCELLED])
def test_what_is_finished_can_be_sent_again_as_a_new_mail(status):
    delivery = Delivery(status=status, attempts=10, mail_id=UUID(int=1), sent_at=NOW, due_at=None)

    delivery.send_again(NOW)

    assert (delivery.status, delivery.attempts, delivery.due_at) == (Status.PENDING, 0, NOW)
    assert (delivery.mail_id, delivery.sent_at) == (None, None)


@pytest.mark.parametrize("status", [Status.PENDING, Status.SENDING])
def test_what_waits_goes_on_waiting(status):
    delivery = Delivery(status=status, attempts=3, mail_id=UUID(int=1), due_at=None)

    delivery.send_again(NOW)

    assert (delivery.status, delivery.attempts, delivery.mail_id) == (status, 3, UUID(int=1))


def test_delays_grow_to_an_hour_and_differ():
    for attempt in range(1, MOST_ATTEMPTS):
        longest = min(3600, 5 * 3 ** (attempt - 1))
        delays = {delay_after(attempt).total_seconds() for _ in range(50)}

        assert len(delays) > 1
        assert all(longest / 2 <= delay <= longest for delay in delays)
