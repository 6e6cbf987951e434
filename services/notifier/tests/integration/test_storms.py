# SPDX-License-Identifier: Apache-2.0
"""What a recipient gets while a thousand things change."""

import pytest

from notifier.mail import MailUnavailable


def prices(make, count, start=1):
    return [make.price(100 * n, 100 * n + 1, product_id=n) for n in range(start, start + count)]


def storm(house, make, count, start=1):
    house.hear_all(prices(make, count, start))
    house.send(mail_burst=5)


def changes_told(post):
    text = "\n".join(mail.get_body(("plain",)).get_content() for mail in post.sent)
    return {n for n in range(1, 2000) if f"Price: {n}.00 USD → {n}.01 USD" in text}


@pytest.fixture(autouse=True)
def one_admin(house):
    house.admins("ada")


def test_up_to_the_burst_each_change_is_a_mail(house, make):
    storm(house, make, 5)

    assert len(house.post.sent) == 5
    assert set(house.statuses()) == {"sent"}


def test_beyond_the_burst_the_changes_of_a_minute_are_one_digest(house, make):
    storm(house, make, 12)
    assert len(house.post.sent) == 5
    house.send(mail_burst=5)
    assert len(house.post.sent) == 5

    house.time_passes(seconds=60)
    house.send(mail_burst=5)

    assert house.post.subjects[5:] == ["Digest: 7 changes"]
    assert changes_told(house.post) == set(range(1, 13))
    assert set(house.statuses()) == {"sent"}


def test_an_import_of_many_products_ends_as_one_digest(house, make):
    """One command and one request, as ``soukctl products import`` makes them."""
    for number in range(1, 13):
        price = {"price": (None, 100 * number)}
        created = make.changed(price, product_id=number, kind=make.created_product)
        first = make.stock(0, 3, product_id=number, reason="initial stock")
        house.hear(created, correlationid="c0ffee")
        house.hear(first, correlationid="c0ffee", aggregateversion=2)
    house.send(mail_burst=5)
    assert len(house.post.sent) == 5

    house.time_passes(seconds=60)
    house.send(mail_burst=5)

    assert house.post.subjects[5:] == ["Digest: 7 changes"]
    assert set(house.statuses()) == {"sent"}


def test_the_burst_counts_any_sixty_seconds(house, make):
    storm(house, make, 4)
    house.time_passes(seconds=40)
    storm(house, make, 4, start=5)

    assert len(house.post.sent) == 5


def test_while_the_storm_lasts_each_minute_is_one_mail(house, make):
    storm(house, make, 12)
    for minute in range(1, 4):
        storm(house, make, 8, start=5 + 8 * minute)
        assert len(house.post.sent) == 4 + minute
        house.time_passes(seconds=60)
        house.send(mail_burst=5)
        assert len(house.post.sent) == 5 + minute

    assert changes_told(house.post) == set(range(1, 37))


def test_after_a_quiet_minute_changes_are_single_mails_again(house, make):
    storm(house, make, 7)
    house.time_passes(seconds=60)
    house.send(mail_burst=5)
    assert house.post.subjects[5:] == ["Digest: 2 changes"]
    house.time_passes(seconds=60)

    storm(house, make, 3, start=8)

    assert len(house.post.sent) == 9


def test_a_storm_that_ended_without_a_last_change_is_forgotten(house, make):
    storm(house, make, 12)
    house.time_passes(seconds=60)
    house.send(mail_burst=5)
    assert len(house.post.sent) == 6
    house.time_passes(hours=1)

    storm(house, make, 3, start=13)

    assert len(house.post.sent) == 9


def test_a_single_change_beyond_the_burst_is_no_digest_of_one(house, make):
    storm(house, make, 6)
    house.time_passes(seconds=60)
    house.send(mail_burst=5)

    assert all(subject.startswith("Price changed") for subject in house.post.subjects)
    assert len(house.post.sent) == 6


def test_one_persons_storm_is_nobody_elses(house, make):
    house.hear(make.user(5, "carol"))
    house.hear_all(prices(make, 12))
    house.hear(make.order(customer_id=5))
    house.send(mail_burst=5)

    assert "carol@example.com" in house.post.addresses
    assert len(house.post.sent) == 6


def test_a_digest_that_fails_comes_again_with_the_same_changes(house, make):
    storm(house, make, 12)
    house.time_passes(seconds=60)
    house.post.late = [KeyboardInterrupt()]
    with pytest.raises(KeyboardInterrupt):
        house.send(mail_burst=5)
    house.time_passes(seconds=61)
    house.send(mail_burst=5)

    assert house.post.subjects[5:] == ["Digest: 7 changes"] * 2
    assert house.post.ids[5] == house.post.ids[6]
    assert set(house.statuses()) == {"sent"}


def test_mails_held_up_by_a_broken_backend_do_not_all_come_at_once(house, make):
    for minute in range(3):
        house.hear_all(prices(make, 4, start=1 + 4 * minute))
        while house.fan_out():
            pass
        house.post.trouble = [MailUnavailable("away")] * 4
        sender = house.sender(mail_burst=5)
        for _ in range(4):
            with pytest.raises(Exception, match="not available"):
                sender.send_due()
        house.time_passes(seconds=61)
    house.post.trouble = []
    house.time_passes(hours=1)
    for _ in range(3):
        before = len(house.post.sent)
        house.send(mail_burst=5)
        assert len(house.post.sent) - before <= 5
        house.time_passes(seconds=61)

    assert changes_told(house.post) == set(range(1, 13))


def test_a_demoted_admin_gets_no_digest(house, make):
    storm(house, make, 12)
    house.hear(make.user(1, "ada", kind=make.changed_user), aggregateversion=2)
    house.time_passes(seconds=60)
    house.send(mail_burst=5)

    assert len(house.post.sent) == 5
    assert house.statuses().count("cancelled") == 7


def test_a_digest_holds_hundreds_of_changes(house, make):
    storm(house, make, 305)
    house.time_passes(seconds=60)
    house.send(mail_burst=5)

    assert house.post.subjects[-1] == "Digest: 300 changes"
    assert changes_told(house.post) == set(range(1, 306))


def test_what_does_not_fit_into_a_digest_is_in_the_next_one(house, make, monkeypatch):
    monkeypatch.setattr("notifier.commands.claims.MOST_IN_DIGEST", 8)
    storm(house, make, 20)
    for _ in range(3):
        house.time_passes(seconds=60)
        house.send(mail_burst=5)

    assert house.post.subjects[5:] == ["Digest: 8 changes", "Digest: 7 changes"]
    assert changes_told(house.post) == set(range(1, 21))


def test_storms_that_share_a_round_are_each_one_digest(house, make, monkeypatch):
    """Together they are more than fits into one, alone they are not."""
    monkeypatch.setattr("notifier.commands.claims.MOST_IN_DIGEST", 8)
    house.admins("ada", "grace")
    storm(house, make, 12)
    house.time_passes(seconds=60)
    house.send(mail_burst=5)

    assert house.post.subjects[10:] == ["Digest: 7 changes"] * 2
    assert set(house.statuses()) == {"sent"}
