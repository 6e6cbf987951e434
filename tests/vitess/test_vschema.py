# SPDX-License-Identifier: Apache-2.0
"""The VSchemas name every table with its shard key, and the judge of statements has teeth."""

from importlib import import_module

import pytest
from sqlalchemy import BigInteger, Integer, inspect

from support.shards import ROOM, SERVICES, intended, scattered, shard_keys, vschema_of

every_service = pytest.mark.parametrize("service", SERVICES)


def tables_of(service):
    return import_module(f"{service}.models").Base.metadata.tables


def lookups_of(service):
    """The tables of a keyspace's own lookups, with the columns that they map."""
    vindexes = vschema_of(service)["vindexes"].values()
    return {
        vindex["params"]["table"]: vindex["params"]["from"]
        for vindex in vindexes
        if "params" in vindex
    }


@every_service
def test_every_table_is_in_the_vschema_and_nothing_else_but_its_lookups(service):
    named = vschema_of(service)["tables"].keys()

    assert named == tables_of(service).keys() | lookups_of(service).keys()


@every_service
def test_every_key_is_a_column_that_is_never_null_where_it_says_where_a_row_lives(service):
    for name, table in tables_of(service).items():
        described = vschema_of(service)["tables"][name]
        if described == {"pinned": "00"}:
            continue
        keys = shard_keys(described)
        assert set(keys) <= set(table.columns.keys()), name
        assert not table.columns[keys[0]].nullable, name


@every_service
def test_every_vindex_is_declared_and_what_is_looked_up_is_owned_by_one_table(service):
    keyspace = vschema_of(service)
    for name, table in keyspace["tables"].items():
        for key in table.get("column_vindexes", []):
            vindex = keyspace["vindexes"][key["name"]]
            if vindex.get("owner") == name:
                assert vindex["params"]["from"] == key["column"]
    owners = [vindex["owner"] for vindex in keyspace["vindexes"].values() if "owner" in vindex]
    assert set(owners) <= tables_of(service).keys()
    assert keyspace["vindexes"].keys() <= {
        key["name"]
        for table in keyspace["tables"].values()
        for key in table.get("column_vindexes", [])
    }


@every_service
def test_what_must_be_unique_everywhere_holds_its_key_or_is_looked_up_or_says_why(service):
    """Within a shard a unique key is the table's; across shards it is only the vindex's."""
    for name, table in tables_of(service).items():
        described = vschema_of(service)["tables"][name]
        if "pinned" in described or (service, name) in SAME_ROW_SAME_SHARD:
            continue
        known = {*shard_keys(described), described.get("auto_increment", {}).get("column")}
        for columns in unique_keys(table):
            assert columns & known, f"{name} {sorted(columns)}"


SAME_ROW_SAME_SHARD = {
    ("analytics", "views"): "the same event always has the same product",
    ("auth", "outbox_messages"): "an event's id is made once, and always has the same subject",
    ("catalog", "outbox_messages"): "an event's id is made once, and always has the same subject",
    ("orders", "outbox_messages"): "an event's id is made once, and always has the same subject",
}


def unique_keys(table):
    yield {column.name for column in table.primary_key}
    for constraint in (*table.constraints, *table.indexes):
        if getattr(constraint, "unique", False) or type(constraint).__name__ == "UniqueConstraint":
            yield {column.name for column in constraint.columns}


@every_service
def test_ids_that_the_database_counts_come_from_a_sequence(service):
    sequences = vschema_of("sequences")["tables"]
    for name, table in tables_of(service).items():
        described = vschema_of(service)["tables"][name]
        counted = inspect(table).autoincrement_column
        if counted is None or "pinned" in described:
            assert "auto_increment" not in described
            continue
        assert isinstance(counted.type, BigInteger | Integer)
        assert described["auto_increment"]["column"] == counted.name, name
        assert described["auto_increment"]["sequence"].removeprefix("sequences.") in sequences


def test_who_may_ask_all_shards_is_there_and_says_why():
    for name, reason in intended().items():
        parts = name.split(".")
        for cut in range(len(parts) - 1, 0, -1):
            try:
                found = import_module(".".join(parts[:cut]))
            except ModuleNotFoundError:
                continue
            for part in parts[cut:]:
                found = getattr(found, part)
            break
        assert callable(found), name
        assert len(reason) > 10, name


def test_every_file_here_is_known():
    files = {path.name for path in ROOM.glob("*.json")}

    assert files == {f"{name}.vschema.json" for name in (*SERVICES, "sequences")} | {
        "scatters.json"
    }


@pytest.mark.parametrize(
    ("service", "statement"),
    [
        ("orders", "SELECT * FROM orders WHERE orders.customer_id = %(a)s"),
        ("orders", "SELECT * FROM orders WHERE orders.id IN (%s, %s) FOR UPDATE"),
        ("orders", "SELECT * FROM cart_items WHERE (customer_id, product_id) IN ((%s, %s))"),
        ("orders", "INSERT INTO carts (customer_id, version) VALUES (%s, %s)"),
        ("orders", "UPDATE carts SET version = %s WHERE carts.customer_id = %s"),
        ("catalog", "INSERT INTO products (name) VALUES (%s)"),
        (
            "catalog",
            (
                "SELECT * FROM products JOIN stock ON stock.product_id = products.id "
                "WHERE products.sku = %s AND (products.is_listed OR stock.on_hand > %s)"
            ),
        ),
        (
            "catalog",
            (
                "SELECT data FROM picture_contents JOIN pictures"
                " ON pictures.content_hash = picture_contents.content_hash WHERE pictures.id = %s"
            ),
        ),
        ("analytics", "SELECT * FROM event_log"),
        ("analytics", "SELECT 1"),
    ],
)
def test_a_statement_that_says_its_shard_is_let_through(service, statement):
    assert scattered(service, statement) == ()


@pytest.mark.parametrize(
    ("service", "statement", "lost"),
    [
        ("orders", "SELECT * FROM orders WHERE orders.status = %s", ["orders"]),
        ("orders", "SELECT * FROM orders WHERE orders.id < %s", ["orders"]),
        ("orders", "SELECT * FROM orders WHERE orders.id = %s OR orders.status = %s", ["orders"]),
        ("orders", "SELECT * FROM orders WHERE NOT (orders.id = %s)", ["orders"]),
        ("orders", "SELECT * FROM orders WHERE orders.id <> %s", ["orders"]),
        ("orders", "INSERT INTO carts (version) VALUES (%s)", ["carts"]),
        ("orders", "UPDATE carts SET customer_id = %s", ["carts"]),
        ("orders", "DELETE FROM cart_items WHERE product_id = %s", ["cart_items"]),
        (
            "orders",
            (
                "SELECT * FROM orders WHERE orders.customer_id = %s AND EXISTS"
                " (SELECT * FROM order_items WHERE order_items.product_id = %s)"
            ),
            ["order_items"],
        ),
        (
            "orders",
            (
                "SELECT * FROM orders WHERE EXISTS (SELECT * FROM order_items"
                " WHERE order_items.order_id = orders.id AND order_items.order_id = %s)"
            ),
            ["orders"],
        ),
        (
            "orders",
            "SELECT * FROM carts WHERE EXISTS (SELECT * FROM carts WHERE carts.customer_id = %s)",
            ["carts"],
        ),
        (
            "catalog",
            "SELECT * FROM products JOIN stock ON stock.product_id = products.id",
            ["products", "stock"],
        ),
    ],
)
def test_a_planted_statement_across_shards_is_found(service, statement, lost):
    assert list(scattered(service, statement)) == lost
