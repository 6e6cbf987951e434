# SPDX-License-Identifier: Apache-2.0
"""No statement of analytics asks every shard, but those that are named in deploy/vitess."""

from analytics import chain


def test_events_and_reports_ask_all_shards_only_where_it_is_named(
    shards, client, database, hear, teller, token_factory, auditor
):
    root = token_factory.bearer(99, "root", "admin")
    hear(teller.created(), teller.changed(version=2), teller.deleted(version=3))
    again = teller.view()
    hear(again, teller.view(viewer=1), again)
    hear(teller.placed("order-1", (42, 2, 1250), (43, 1, 100)))
    hear(teller.cancelled("order-1", (42, 2, 1250), (43, 1, 100)))
    chain.seal_all(database)
    for path in (
        *("/v1/analytics/products/42", "/v1/analytics/products/LAMP-1", "/v1/analytics/top"),
        *("/v1/analytics/views", "/v1/analytics/views?product=42", "/v1/orders/order-1/timeline"),
    ):
        client.get(path, headers=root)
    auditor.audit()

    assert shards.faults == {}
    assert {"analytics.commands._store", "analytics.commands._stored"} <= shards.heard
