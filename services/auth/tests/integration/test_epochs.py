# SPDX-License-Identifier: Apache-2.0
"""Redis' copies of token epochs: never an old number after a change was answered."""

import itertools

import pytest

from auth.commands import users
from auth.epochs import EpochCopies
from common.access import Epochs, epoch_key
from common.problems import TokenInvalid
from common.tokens import Identity


@pytest.fixture
def copies(redis):
    return EpochCopies(redis)


def test_a_change_is_marked_for_a_minute_and_settled_for_five(copies, redis):
    mark = copies.mark(7)

    assert redis.get(epoch_key(7)).startswith(b"?")
    assert 55 < redis.ttl(epoch_key(7)) <= 60

    copies.settle(7, mark, 3)

    assert redis.get(epoch_key(7)) == b"3"
    assert 295 < redis.ttl(epoch_key(7)) <= 300


def test_an_answer_is_copied_for_half_a_minute(copies, redis):
    copies.answer(7, 3)

    assert redis.get(epoch_key(7)) == b"3"
    assert 25 < redis.ttl(epoch_key(7)) <= 30


def test_an_answer_that_is_older_than_a_change_is_not_copied(copies, redis):
    mark = copies.mark(7)
    copies.answer(7, 3)
    assert redis.get(epoch_key(7)).startswith(b"?")

    copies.settle(7, mark, 4)
    copies.answer(7, 3)
    assert redis.get(epoch_key(7)) == b"4"


STEPS = [("A", "mark"), ("A", "settle"), ("B", "mark"), ("B", "settle")]


def orders_of_two_changes():
    """Every order in which two changes can mark and settle, each mark before its settling."""
    for order in itertools.permutations(STEPS):
        if order.index(STEPS[0]) < order.index(STEPS[1]) and order.index(STEPS[2]) < order.index(
            STEPS[3]
        ):
            yield order


def ways_to_commit(order):
    """Who may have committed first, in this order of marks and settlings: epoch 2, then epoch 3."""
    for first, second in (("A", "B"), ("B", "A")):
        # The first commit lies behind its own mark and before the second's settling.
        if order.index((first, "mark")) < order.index((second, "settle")):
            yield {first: 2, second: 3}


@pytest.mark.parametrize(
    ("order", "epochs"),
    [(order, epochs) for order in orders_of_two_changes() for epochs in ways_to_commit(order)],
)
@pytest.mark.parametrize("flushed_after", [None, 0, 1, 2])
def test_two_changes_at_once_never_leave_the_older_number(
    copies, redis, order, epochs, flushed_after
):
    marks = {}
    for number, (who, step) in enumerate(order):
        if step == "mark":
            marks[who] = copies.mark(7)
        else:
            copies.settle(7, marks[who], epochs[who])
        if number == flushed_after:
            redis.flushdb()

    copy = redis.get(epoch_key(7))
    assert copy == b"3" or copy.startswith(b"?")


@pytest.mark.parametrize(
    ("order", "epochs"),
    [(order, epochs) for order in orders_of_two_changes() for epochs in ways_to_commit(order)],
)
def test_of_two_changes_at_once_the_second_may_be_killed_before_it_settles(
    copies, redis, order, epochs
):
    killed = max(epochs, key=epochs.get)
    marks = {}
    for who, step in order:
        if step == "mark":
            marks[who] = copies.mark(7)
        elif who != killed:
            copies.settle(7, marks[who], epochs[who])

    assert redis.get(epoch_key(7)).startswith(b"?")


def test_a_change_that_nobody_settles_leaves_no_number(copies, redis):
    """A process that was killed between the commit and the settling."""
    copies.answer(7, 3)
    copies.mark(7)

    assert redis.get(epoch_key(7)).startswith(b"?")


