# SPDX-License-Identifier: Apache-2.0
"""What another service said, read by its shape. A shape names only what orders needs of it."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict

from common.http import Answer
from common.logs import get_logger
from common.problems import Unavailable

log = get_logger(__name__)


class Said(BaseModel):
    """A shape of somebody else: what it may grow one day is none of our business."""

    model_config = ConfigDict(frozen=True, extra="ignore")


T = TypeVar("T", bound=Said)


def read(shape: type[T], answer: Answer) -> T:
    """The answer as *shape*.

    Raises:
        Unavailable: It has another one. No client can mend that, and the log says so.
    """
    try:
        return shape.model_validate(answer.json())
    except ValueError as error:
        log.error("answer_not_understood", status=answer.status, shape=shape.__name__)
        raise Unavailable from error
