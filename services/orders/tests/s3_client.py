# SPDX-License-Identifier: Apache-2.0
"""S3's client: what it says, and what it reads."""

from threading import Thread

ADA, BOB, GUEST = 1, 2, 7


def click(customer, customer_id=ADA, **headers):
    return customer.client.post(
        "/order/add", headers=customer.headers | headers, json={"customer_id": customer_id}
    )


def keyed(customer, key):
    return click(customer, **{"Idempotency-Key": key})


def say(customer, path, customer_id=ADA, **body):
    return customer.client.post(
        path, headers=customer.headers, json={"customer_id": customer_id, **body}
    )


def add(customer, product, quantity=1, customer_id=ADA):
    return say(customer, "/cart/add", customer_id, product_id=product, quantity=quantity)


def remove(customer, product, customer_id=ADA):
    return say(customer, "/cart/remove", customer_id, product_id=product)


def lines(answer):
    return {line["product_id"]: line["quantity"] for line in answer.json["items"]}


def at_once(*calls):
    """What these calls answered, each in a thread of its own."""
    answers = [None] * len(calls)

    def run(index, call):
        answers[index] = call()

    threads = [Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
