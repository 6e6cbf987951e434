# SPDX-License-Identifier: Apache-2.0
"""What can happen to a user, on a real database."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from auth import queries
from auth.commands import refresh, users
from auth.errors import (
    EmailTaken,
    LastAdmin,
    UsernameTaken,
    UserNotFound,
    WrongCurrentPassword,
)
from auth.models import RefreshFamily


@pytest.fixture
def live_log_ins(database):
    """How many log-ins of a user have not ended."""

    def count(user):
        query = RefreshFamily.user_id == user.id, RefreshFamily.revoked_at.is_(None)
        return database.read(lambda session: session.query(RefreshFamily).filter(*query).count())

    return count


@pytest.fixture
def log_in(database):
    def begin(user):
        return database.run(
            refresh.log_in, user_id=user.id, known_hash=user.password_hash, seconds=60
        )[1]

    return begin


def test_a_new_user_is_announced_with_version_1(add_user, events):
    ada = add_user("Ada", email="Ada@example.com", fullname="Ada Lovelace", role="analyst")

    [envelope] = events()
    assert (envelope.type, envelope.subject) == ("UserRegistered", f"user/{ada.id}")
    assert envelope.aggregateversion == 1
    assert envelope.data == {
        "user_id": ada.id,
        "username": "Ada",
        "email": "Ada@example.com",
        "fullname": "Ada Lovelace",
        "role": "analyst",
        "guest": False,
    }


@pytest.mark.parametrize("same", ["ada", "ADA", "ａｄａ"])
def test_a_username_is_taken_in_every_spelling(add_user, same, events):
    add_user("Ada")

    with pytest.raises(UsernameTaken):
        add_user(same)
    assert len(events()) == 1


def test_an_address_is_taken_in_every_spelling(add_user):
    add_user("ada", email="ada@example.com")

    with pytest.raises(EmailTaken):
        add_user("grace", email="Ada@Example.com")


def test_any_number_of_users_may_have_no_address(add_user):
    assert add_user("ada").id != add_user("grace").id


def test_a_change_is_announced_with_the_new_state_and_the_next_version(database, add_user, events):
    ada = add_user("ada", email="old@example.com")

    changes = {"email": "new@example.com", "fullname": "Ada"}
    database.run(users.change_user, user_id=ada.id, changes=changes)
    database.run(users.change_user, user_id=ada.id, changes={"email": None})

    _, first, second = events()
    assert (first.type, first.aggregateversion) == ("UserChanged", 2)
    assert (first.data["email"], first.data["fullname"]) == ("new@example.com", "Ada")
    assert (second.aggregateversion, second.data["email"]) == (3, None)
    assert second.data["fullname"] == "Ada"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"email": "ada@example.com"},
        {"fullname": "Ada"},
        {"role": "user"},
        {"password_hash": "$argon2id$another"},
    ],
)
def test_what_the_world_can_not_see_is_not_announced(database, add_user, events, user_now, changes):
    ada = add_user("ada", email="ada@example.com", fullname="Ada")

    database.run(users.change_user, user_id=ada.id, changes=changes)

    assert len(events()) == 1
    assert user_now(ada.id).version == 1


def test_an_address_may_be_spelled_anew_by_its_owner_only(database, add_user):
    ada = add_user("ada", email="ada@example.com")
    grace = add_user("grace")

    changes = {"email": "ADA@example.com"}
    assert (
        database.run(users.change_user, user_id=ada.id, changes=changes).email == changes["email"]
    )
    with pytest.raises(EmailTaken):
        database.run(users.change_user, user_id=grace.id, changes=changes)


@pytest.mark.parametrize("changes", [{"role": "analyst"}, {"password_hash": "$argon2id$another"}])
def test_a_new_role_or_password_kills_all_tokens(
    database, add_user, log_in, live_log_ins, user_now, changes
):
    ada, grace = add_user("ada"), add_user("grace")
    for user in (ada, ada, grace):
        log_in(user)

    database.run(users.change_user, user_id=ada.id, changes=changes)

    assert user_now(ada.id).token_epoch == ada.token_epoch + 1
    assert (live_log_ins(ada), live_log_ins(grace)) == (0, 1)


@pytest.mark.parametrize("changes", [{"fullname": "Ada"}, {"role": "user"}])
def test_other_changes_leave_tokens_alive(
    database, add_user, log_in, live_log_ins, user_now, changes
):
    ada = add_user("ada")
    log_in(ada)

    database.run(users.change_user, user_id=ada.id, changes=changes)

    assert user_now(ada.id).token_epoch == ada.token_epoch
    assert live_log_ins(ada) == 1


def test_a_password_that_was_changed_meanwhile_is_not_the_current_one(database, add_user, user_now):
    ada = add_user("ada")
    changes = {"password_hash": "$argon2id$first"}
    database.run(users.change_user, user_id=ada.id, changes=changes)

    with pytest.raises(WrongCurrentPassword):
        database.run(
            users.change_user,
            user_id=ada.id,
            changes={"password_hash": "$argon2id$second"},
            known_hash=ada.password_hash,
        )
    assert user_now(ada.id).password_hash == "$argon2id$first"


def test_logging_out_everywhere_kills_tokens_and_tells_nobody(
    database, add_user, log_in, live_log_ins, user_now, events
):
    ada = add_user("ada")
    log_in(ada)

    database.run(users.log_out_everywhere, user_id=ada.id)

    assert user_now(ada.id).token_epoch == ada.token_epoch + 1
    assert live_log_ins(ada) == 0
    assert len(events()) == 1


def test_a_deleted_user_leaves_an_id_and_nothing_else(
    database, add_user, log_in, live_log_ins, user_now
):
    ada = add_user("Ada", email="ada@example.com", fullname="Ada Lovelace", role="analyst")
    log_in(ada)

    database.run(users.delete_user, user_id=ada.id)

    rest = user_now(ada.id)
    assert rest.username == f"deleted-{ada.id}"
    assert (rest.username_key, rest.email, rest.email_key) == (None, None, None)
    assert (rest.fullname, rest.password_hash, rest.role) == (None, None, "user")
    assert rest.deleted_at is not None
    assert rest.token_epoch == ada.token_epoch + 1
    assert live_log_ins(ada) == 0


def test_a_deletion_is_announced_with_the_last_state(database, add_user, events):
    ada = add_user("Ada", email="ada@example.com", role="analyst")

    database.run(users.delete_user, user_id=ada.id)

    _, envelope = events()
    assert (envelope.type, envelope.aggregateversion) == ("UserDeleted", 2)
    assert (envelope.data["username"], envelope.data["email"]) == ("Ada", "ada@example.com")
    assert envelope.data["role"] == "analyst"


def test_a_deleted_users_name_and_address_are_free_again(database, add_user):
    ada = add_user("ada", email="ada@example.com")
    database.run(users.delete_user, user_id=ada.id)

    assert add_user("ada", email="ada@example.com").id != ada.id


def test_nobody_can_do_anything_to_a_user_who_is_gone(database, add_user):
    ada = add_user("ada")
    database.run(users.delete_user, user_id=ada.id)

    for user_id in (ada.id, 10**17):
        for command, arguments in (
            (users.change_user, {"changes": {"fullname": "Ada"}}),
            (users.change_user, {"changes": {"role": "user"}}),
            (users.delete_user, {}),
            (users.log_out_everywhere, {}),
        ):
            with pytest.raises(UserNotFound):
                database.run(command, user_id=user_id, **arguments)
    assert database.read(queries.epoch_of_user, ada.id) is None


def test_the_last_admin_stays(database, add_user, user_now, events):
    root = add_user("root", role="admin")
    add_user("ada")
    before = len(events())

    with pytest.raises(LastAdmin):
        database.run(users.change_user, user_id=root.id, changes={"role": "user"})
    with pytest.raises(LastAdmin):
        database.run(users.delete_user, user_id=root.id)

    assert user_now(root.id).is_admin
    assert len(events()) == before


def test_the_last_admin_may_change_everything_else(database, add_user):
    root = add_user("root", role="admin")

    changes = {"role": "admin", "fullname": "Root", "password_hash": "$argon2id$another"}
    assert database.run(users.change_user, user_id=root.id, changes=changes).fullname == "Root"


def test_one_of_two_admins_may_go(database, add_user, user_now):
    root, second = add_user("root", role="admin"), add_user("second", role="admin")

    database.run(users.delete_user, user_id=root.id)

    assert user_now(second.id).is_admin


def test_a_first_admin_is_made_once(database, add_user, events):
    wanted = {"username": "root", "email": "root@example.com", "password_hash": "$argon2id$x"}

    first = database.run(users.ensure_admin, **wanted)
    again = database.run(users.ensure_admin, **wanted | {"password_hash": "$argon2id$y"})

    assert (first.id, first.role) == (again.id, "admin")
    assert again.password_hash == "$argon2id$x"
    assert [envelope.type for envelope in events()] == ["UserRegistered"]


def test_somebody_who_exists_becomes_admin_and_keeps_password_and_address(
    database, add_user, events
):
    ada = add_user("ada", email="ada@example.com")

    admin = database.run(
        users.ensure_admin, username="ADA", email="other@example.com", password_hash="$argon2id$x"
    )

    assert (admin.id, admin.role, admin.email) == (ada.id, "admin", "ada@example.com")
    assert admin.password_hash == ada.password_hash
    assert [envelope.type for envelope in events()] == ["UserRegistered", "UserChanged"]


@pytest.mark.parametrize(
    "broken",
    [
        "role = 'king'",
        "username_key = NULL",
        "email = 'ada@example.com'",
        "deleted_at = NOW(), username_key = NULL, fullname = 'Ada'",
    ],
)
def test_the_database_refuses_a_row_that_breaks_a_rule(database, add_user, broken):
    ada = add_user("ada")

    with pytest.raises(OperationalError), database.engine.begin() as connection:
        connection.execute(text(f"UPDATE users SET {broken} WHERE id = {ada.id}"))


@pytest.mark.parametrize(
    "login", ["ada", "ADA", "Ａｄａ", " ada", "ada@example.com", "Ada@Example.COM"]
)
def test_a_login_is_a_username_or_an_address_in_any_spelling(database, add_user, login):
    ada = add_user("Ada", email="Ada@example.com")

    assert database.read(queries.user_by_login, login).id == ada.id


@pytest.mark.parametrize("login", ["grace", "ada@", "@", "ada%", "grace@example.com"])
def test_another_login_is_nobodys(database, add_user, login):
    add_user("ada", email="ada@example.com")

    assert database.read(queries.user_by_login, login) is None
