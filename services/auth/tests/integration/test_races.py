# SPDX-License-Identifier: Apache-2.0
"""Races, with real threads on a real database. Negative controls show that the tests see them."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import select, text

from auth.commands import refresh, users
from auth.errors import LastAdmin, RefreshInvalid, UsernameTaken
from auth.models import ADMIN, RefreshFamily, User

ROUNDS = 10
THREADS = 8


def together(*calls):
    """Make all calls at the same moment; returns each one's result or the error that it raised."""
    start = Barrier(len(calls))

    def wait_and(call):
        start.wait()
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - the test judges it
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(wait_and, calls))


@pytest.fixture
def admins(database):
    query = select(User).where(User.role == ADMIN)
    return lambda: database.read(lambda session: session.scalars(query).all())


@pytest.fixture
def use(database, accounts):
    def rotate(token):
        return database.run(
            refresh.rotate, token=token, successor=accounts._successor, seconds=60, grace=10
        )[1]

    return rotate


@pytest.fixture
def log_in(database):
    def begin(user):
        return database.run(
            refresh.log_in, user_id=user.id, known_hash=user.password_hash, seconds=60
        )[1]

    return begin


def demotions(database, first, second):
    def demote(user):
        return lambda: database.run(users.change_user, user_id=user.id, changes={"role": "user"})

    return demote(first), demote(second)


def test_two_admins_who_demote_each_other_leave_none_without_the_lock(
    database, add_user, admins, monkeypatch
):
    """The negative control: if this fails, the next test proves nothing."""
    both_have_looked = Barrier(2, timeout=10)

    def look_only(session, ids):
        query = select(User).where(User.id.in_(ids)).order_by(User.id)
        found = list(session.scalars(query))
        both_have_looked.wait()
        return found

    monkeypatch.setattr(users, "lock_users", look_only)
    first, second = add_user("first", role=ADMIN), add_user("second", role=ADMIN)

    together(*demotions(database, first, second))

    assert admins() == []


def test_two_admins_who_demote_each_other_leave_one(database, add_user, admins):
    for number in range(ROUNDS):
        first = add_user(f"first {number}", role=ADMIN)
        second = add_user(f"second {number}", role=ADMIN)

        outcomes = together(*demotions(database, first, second))

        assert [type(outcome) for outcome in outcomes].count(LastAdmin) == 1
        [left] = admins()
        with database.engine.begin() as connection:
            connection.execute(text(f"UPDATE users SET role = 'user' WHERE id = {left.id}"))


def test_admins_who_all_delete_themselves_leave_one(database, add_user, admins):
    everybody = [add_user(f"admin {number}", role=ADMIN) for number in range(THREADS)]

    outcomes = together(
        *(lambda user=user: database.run(users.delete_user, user_id=user.id) for user in everybody)
    )

    assert [type(outcome) for outcome in outcomes].count(LastAdmin) == 1
    assert len(admins()) == 1


def test_of_many_who_want_a_name_at_once_one_gets_it(add_user, events):
    outcomes = together(*[lambda: add_user("ada", email="ada@example.com")] * THREADS)

    assert [type(outcome) for outcome in outcomes].count(UsernameTaken) == THREADS - 1
    assert len(events()) == 1


def test_a_first_admin_who_is_made_twice_at_once_is_one(database, events):
    for number in range(ROUNDS):
        wanted = {
            "username": f"root {number}",
            "email": f"root{number}@example.com",
            "password_hash": "$argon2id$x",
        }
        make = partial(database.run, users.ensure_admin, **wanted)

        outcomes = together(*[make] * THREADS)

        assert len({user.id for user in outcomes}) == 1
        assert len(events()) == number + 1


def test_parallel_refreshes_get_the_same_working_successor(database, add_user, log_in, use):
    token = log_in(add_user("ada"))
    for _ in range(ROUNDS):
        successors = together(*[lambda token=token: use(token)] * THREADS)

        assert len(set(successors)) == 1
        token = successors[0]
    with database.engine.connect() as connection:
        tokens = connection.scalar(text("SELECT COUNT(*) FROM refresh_tokens"))
    assert tokens == ROUNDS + 1


def test_without_the_lock_a_refresh_overtakes_a_log_out_everywhere(
    database, add_user, log_in, user_now, monkeypatch
):
    """The negative control of the next test but one: a new, living access token after it."""
    ada = add_user("ada")
    token = log_in(ada)

    def look_only(session, family_id):
        family = session.scalar(select(RefreshFamily).where(RefreshFamily.id == family_id))
        database.run(users.log_out_everywhere, user_id=ada.id)
        return family

    monkeypatch.setattr(refresh, "lock_family", look_only)
    user, _ = database.run(
        refresh.rotate, token=token, successor=lambda old: f"{old}+", seconds=60, grace=10
    )

    assert user.token_epoch == user_now(ada.id).token_epoch


def test_a_refresh_that_meets_a_log_out_leaves_no_live_token(database, add_user, log_in, use):
    ada = add_user("ada")
    for _ in range(ROUNDS):
        token = log_in(ada)

        outcome, _ = together(
            lambda token=token: use(token),
            lambda token=token: database.run(refresh.log_out, token=token),
        )

        last = outcome if isinstance(outcome, str) else token
        with pytest.raises(RefreshInvalid):
            use(last)


def test_a_refresh_that_meets_a_log_out_everywhere_gets_nothing_that_lives(
    database, add_user, log_in, use, accounts, user_now
):
    ada = add_user("ada")
    for _ in range(ROUNDS):
        token = log_in(ada)

        outcome, _ = together(
            lambda token=token: database.run(
                refresh.rotate, token=token, successor=accounts._successor, seconds=60, grace=10
            ),
            lambda: database.run(users.log_out_everywhere, user_id=ada.id),
        )

        if isinstance(outcome, tuple):
            user, token = outcome
            assert user.token_epoch < user_now(ada.id).token_epoch
        with pytest.raises(RefreshInvalid):
            use(token)


def test_log_ins_that_meet_a_password_change_do_not_outlive_it(
    database, add_user, log_in, use, user_now
):
    ada = add_user("ada")
    for number in range(ROUNDS):
        known = user_now(ada.id)
        changes = {"password_hash": f"$argon2id${number}"}

        outcome, _ = together(
            lambda known=known: log_in(known),
            lambda changes=changes: database.run(
                users.change_user, user_id=ada.id, changes=changes
            ),
        )

        if isinstance(outcome, str):
            with pytest.raises(RefreshInvalid):
                use(outcome)


def test_workers_that_make_the_store_at_once_make_one(database):
    stores = together(*[partial(database.run, users.ensure_store)] * THREADS)

    assert len({store.id for store in stores}) == 1


def test_of_guests_who_want_one_name_at_once_one_gets_it(accounts):
    add = partial(accounts.create_guest, username="customer1")

    outcomes = together(*[add] * THREADS)

    assert sum(isinstance(outcome, User) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, UsernameTaken) for outcome in outcomes) == THREADS - 1
