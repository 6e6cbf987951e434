# SPDX-License-Identifier: Apache-2.0
"""Schemas of several services under one roof."""

import pytest

from souk_apidocs.components import PREFIX, merge, renamed, used


def document(**schemas):
    names = {name.replace("__", "."): schema for name, schema in schemas.items()}
    return {"paths": {}, "components": {"schemas": names}}


def ref(name):
    return {"$ref": PREFIX + name}


ONE = {"type": "object", "properties": {"id": {"type": "integer"}}}
OTHER = {"type": "object", "properties": {"id": {"type": "string"}}}


def test_what_is_alike_is_there_once_under_its_short_name():
    schemas, names = merge({"auth": document(ListOut__One=ONE), "orders": document(One=ONE)})

    assert schemas == {"One": ONE}
    assert set(names.values()) == {"One"}


def test_what_differs_carries_its_service():
    schemas, names = merge({"auth": document(One=ONE), "orders": document(One=OTHER)})

    assert schemas == {"AuthOne": ONE, "OrdersOne": OTHER}
    assert names["orders", "One"] == "OrdersOne"


def test_what_differs_within_a_service_carries_where_it_was_found():
    schemas, _ = merge({"auth": document(A__One=ONE, B__One=OTHER)})

    assert schemas == {"AuthAOne": ONE, "AuthBOne": OTHER}


def test_what_refers_to_something_different_is_different():
    auth, orders = (
        document(One=item, Many={"type": "array", "items": ref("One")}) for item in (ONE, OTHER)
    )
    schemas, names = merge({"auth": auth, "orders": orders})

    assert schemas["AuthMany"]["items"] == ref("AuthOne")
    assert renamed(ref("Many"), "orders", names) == ref("OrdersMany")


def test_a_name_holds_nothing_that_a_name_may_not_hold():
    schemas, _ = merge({"auth": {"paths": {}, "components": {"schemas": {"Envelope[Out]": ONE}}}})

    assert list(schemas) == ["EnvelopeOut"]


def test_only_what_is_referred_to_is_used_over_however_many_corners():
    schemas = {"A": {"items": ref("B")}, "B": {"anyOf": [ref("C"), ref("A")]}, "C": ONE, "D": ONE}

    assert set(used(schemas, {"x": [ref("A")]})) == {"A", "B", "C"}


@pytest.mark.parametrize(
    ("schema", "kept"),
    [
        ({"type": "string", "minLength": 1, "default": ""}, False),
        ({"type": "integer", "default": None}, False),
        ({"type": "string", "default": ""}, True),
        ({"type": "integer", "default": 0}, True),
        ({"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}, True),
    ],
)
def test_a_default_that_nobody_may_send_is_no_default(schema, kept):
    schemas, _ = merge({"auth": document(One=schema)})

    assert ("default" in schemas["One"]) == kept
