# SPDX-License-Identifier: Apache-2.0
"""What other services are told of mails; never an address."""

from uuid import uuid4

import pytest

from notifier.app import create_app


@pytest.fixture
def ask(database, config, token_factory):
    app = create_app(config, database=database, guard=token_factory.guard("notifier"))
    headers = token_factory.service_bearer("analytics")

    def get(*event_ids):
        listed = ",".join(str(one) for one in event_ids)
        with app.test_client() as client:
            path = "/internal/notifications"
            return client.get(path, query_string={"event_ids": listed}, headers=headers)

    return get


def test_the_mails_of_events_are_found_by_any_event_that_they_tell_of(house, make, ask):
    house.admins("ada", "bob")
    price = house.hear(make.price(), correlationid="c" * 32)
    name = house.hear(make.changed(), correlationid="c" * 32)
    other = house.hear(make.price(product_id=7))
    house.send()

    def told(*event_ids):
        return [(item["event_id"], item["user_id"]) for item in ask(*event_ids).json["items"]]

    assert sorted(told(price.id)) == [(str(price.id), 1), (str(price.id), 2)]
    assert sorted(told(name.id)) == [(str(name.id), 1), (str(name.id), 2)]
    assert len(told(price.id, other.id)) == 4
    assert told(uuid4()) == []


def test_a_mail_is_told_with_what_became_of_it_and_without_an_address(house, make, ask):
    house.hear(make.user(5, "eve"))
    placed = house.hear(make.order(5))
    house.send()

    (item,) = ask(placed.id).json["items"]

    assert item.pop("id") == str(house.deliveries()[0].id)
    assert item.pop("created_at").endswith("Z")
    assert item.pop("sent_at").endswith("Z")
    assert item == {
        "event_id": str(placed.id),
        "user_id": 5,
        "subject": house.deliveries()[0].subject,
        "status": "sent",
    }


def test_as_many_events_may_be_asked_for_as_a_request_can_name(ask):
    assert ask(*(uuid4() for _ in range(100))).status_code == 200
    assert ask(*(uuid4() for _ in range(101))).status_code == 422
    assert ask("4711").status_code == 422
    assert ask().status_code == 422


def test_only_services_may_ask(database, config, token_factory):
    app = create_app(config, database=database, guard=token_factory.guard("notifier"))
    with app.test_client() as client:
        path = f"/internal/notifications?event_ids={uuid4()}"
        assert client.get(path).status_code == 401
        assert client.get(path, headers=token_factory.bearer(1, "a", "admin")).status_code == 401
