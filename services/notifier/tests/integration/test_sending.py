# SPDX-License-Identifier: Apache-2.0
from email import message_from_bytes, policy
from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import update
from structlog.testing import CapturingLogger

from common.problems import Unavailable
from common.testing.counting import counting
from notifier.commands.deliveries import MOST_ATTEMPTS, resend
from notifier.errors import NotificationNotFound
from notifier.mail import FileBackend, MailRefused, MailUnavailable
from notifier.models import NoticePart, Status
from notifier.sender import Sender


@pytest.fixture
def price_mail(house, make):
    """One admin, one new price, the delivery made and due."""
    house.admins("ada")
    house.hear(make.price())
    house.fan_out()


def test_an_admin_who_is_demoted_between_event_and_sending_gets_nothing(house, make):
    house.admins("ada", "grace")
    house.hear(make.price())
    house.fan_out()
    house.hear(make.user(2, "grace", kind=make.changed_user), aggregateversion=2)
    house.send()

    assert house.post.addresses == ["ada@example.com"]
    assert house.statuses() == ["sent", "cancelled"]


def test_an_admin_who_is_deleted_between_event_and_sending_gets_nothing(house, make, price_mail):
    gone = make.user(1, "ada", role="admin", kind=make.deleted_user)
    house.hear(gone, aggregateversion=2)
    house.send()

    assert house.post.sent == []
    assert house.statuses() == ["cancelled"]


def test_an_admin_since_after_the_event_gets_no_old_news(house, make, price_mail):
    house.hear(make.user(2, "grace", role="admin"))
    house.send()

    assert house.post.addresses == ["ada@example.com"]


def test_a_mail_goes_to_the_address_of_now(house, make, price_mail):
    moved = make.user(1, "ada", role="admin", kind=make.changed_user, email="new@example.com")
    house.hear(moved, aggregateversion=2)
    house.send()

    assert house.post.addresses == ["new@example.com"]
    assert house.deliveries()[0].recipient == "new@example.com"


def test_who_is_demoted_while_the_mail_before_is_sent_gets_nothing(house, make):
    """Mails are claimed together, and each reader is looked up when his own is written."""
    house.admins("ada", "grace")
    house.hear(make.price())
    house.fan_out()
    take = house.post.send

    def demote_the_other_one(mail_id, message):
        other = 1 if message["To"] == "grace@example.com" else 2
        house.hear(make.user(other, "x", kind=make.changed_user), aggregateversion=2)
        take(mail_id, message)

    house.post.send = demote_the_other_one

    assert house.sender().send_due() == 2
    assert len(house.post.sent) == 1
    assert sorted(house.statuses()) == ["cancelled", "sent"]


def test_a_receipt_costs_a_look_and_a_transaction_of_one_statement(house, make):
    for number in range(1, 11):
        house.hear(make.user(number, f"u{number}"))
    orders = [make.order(customer_id=number) for number in range(1, 11)]
    for order in orders:
        house.hear(order, actor=f"user/{order.customer_id}")
    house.fan_out()
    sender = house.sender()

    with counting(house.database) as asked:
        assert sender.send_due() == 10

    clock, claim = 1, 7
    assert len(asked.statements) == clock + claim + 10 * 2, asked.statements
    assert asked.commits == 1 + 10


def test_a_receipt_waits_for_news_about_its_customer(house, make):
    house.hear(make.order(customer_id=5))
    house.send()
    assert [(d.status, d.attempts, d.recipient) for d in house.deliveries()] == [
        ("pending", 1, None)
    ]

    house.hear(make.user(5, "carol"))
    house.time_passes(seconds=10)
    house.send()

    assert house.post.addresses == ["carol@example.com"]
    assert house.statuses() == ["sent"]


def test_the_user_who_did_it_is_named(house, make, price_mail):
    house.send()

    assert "By: ada (user/1)" in house.post.sent[0].get_body(("plain",)).get_content()


