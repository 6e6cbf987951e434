# SPDX-License-Identifier: Apache-2.0
"""What other services ask auth about people."""

import pytest

from auth.commands import users
from auth.models import User
from common.tokens import ServiceTokens


@pytest.fixture
def ask(client, make_config):
    """Asks as orders would."""
    key = make_config().service_token_key.get_secret_value()
    headers = {"Authorization": f"Bearer {ServiceTokens(key, 'orders').issue()}"}
    return lambda ref: client.get(f"/internal/users/{ref}", headers=headers)


def test_services_learn_what_they_need_of_a_user(ask, add_user):
    ada = add_user("Ada", email="ada@example.com", role="analyst")

    answer = ask(ada.id)

    assert answer.status_code == 200
    assert answer.json == {"id": ada.id, "username": "Ada", "role": "analyst", "guest": False}


def test_services_learn_who_is_a_guest(ask, database):
    guest = database.run(users.register_guest, username="customer1")

    assert ask(guest.id).json["guest"] is True


@pytest.mark.parametrize("ref", ["999999", "0", "ada", "9" * 30, "-1", "1.0", "Store"])
def test_nobody_is_not_found(ask, add_user, ref):
    add_user("ada")

    assert (ask(ref).status_code, ask(ref).json["code"]) == (404, "not_found")


def test_the_deleted_are_not_found(ask, add_user, accounts):
    ada = add_user("ada")
    accounts.delete_user(ada.id)

    assert ask(ada.id).status_code == 404


def test_the_store_is_found_by_its_name_once_it_is_open(ask, database):
    assert ask("store").status_code == 404

    store = database.run(users.ensure_store)

    assert ask("store").json == {
        "id": store.id,
        "username": "store",
        "role": "user",
        "guest": False,
    }


def test_a_person_who_had_the_stores_name_before_is_not_the_store(ask, add_user, database):
    person = add_user("somebody")

    def rename(session):
        user = session.get_one(User, person.id)
        user.username = user.username_key = "store"

    database.run(rename)

    assert database.run(users.ensure_store).id == person.id
    assert ask("store").status_code == 404


def test_no_user_asks_in_a_services_place(client, add_user, bearer):
    root = add_user("root", role="admin")

    assert client.get(f"/internal/users/{root.id}", headers=bearer(root)).status_code == 401
    assert client.get(f"/internal/users/{root.id}").status_code == 401
