# SPDX-License-Identifier: Apache-2.0
"""The bytes that a settled order answers to its key, now and whenever the key comes again.

They are stored in ``/v1``'s words; another surface translates what it gets out of the store.
"""

import orjson

from common.idempotency import Answer
from common.problems import Problem
from orders.models import Order, ShownOrder, Standing
from orders.schemas import OrderOut
from orders.seed_schemas import S3OrderOut

PATH = "/v1/orders"
S3_PATH = "/order/add"
CREATED = 201


def of_order(order: Order | Standing) -> Answer:
    return Answer(status=CREATED, body=orjson.dumps(OrderOut.shape(ShownOrder.of(order))))


def of_refusal(problem: Problem) -> Answer:
    return Answer(status=problem.status, body=orjson.dumps(problem.document(instance=PATH)))


def in_s3_words(answer: Answer, *, customer_id: int) -> Answer:
    """The same answer as S3's clients read it; always the same bytes for the same answer."""
    if answer.status == CREATED:
        order = OrderOut.model_validate_json(answer.body)
        words = S3OrderOut.of(customer_id, order).model_dump()
    else:
        words = orjson.loads(answer.body) | {"instance": S3_PATH}
    return Answer(status=answer.status, body=orjson.dumps(words))