def test_a_backend_in_trouble_is_asked_again_later_and_later(house, price_mail):
    waits = []
    for _ in range(4):
        house.post.trouble = [MailUnavailable("away")]
        with pytest.raises(Unavailable):
            house.send()
        (delivery,) = house.deliveries()
        waits.append((delivery.due_at - house.now()).total_seconds())
        assert delivery.status == "pending"
        house.send()
        assert house.post.sent == []
        house.time_passes(hours=2)
    house.send()

    for longest, wait in zip([5, 15, 45, 135], waits, strict=True):
        assert longest / 2 - 1 < wait <= longest
    assert len(house.post.sent) == 1
    assert [(d.status, d.attempts) for d in house.deliveries()] == [("sent", 5)]


def test_a_backend_in_trouble_costs_one_mail_an_attempt_and_the_others_none(house, make):
    house.admins("ada", "grace", "linus")
    house.hear(make.price())
    house.post.trouble = [MailUnavailable("away")]

    with pytest.raises(Unavailable):
        house.send()

    assert sorted(delivery.attempts for delivery in house.deliveries()) == [0, 0, 1]
    assert set(house.statuses()) == {"pending"}
    house.time_passes(minutes=1)
    house.send()
    assert len(house.post.sent) == 3


def test_a_refused_mail_does_not_stop_the_others(house, make):
    house.admins("ada", "grace", "linus")
    house.hear(make.price())
    house.post.trouble = [MailRefused("MessageRejected")]
    house.send()

    assert len(house.post.sent) == 2
    assert sorted(house.statuses()) == ["pending", "sent", "sent"]


def test_a_mail_that_can_not_be_written_does_not_stop_the_others(house, make, database):
    house.admins("ada")
    broken = house.hear(make.price(product_id=1))
    house.hear(make.price(product_id=2))
    house.fan_out()
    statement = update(NoticePart).where(NoticePart.event_id == broken.id).values(body=b"{")
    with database.engine.begin() as connection:
        connection.execute(statement)
    house.send()

    assert len(house.post.sent) == 1
    assert sorted(house.statuses()) == ["pending", "sent"]


def test_after_the_last_attempt_a_mail_has_failed_until_somebody_sends_it_again(house, price_mail):
    for attempt in range(MOST_ATTEMPTS):
        assert house.deliveries()[0].attempts == attempt
        house.post.trouble = [MailRefused("MessageRejected")]
        house.send()
        house.time_passes(hours=2)
    house.send()
    (failed,) = house.deliveries()
    assert (failed.status, failed.attempts, house.post.sent) == ("failed", MOST_ATTEMPTS, [])

    house.database.run(resend, delivery_id=failed.id, now=house.now())
    house.send()

    assert [(d.status, d.attempts) for d in house.deliveries()] == [("sent", 1)]
    assert len(house.post.sent) == 1


def test_a_crash_after_the_backend_took_it_repeats_the_same_mail_once(house, price_mail):
    house.post.late = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        house.send()
    assert house.statuses() == ["sending"]
    house.send()
    assert len(house.post.sent) == 1

    house.time_passes(seconds=61)
    house.send()
    house.time_passes(seconds=61)
    house.send()

    assert len(house.post.ids) == 2
    assert len(set(house.post.ids)) == 1
    assert [(d.status, d.attempts) for d in house.deliveries()] == [("sent", 2)]


def test_a_crash_before_the_backend_took_it_loses_nothing(house, price_mail):
    house.post.trouble = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        house.send()

    house.time_passes(seconds=61)
    house.send()

    assert len(house.post.sent) == 1
    assert house.statuses() == ["sent"]


def test_a_mail_that_kills_its_worker_each_time_has_failed_in_the_end(house, price_mail):
    for _ in range(MOST_ATTEMPTS):
        house.post.trouble = [KeyboardInterrupt()]
        with pytest.raises(KeyboardInterrupt):
            house.send()
        house.time_passes(seconds=61)
    house.send()

    assert house.statuses() == ["failed"]