@pytest.fixture
def another_service(database, redis, accounts):
    """How another service judges tokens; ``asked`` is what it had to ask auth for."""
    asked = []

    def ask(user_id):
        asked.append(user_id)
        return accounts.epoch(user_id)

    epochs = Epochs(redis, ask)
    epochs.asked = asked
    return epochs


def identity_of(user):
    return Identity(
        user_id=user.id, username="ada", role="user", epoch=user.token_epoch, expires_at=2**40
    )


@pytest.mark.parametrize(
    "kill",
    [
        lambda accounts, user: accounts.log_out_everywhere(user.id),
        lambda accounts, user: accounts.delete_user(user.id),
        lambda accounts, user: accounts.change_user(user.id, {"role": "analyst"}),
    ],
    ids=["log out everywhere", "deletion", "role"],
)
def test_a_dead_token_writes_nothing_in_another_service_from_that_moment_on(
    accounts, add_user, another_service, kill
):
    ada = add_user("ada")
    another_service.must_hold(identity_of(ada), at_once=True)

    kill(accounts, ada)

    with pytest.raises(TokenInvalid):
        another_service.must_hold(identity_of(ada), at_once=True)


def test_while_a_change_is_under_way_services_ask_auth(
    database, accounts, add_user, another_service, copies
):
    ada = add_user("ada")
    for _ in range(3):
        another_service.must_hold(identity_of(ada), at_once=True)
    assert len(another_service.asked) == 1

    copies.mark(ada.id)
    another_service.must_hold(identity_of(ada), at_once=True)
    database.run(users.log_out_everywhere, user_id=ada.id)
    with pytest.raises(TokenInvalid):
        another_service.must_hold(identity_of(ada), at_once=True)

    assert len(another_service.asked) == 3


def test_the_copy_is_marked_before_the_transaction_and_settled_behind_it(
    accounts, add_user, copies, redis, monkeypatch
):
    ada = add_user("ada")
    copies.answer(ada.id, ada.token_epoch)
    seen, real = [], users.log_out_everywhere

    def log_out_everywhere(session, **arguments):
        seen.append(redis.get(epoch_key(ada.id)))
        return real(session, **arguments)

    monkeypatch.setattr(users, "log_out_everywhere", log_out_everywhere)
    accounts.log_out_everywhere(ada.id)

    assert [copy[:1] for copy in seen] == [b"?"]
    assert int(redis.get(epoch_key(ada.id))) == ada.token_epoch + 1


def test_auth_tells_other_services_a_users_epoch(client, add_user, token_factory, redis):
    ada = add_user("ada")
    headers = token_factory.service_bearer("orders")
    url = f"/internal/users/{ada.id}/epoch"

    answer = client.get(url, headers=headers)

    assert (answer.status_code, answer.json) == (200, {"epoch": ada.token_epoch})
    assert int(redis.get(epoch_key(ada.id))) == ada.token_epoch


def test_who_is_gone_or_never_was_has_no_epoch(client, accounts, add_user, token_factory, redis):
    ada = add_user("ada")
    accounts.delete_user(ada.id)
    redis.flushdb()
    for user_id in (ada.id, 999_999, 10**17):
        url = f"/internal/users/{user_id}/epoch"

        answer = client.get(url, headers=token_factory.service_bearer("orders"))

        assert (answer.status_code, answer.json) == (200, {"epoch": None})
        assert redis.get(epoch_key(user_id)) is None


@pytest.mark.parametrize("ref", ["x", "-1", "9" * 30, "%00"])
def test_what_is_no_id_is_not_found(client, token_factory, ref):
    url = f"/internal/users/{ref}/epoch"

    assert client.get(url, headers=token_factory.service_bearer("orders")).status_code == 404


def test_users_and_strangers_are_told_no_epochs(client, add_user, bearer):
    root = add_user("root", role="admin")
    url = f"/internal/users/{root.id}/epoch"

    for headers in ({}, bearer(root), {"Authorization": "Bearer x"}):
        assert client.get(url, headers=headers).status_code == 401
