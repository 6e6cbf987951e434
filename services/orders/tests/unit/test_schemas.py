# SPDX-License-Identifier: Apache-2.0
import pytest
from pydantic import ValidationError

from common.idempotency import IdempotencyKeyInvalid, IdempotencyKeyMissing, read_key
from orders.catalog import product_id_in
from orders.errors import ProductNotFound
from orders.schemas import OrderIn


def order(*items, **fields):
    return OrderIn.model_validate(
        {"items": [{"product": ref, "quantity": units} for ref, units in items], **fields}
    )


def test_a_product_named_twice_is_one_wish():
    assert order((42, 2), ("42", 3), ("LAMP-1", 1)).wishes() == {"42": 5, "LAMP-1": 1}


def test_an_order_without_items_is_an_order_of_the_cart():
    assert OrderIn.model_validate({}).wishes() is None


def test_requests_that_mean_the_same_have_the_same_fingerprint():
    one = order((42, 2), (7, 1), expected_total="12.50").fingerprint()

    assert one == order((7, 1), ("42", 1), (42, 1), expected_total=12.5).fingerprint()


@pytest.mark.parametrize(
    "other",
    [
        order((42, 3)),
        order((43, 2)),
        order((42, 2), (43, 1)),
        order((42, 2), expected_total="1.00"),
        OrderIn.model_validate({}),
    ],
)
def test_requests_that_mean_something_else_have_another_fingerprint(other):
    assert other.fingerprint() != order((42, 2)).fingerprint()


@pytest.mark.parametrize(
    "quantity", [0, -1, 1_000_001, 2**31, 2**63, 10**30, 1.5, 1.0, "1", True, None, [1], {}]
)
def test_a_quantity_is_an_integer_from_one_to_a_million(quantity):
    with pytest.raises(ValidationError):
        order((42, quantity))


@pytest.mark.parametrize("product", [0, -1, 2**63, 1.0, True, None, "", " ", "x" * 65, "a\nb", []])
def test_a_product_is_an_id_or_a_name(product):
    with pytest.raises(ValidationError):
        order((product, 1))


@pytest.mark.parametrize(
    "body",
    [
        {"items": None},
        {"items": {}},
        {"items": "cart"},
        {"items": [[42, 1]]},
        {"items": [{"product": 42}]},
        {"items": [{"product": 42, "quantity": 1, "price": 1}]},
        {"expected_total": "0.005"},
        {"expected_total": -1},
        {"expected_total": True},
        {"customer_id": 2},
        {"status": "confirmed"},
    ],
)
def test_a_body_that_says_something_else_is_refused(body):
    with pytest.raises(ValidationError):
        OrderIn.model_validate(body)


@pytest.mark.parametrize("key", ["a", "!" * 255, "0b1e-~", "A,b"])
def test_a_key_is_visible_ascii(key):
    assert read_key(key) == key


@pytest.mark.parametrize("key", ["a b", "x" * 256, "schlüssel", "tab\t", "\x7f", "\n"])
def test_another_key_is_refused(key):
    with pytest.raises(IdempotencyKeyInvalid):
        read_key(key)


@pytest.mark.parametrize("key", [None, ""])
def test_no_key_is_another_refusal(key):
    with pytest.raises(IdempotencyKeyMissing):
        read_key(key)


def test_digits_are_an_id_and_anything_else_is_a_name():
    assert product_id_in("42") == 42
    assert product_id_in("LAMP-1") is None
    assert product_id_in("٤٢") is None


@pytest.mark.parametrize("ref", ["0", "000", str(2**63), "9" * 5000])
def test_a_number_that_no_product_can_have_is_not_found(ref):
    with pytest.raises(ProductNotFound):
        product_id_in(ref)
