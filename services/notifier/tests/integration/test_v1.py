# SPDX-License-Identifier: Apache-2.0
from datetime import timedelta

import pytest

from notifier.app import create_app
from notifier.mail import MailRefused

SHAPE = {
    "id",
    "event_id",
    "event_type",
    "recipient",
    "subject",
    "status",
    "attempts",
    "created_at",
    "sent_at",
}


@pytest.fixture
def client(database, config, token_factory):
    app = create_app(config, database=database, guard=token_factory.guard("notifier"))
    with app.test_client() as client:
        yield client


@pytest.fixture
def admin(token_factory):
    return token_factory.bearer(1, "ada", "admin")


@pytest.fixture
def mails(house, make, monkeypatch):
    """Five new prices mailed to one admin, the first of them refused once."""
    later = "notifier.commands.deliveries.delay_after"
    monkeypatch.setattr(later, lambda _attempt: timedelta(hours=1))
    house.admins("ada")
    house.post.trouble = [MailRefused("MessageRejected")]
    for number in range(5):
        house.hear(make.price(1000 + number, 900))
        house.send()


def test_an_admin_sees_what_was_mailed_newest_first(client, admin, mails):
    answer = client.get("/v1/notifications", headers=admin)

    assert answer.status_code == 200
    items = answer.json["items"]
    assert answer.json["next_cursor"] is None
    assert {frozenset(item) for item in items} == {frozenset(SHAPE)}
    assert items[0]["subject"] == "Price changed: Blue shoes 10.04 → 9.00 USD"
    assert items[0]["recipient"] == "ada@example.com"
    assert items[0]["event_type"] == "ProductPriceChanged"
    assert items[0]["created_at"].endswith("Z")
    assert items[0]["sent_at"].endswith("Z")
    assert [item["status"] for item in items] == ["sent"] * 4 + ["pending"]
    assert (items[-1]["sent_at"], items[-1]["attempts"]) == (None, 1)


def test_the_list_goes_on_behind_its_cursor(client, admin, mails):
    seen, cursor = [], None
    while cursor != "end":
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/notifications", headers=admin, query_string=query).json
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"] or "end"

    whole = client.get("/v1/notifications", headers=admin).json["items"]
    assert seen == [item["id"] for item in whole]


def test_the_list_can_be_of_one_status(client, admin, mails):
    answer = client.get("/v1/notifications?status=pending", headers=admin)

    assert [item["status"] for item in answer.json["items"]] == ["pending"]


def test_a_cursor_is_good_for_its_own_list_only(client, admin, mails):
    cursor = client.get("/v1/notifications?limit=1", headers=admin).json["next_cursor"]

    answer = client.get(f"/v1/notifications?status=sent&cursor={cursor}", headers=admin)

    assert answer.status_code == 422
    assert "cursor" in answer.json["errors"]


@pytest.mark.parametrize(
    "query",
    ["status=lost", "status=", "limit=0", "limit=201", "limit=x", "cursor=made-up", "unknown=1"],
)
def test_a_wrong_question_is_refused(client, admin, query):
    answer = client.get(f"/v1/notifications?{query}", headers=admin)

    assert (answer.status_code, answer.json["code"]) == (422, "invalid")
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/v1/notifications", "/v1/notifications/"])
def test_a_slash_at_the_end_makes_no_difference(client, admin, path):
    assert client.get(path, headers=admin).status_code == 200


def test_an_admin_can_have_a_mail_sent_again(client, admin, mails, house):
    sent = client.get("/v1/notifications?status=sent&limit=1", headers=admin).json["items"][0]
    before = len(house.post.sent)

    answer = client.post(f"/v1/notifications/{sent['id']}/resend", headers=admin)

    assert answer.status_code == 202
    assert (answer.json["id"], answer.json["status"]) == (sent["id"], "pending")
    house.send()
    assert len(house.post.sent) == before + 1


def test_a_mail_that_waits_already_stays_as_it_is(client, admin, mails):
    waiting = client.get("/v1/notifications?status=pending", headers=admin).json["items"][0]

    answer = client.post(f"/v1/notifications/{waiting['id']}/resend", headers=admin)

    assert (answer.status_code, answer.json) == (202, waiting)


@pytest.mark.parametrize(
    "unknown",
    ["0", "no-uuid", "9" * 40, "%00", "00000000-0000-0000-0000-000000000001", "é", "1" * 4000],
)
def test_what_does_not_exist_can_not_be_sent_again(client, admin, unknown):
    answer = client.post(f"/v1/notifications/{unknown}/resend", headers=admin)

    assert (answer.status_code, answer.json["code"]) == (404, "not_found")


CALLS = [
    ("get", "/v1/notifications"),
    ("post", "/v1/notifications/00000000-0000-0000-0000-000000000001/resend"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("role", ["user", "analyst"])
def test_only_admins_may_ask(client, token_factory, method, path, role):
    headers = token_factory.bearer(2, "eve", role)

    answer = client.open(path, method=method, headers=headers)

    assert (answer.status_code, answer.json["code"]) == (403, "forbidden")


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer forged"}])
def test_nobody_may_ask_without_a_good_token(client, method, path, header):
    answer = client.open(path, method=method, headers=header)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_another_method_is_refused(client, admin):
    assert client.post("/v1/notifications", headers=admin).status_code == 405


def test_the_service_says_that_it_is_ready(client):
    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json["checks"]["database"]["ok"]
