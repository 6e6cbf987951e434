# SPDX-License-Identifier: Apache-2.0
"""No statement of notifier asks every shard, but those that are named in deploy/vitess."""

from datetime import timedelta

from notifier import queries
from notifier.commands.deliveries import forget_finished, resend


def test_mails_from_event_to_sending_ask_all_shards_only_where_it_is_named(
    shards, house, make, database
):
    house.admins("ada", "grace")
    price = make.price()
    sealed = house.hear(price)
    house.hear(make.changed(kind=make.created_product))
    house.hear(make.order())
    house.fan_out()
    house.send()
    delivery = house.deliveries()[0]
    database.run(resend, delivery_id=delivery.id, now=house.now())
    database.read(queries.list_deliveries, status=None, before=None, limit=10)
    database.read(queries.deliveries_of_events, event_ids=[sealed.id])
    database.read(queries.backlog)
    database.run(forget_finished, before=house.now() + timedelta(days=1))

    assert shards.faults == {}
    assert "notifier.commands.claims.claim_mails" in shards.heard
