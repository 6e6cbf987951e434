# SPDX-License-Identifier: Apache-2.0
"""Refresh tokens: single use, a short grace, and what happens when one is stolen."""

from hashlib import sha256

import pytest
from sqlalchemy import text

from auth.commands import refresh, users
from auth.errors import BadCredentials, RefreshInvalid, RefreshReused
from auth.sweeps import sweep_refresh_tokens

GRACE = 10


@pytest.fixture
def ada(add_user):
    return add_user("ada")


@pytest.fixture
def log_in(database):
    def begin(user, seconds=3600):
        _, token = database.run(
            refresh.log_in, user_id=user.id, known_hash=user.password_hash, seconds=seconds
        )
        return token

    return begin


@pytest.fixture
def use(database, accounts):
    def rotate(token, **settings):
        arguments = {"seconds": 3600, "grace": GRACE, **settings}
        _, following = database.run(
            refresh.rotate, token=token, successor=accounts._successor, **arguments
        )
        return following

    return rotate


@pytest.fixture
def let_pass(database):
    """Moves all that is written of tokens into the past, by the database's own clock."""

    def move(seconds):
        interval = f"INTERVAL {seconds} SECOND"
        with database.engine.begin() as connection:
            connection.execute(
                text(
                    f"UPDATE refresh_tokens SET expires_at = expires_at - {interval},"
                    f" used_at = used_at - {interval}"
                )
            )
            connection.execute(
                text(f"UPDATE refresh_families SET expires_at = expires_at - {interval}")
            )

    return move


@pytest.fixture
def rows(database):
    def count(table):
        with database.engine.connect() as connection:
            return connection.scalar(text(f"SELECT COUNT(*) FROM {table}"))

    return count


def test_each_use_gives_another_token(log_in, use, ada):
    first = log_in(ada)
    second = use(first)
    third = use(second)

    assert len({first, second, third}) == 3
    assert all(len(token) >= 43 for token in (first, second, third))


def test_only_digests_are_stored(database, log_in, use, ada):
    tokens = [log_in(ada)]
    tokens.append(use(tokens[0]))

    with database.engine.connect() as connection:
        stored = set(connection.scalars(text("SELECT digest FROM refresh_tokens")))
        everything = str(connection.execute(text("SELECT * FROM refresh_tokens")).all())
    assert stored == {sha256(token.encode()).digest() for token in tokens}
    assert not any(token in everything for token in tokens)


def test_who_asks_twice_within_the_grace_gets_the_same_successor(log_in, use, let_pass, ada):
    first = log_in(ada)
    second = use(first)
    let_pass(GRACE - 2)

    assert use(first) == second
    assert use(second)


def test_asking_again_does_not_make_the_grace_longer(log_in, use, let_pass, ada):
    first = log_in(ada)
    use(first)
    let_pass(GRACE - 3)
    use(first)
    let_pass(GRACE - 3)

    with pytest.raises(RefreshReused):
        use(first)


def test_the_successor_does_not_tell_its_own_successor(log_in, use, make_app, ada):
    """Who sees tokens but not the key can not go on by himself."""
    token = log_in(ada)
    another_key = make_app().extensions["accounts"]

    assert use(token) != another_key._successor(token)


def test_a_successor_is_made_again_when_the_key_was_changed_in_between(
    database, log_in, use, make_app, ada
):
    token = log_in(ada)
    use(token)
    another_key = make_app().extensions["accounts"]._successor

    _, following = database.run(
        refresh.rotate, token=token, successor=another_key, seconds=60, grace=GRACE
    )
    assert use(following)


def test_a_use_after_the_grace_is_a_theft(log_in, use, let_pass, ada):
    first = log_in(ada)
    use(first)
    let_pass(GRACE + 1)

    with pytest.raises(RefreshReused) as theft:
        use(first)
    assert theft.value.user_id == ada.id


def test_a_theft_ends_its_log_in_and_kills_access_tokens_but_not_other_log_ins(
    database, log_in, use, let_pass, user_now, ada
):
    first, other = log_in(ada), log_in(ada)
    second = use(first)
    let_pass(GRACE + 1)
    with pytest.raises(RefreshReused) as theft:
        use(first)

    database.run(refresh.punish_reuse, user_id=theft.value.user_id, family_id=theft.value.family_id)

    with pytest.raises(RefreshInvalid):
        use(second)
    assert use(other)
    assert user_now(ada.id).token_epoch == ada.token_epoch + 1


