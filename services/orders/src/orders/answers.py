# SPDX-License-Identifier: Apache-2.0
"""The bytes that a settled order answers to its key, now and whenever the key comes again."""

import orjson

from common.idempotency import Answer
from common.problems import Problem
from orders.models import Order
from orders.schemas import OrderOut

PATH = "/v1/orders"


def of_order(order: Order) -> Answer:
    return Answer(status=201, body=orjson.dumps(OrderOut.of(order).model_dump()))


def of_refusal(problem: Problem) -> Answer:
    return Answer(status=problem.status, body=orjson.dumps(problem.document(instance=PATH)))
