# SPDX-License-Identifier: Apache-2.0
"""One word, which the gateway gives, finds a request in every log, and its mail."""

import json

from common.testing import eventually

STORY = {
    ("orders", "request"),
    ("orders", "order_confirmed"),
    ("catalog", "request"),
    ("catalog", "event_handled"),
    ("notifier", "event_handled"),
    ("notifier", "mail_sent"),
    ("analytics", "event_handled"),
}


def logged(stack, request_id):
    """Who logged what under this id, in all files of all processes."""
    lines = [
        json.loads(line)
        for path in (stack.directory / "logs").glob("*.log")
        for line in path.read_text().splitlines()
        if line.startswith("{") and request_id in line
    ]
    return {
        (line["service"], line["event"]) for line in lines if line["correlation_id"] == request_id
    }


def test_the_gateways_id_is_in_the_logs_of_all_who_took_part_and_in_the_mail(shop, stack):
    lamp = shop.product(shop.admin(), "Traced lamp", quantity=9)
    ada = shop.sign_up()
    mine = "c0ffee" * 5 + "c0"

    first, second = (
        ada.post(
            "/v1/orders",
            {"items": [{"product": lamp["id"], "quantity": 1}]},
            Idempotency_Key=key,
            X_Request_Id=mine,
        )
        for key in ("k1", "k2")
    )
    given = first.headers["X-Request-Id"]

    assert given not in {mine, second.headers["X-Request-Id"]}, "the client's word is none"
    eventually(lambda: logged(stack, given) >= STORY, seconds=30, what=f"all logs of {given}")
    assert logged(stack, mine) == set()
    for answer in (first, second):
        address, order_id = f"{ada.username}@mail.example", answer.json()["id"]
        (mail,) = shop.wait_for_mail(address, naming=order_id, subject="rder")
        assert mail["X-Request-Id"] == answer.headers["X-Request-Id"]