def test_a_theft_is_punished_once(database, log_in, use, let_pass, user_now, ada):
    """Else whoever keeps an old token could log its owner out again and again."""
    first = log_in(ada)
    use(first)
    let_pass(GRACE + 1)

    for _ in range(3):
        with pytest.raises(RefreshReused) as theft:
            use(first)
        database.run(refresh.punish_reuse, user_id=ada.id, family_id=theft.value.family_id)

    assert user_now(ada.id).token_epoch == ada.token_epoch + 1


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 1000, "' OR 1=1 --", "\0"])
def test_an_unknown_token_is_refused(use, ada, token):
    with pytest.raises(RefreshInvalid):
        use(token)


def test_an_expired_token_is_refused_used_or_not(log_in, use, let_pass, ada):
    used, unused = log_in(ada), log_in(ada)
    use(used)
    let_pass(3601)

    for token in (used, unused):
        with pytest.raises(RefreshInvalid):
            use(token)


def test_each_use_begins_the_life_of_a_log_in_anew(log_in, use, let_pass, ada):
    token = log_in(ada)
    for _ in range(3):
        let_pass(3000)
        token = use(token)


def test_a_log_out_ends_the_log_in_with_all_its_tokens_and_no_other(database, log_in, use, ada):
    first, other = log_in(ada), log_in(ada)
    second = use(first)

    database.run(refresh.log_out, token=second)

    for token in (first, second):
        with pytest.raises(RefreshInvalid):
            use(token)
    assert use(other)


def test_a_log_in_ends_once(database, log_in, let_pass, ada):
    token, expired = log_in(ada), log_in(ada)
    database.run(refresh.log_out, token=token)
    let_pass(3601)

    for dead in (token, expired, "unknown"):
        with pytest.raises(RefreshInvalid):
            database.run(refresh.log_out, token=dead)


@pytest.mark.parametrize(
    "end",
    [
        lambda user: (users.log_out_everywhere, {"user_id": user.id}),
        lambda user: (users.delete_user, {"user_id": user.id}),
        lambda user: (users.change_user, {"user_id": user.id, "changes": {"role": "analyst"}}),
        lambda user: (users.change_user, {"user_id": user.id, "changes": {"password_hash": "x"}}),
    ],
    ids=["log out everywhere", "deletion", "role", "password"],
)
def test_whatever_kills_access_tokens_ends_all_log_ins(database, log_in, use, ada, end):
    tokens = [log_in(ada), log_in(ada)]
    command, arguments = end(ada)

    database.run(command, **arguments)

    for token in tokens:
        with pytest.raises(RefreshInvalid):
            use(token)


def test_a_log_in_under_way_does_not_outlive_a_password_change(database, log_in, ada):
    """``ada`` is as she was when her password was compared."""
    changes = {"password_hash": "$argon2id$another"}
    database.run(users.change_user, user_id=ada.id, changes=changes)

    with pytest.raises(BadCredentials):
        log_in(ada)


def test_a_log_in_under_way_does_not_outlive_its_user(database, log_in, ada):
    database.run(users.delete_user, user_id=ada.id)

    with pytest.raises(BadCredentials):
        log_in(ada)


def test_the_sweep_deletes_what_has_expired_in_small_batches(
    database, log_in, use, let_pass, rows, ada
):
    for _ in range(4):
        use(log_in(ada))
    let_pass(3601)
    alive = log_in(ada)

    assert sweep_refresh_tokens(database, limit=3) == 8 + 4

    assert (rows("refresh_tokens"), rows("refresh_families")) == (1, 1)
    assert use(alive)


def test_the_sweep_keeps_a_log_in_while_one_of_its_tokens_lives(
    database, log_in, use, let_pass, rows, ada
):
    first = log_in(ada)
    let_pass(3000)
    second = use(first)
    let_pass(1000)

    assert sweep_refresh_tokens(database) == 1
    assert rows("refresh_families") == 1
    assert use(second)


def test_a_batch_has_no_more_rows_than_its_limit(database, log_in, let_pass, ada):
    for _ in range(3):
        log_in(ada)
    let_pass(3601)

    assert database.run(refresh.forget_expired_tokens, limit=2) == 2
    assert database.run(refresh.forget_expired_tokens, limit=2) == 1
    assert database.run(refresh.forget_expired_tokens, limit=2) == 0