def test_an_answer_that_comes_after_the_lease_was_lost_changes_nothing(house, price_mail):
    slow, quick = house.sender(), house.sender()

    def overtaken():
        house.time_passes(seconds=61)
        assert quick.send_due() == 1
        assert house.statuses() == ["sent"]
        raise MailUnavailable("too late")

    house.post.trouble = []
    send = house.post.send
    calls = []

    def send_slowly(mail_id, message):
        calls.append(mail_id)
        if len(calls) == 1:
            overtaken()
        send(mail_id, message)

    house.post.send = send_slowly
    with pytest.raises(Unavailable):
        slow.send_due()

    assert [(d.status, d.attempts) for d in house.deliveries()] == [("sent", 2)]


def test_with_half_the_lease_used_the_rest_goes_back(house, make, monkeypatch):
    house.admins("ada", "grace", "linus")
    house.hear(make.price())
    house.fan_out()
    moments = iter([0.0, 1.0, 31.0])
    sender = house.sender()
    # Its own clock only: the database counts time too.
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr("notifier.sender.time", clock)

    assert sender.send_due() == 1

    assert sorted(house.statuses()) == ["pending", "pending", "sent"]
    assert sorted(delivery.attempts for delivery in house.deliveries()) == [0, 0, 1]


def test_the_file_backend_has_one_file_a_mail_also_after_a_crash(house, config, price_mail):
    class Crashing(FileBackend):
        def send(self, mail_id, message):
            super().send(mail_id, message)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Sender(house.database, Crashing(config.mail_dir), config).send_due()
    house.time_passes(seconds=61)
    assert Sender(house.database, FileBackend(config.mail_dir), config).send_due() == 1

    (path,) = config.mail_dir.iterdir()
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["Subject"] == "Price changed: Blue shoes 12.50 → 10.00 USD"


def test_what_was_sent_can_be_sent_again_as_a_new_mail(house, price_mail):
    house.send()
    (sent,) = house.deliveries()

    house.database.run(resend, delivery_id=sent.id, now=house.now())
    assert house.statuses() == ["pending"]
    house.send()

    assert len(set(house.post.ids)) == 2
    assert house.statuses() == ["sent"]


def test_sending_again_what_is_in_a_workers_hands_changes_nothing(house, price_mail):
    house.post.late = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        house.send()
    (before,) = house.deliveries()

    house.database.run(resend, delivery_id=before.id, now=house.now())

    (after,) = house.deliveries()
    assert (after.status, after.due_at) == (Status.SENDING, before.due_at)


def test_sending_again_what_does_not_exist_is_refused(house, price_mail):
    with pytest.raises(NotificationNotFound):
        house.database.run(resend, delivery_id=house.deliveries()[0].notice_id, now=house.now())


def test_a_slow_pace_sends_no_more_than_it_may(house, make):
    house.admins("ada", "grace", "linus")
    house.hear(make.price())
    house.fan_out()
    sender = house.sender(mail_per_second=0.01)

    assert [sender.send_due(), sender.send_due()] == [1, 0]
    assert sorted(house.statuses()) == ["pending", "pending", "sent"]


def test_no_address_is_ever_logged(house, make, monkeypatch):
    logged = CapturingLogger()
    monkeypatch.setattr("notifier.sender.log", logged)
    house.admins("ada", "grace", "linus")
    house.hear(make.price())
    house.hear(make.order(customer_id=1))
    house.post.trouble = [
        MailRefused("MessageRejected"),
        ValueError("grace@example.com is no address"),
    ]
    house.send()

    assert {call.args[0] for call in logged.calls} == {"mail_sent", "mail_not_sent"}
    assert "example.com" not in repr(logged.calls)


def test_what_is_due_is_measured(house, price_mail):
    sender = house.sender()
    house.time_passes(seconds=30)

    sender.measure()

    assert REGISTRY.get_sample_value("souk_deliveries_due") == 1
    assert 29 < REGISTRY.get_sample_value("souk_deliveries_oldest_due_seconds") < 60
