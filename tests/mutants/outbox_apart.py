# SPDX-License-Identifier: Apache-2.0
"""An event is promised before its effect is committed, in a transaction of its own."""

from sqlalchemy.orm import Session

from common import outbox

append_all = outbox.append_all


def append_at_once(session, envelopes):
    with Session(session.get_bind()) as other, other.begin():
        append_all(other, envelopes)


outbox.append_all = append_at_once
