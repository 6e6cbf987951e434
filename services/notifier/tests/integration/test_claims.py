# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from datetime import timedelta
from threading import Barrier, Lock, Thread

import pytest
from sqlalchemy import select

from common.testing.counting import counting
from notifier.commands.claims import claim_mails
from notifier.commands.deliveries import resend
from notifier.models import Delivery


def claim(house, *, most=20, burst=1000, now=None):
    return house.database.run(
        claim_mails, now=now or house.now(), most=most, burst=burst, lease_seconds=60
    )


@pytest.fixture
def many_mails(house, make):
    house.admins("ada", "grace", "linus")
    house.hear_all([make.price() for _ in range(15)])
    house.fan_out()


def race(house, *, workers, claim_one):
    barrier, lock, taken = Barrier(workers), Lock(), []

    def work():
        barrier.wait()
        idle = 0
        while idle < 10:
            mails = claim_one()
            idle = 0 if mails else idle + 1
            with lock:
                taken.extend(mails)

    threads = [Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return taken


def test_workers_that_claim_at_once_never_take_the_same_delivery(house, many_mails):
    taken = race(house, workers=6, claim_one=lambda: claim(house, most=3))

    assert len(taken) == 45
    assert len({mail.id for mail in taken}) == 45
    assert {delivery.attempts for delivery in house.deliveries()} == {1}


def test_workers_without_the_lock_do_take_the_same_delivery(house, many_mails):
    """This is the test above with the lock taken out: it shows that the race is real."""
    barrier = Barrier(6)

    def look_and_take():
        with house.database.sessions.begin() as session:
            due = select(Delivery.id).where(Delivery.due_at <= house.now()).limit(3)
            found = session.scalars(due).all()
        barrier.wait()
        return found

    taken = []

    def work():
        taken.extend(look_and_take())

    threads = [Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert max(Counter(taken).values()) > 1


def test_senders_that_work_at_once_send_each_mail_once(house, many_mails):
    senders = [house.sender(mail_burst=1000) for _ in range(4)]
    barrier = Barrier(4)

    def work(sender):
        barrier.wait()
        idle = 0
        while idle < 10:
            idle = 0 if sender.send_due() else idle + 1

    threads = [Thread(target=work, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(house.post.ids) == len(set(house.post.ids)) == 45
    assert set(house.statuses()) == {"sent"}


def test_senders_that_work_at_once_keep_to_one_burst_between_them(house, make):
    house.admins("ada")
    house.hear_all([make.price(product_id=number) for number in range(1, 21)])
    house.fan_out()
    senders = [house.sender(mail_burst=5) for _ in range(4)]
    barrier = Barrier(4)

    def work(sender):
        barrier.wait()
        for _ in range(8):
            sender.send_due()

    threads = [Thread(target=work, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(house.post.ids) == len(set(house.post.ids)) == 5


def test_who_has_waited_longest_comes_first(house, make):
    house.admins("ada")
    house.hear(make.user(9, "carol"))
    house.hear(make.order(customer_id=9))
    house.fan_out()
    house.time_passes(seconds=5)
    house.hear(make.price())
    house.fan_out()

    assert [mail.user_id for mail in claim(house, most=1)] == [9]
    assert [mail.user_id for mail in claim(house, most=1)] == [1]


def test_a_claim_is_nobody_elses_until_its_lease_ends(house, make):
    house.admins("ada")
    house.hear(make.price())
    house.fan_out()
    now = house.now()
    (first,) = claim(house, now=now)

    assert claim(house, now=now + timedelta(seconds=59)) == []
    (second,) = claim(house, now=now + timedelta(seconds=60))
    assert (second.id, second.attempt) == (first.id, first.attempt + 1)


def test_mails_of_many_recipients_cost_as_many_statements_as_of_one(house, make):
    house.hear_all([make.order(customer_id=number) for number in range(1, 16)])
    house.fan_out()
    now = house.now()

    with counting(house.database) as asked:
        taken = claim(house, most=15, now=now)

    kinds = [one.split()[0] for one in asked.statements]
    assert len({mail.user_id for mail in taken}) == 15
    assert kinds == ["SELECT"] * 5 + ["UPDATE"] * 2, asked.statements


def test_what_is_due_is_found_by_its_recipient(house, many_mails):
    """Who looks for it by time waits for other workers, and they for him."""
    with counting(house.database) as asked:
        claim(house)

    looks = [one for one in asked.statements if "FORCE INDEX" in one]
    assert len(looks) == 2
    with house.database.engine.connect() as connection:
        for look in looks:
            [plan] = connection.exec_driver_sql(f"EXPLAIN FORMAT=TRADITIONAL {look}").mappings()
            assert plan["key"] == "ix_deliveries_user_id_due_at"


@pytest.mark.parametrize("wait", [0, 61])
def test_what_is_sent_again_within_a_minute_counts_once(house, make, wait):
    house.admins("ada")
    house.hear(make.price())
    house.send(mail_burst=1)
    house.time_passes(seconds=wait)
    house.database.run(resend, delivery_id=house.deliveries()[0].id, now=house.now())

    assert len(claim(house, burst=1)) == (1 if wait else 0)
