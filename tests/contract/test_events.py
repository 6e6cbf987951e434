# SPDX-License-Identifier: Apache-2.0
"""Events as others see them: committed schemas and examples against the classes that we run."""

from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError

from common.contracts import EVENTS, SUBSCRIPTIONS
from common.contracts.schemas import HERE, file_of, schema_of, text_of
from common.events import Envelope
from common.subscriber import Poison, read_message

EXAMPLES = Path(__file__).parent / "examples"

PUBLISHERS = {
    "auth": {"UserRegistered", "UserChanged", "UserDeleted"},
    "catalog": {
        *("ProductCreated", "ProductChanged", "ProductDeleted", "ProductPriceChanged"),
        *("StockChanged", "StockLow", "ReservationOverdue"),
    },
    "gateway": {"ProductViewed", "ProductsViewed"},
    "orders": {"OrderPlaced", "OrderCancelled", "OrderRejected"},
}
USERS = {"UserRegistered", "UserChanged", "UserDeleted"}
CONSUMERS = {
    "notifier": {
        *USERS,
        *("ProductCreated", "ProductChanged", "ProductDeleted", "ProductPriceChanged"),
        *("StockChanged", "StockLow", "OrderPlaced", "OrderCancelled"),
    },
    "orders": USERS | {"ReservationOverdue"},
    "catalog": {"OrderPlaced", "OrderCancelled", "OrderRejected"},
    # The design names fewer for analytics; it keeps the log of all events as well.
    "analytics": set().union(*PUBLISHERS.values()),
}

every_event = pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)


def example_of(event):
    return orjson.loads((EXAMPLES / f"{event.type()}.v{event.version}.json").read_bytes())


def schema_faults(event, message):
    schema = orjson.loads(file_of(event).read_bytes())
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(message)]


def test_every_event_has_the_publisher_of_the_design():
    found = {
        name: {e.type() for e in EVENTS.values() if e.publisher == name} for name in PUBLISHERS
    }

    assert found == PUBLISHERS
    assert sum(map(len, PUBLISHERS.values())) == len(EVENTS) == 15


def test_every_event_has_the_readers_of_the_design():
    found = {name: {event.type() for event in events} for name, events in SUBSCRIPTIONS.items()}

    assert found == CONSUMERS


@every_event
def test_the_committed_schema_is_what_the_class_says(event):
    """If this fails on purpose: only additions, then ``python -m common.contracts``."""
    assert file_of(event).read_text() == text_of(event)


def test_there_is_no_schema_and_no_example_of_an_event_that_is_gone():
    wanted = {file_of(event).name for event in EVENTS.values()}

    assert {path.name for path in HERE.glob("*.json")} == wanted
    assert {path.name for path in EXAMPLES.iterdir()} == wanted


@every_event
def test_the_schema_is_a_schema_and_takes_the_example(event):
    Draft202012Validator.check_schema(schema_of(event))

    assert schema_faults(event, example_of(event)) == []


@every_event
def test_a_consumer_reads_the_example_as_it_is(event):
    message = example_of(event)

    envelope, read = read_message(orjson.dumps(message))

    assert type(read) is event
    assert envelope.routing_key == event.routing_key()
    assert read.subject() == message["subject"]
    assert orjson.loads(orjson.dumps(read.model_dump(mode="json"))) == message["data"]


@every_event
def test_what_we_publish_satisfies_the_schema(event):
    read = event.model_validate(example_of(event)["data"])

    message = orjson.loads(Envelope.seal(read, aggregate_version=1).to_json())

    assert schema_faults(event, message) == []


@every_event
def test_fields_of_a_later_day_disturb_nobody(event):
    message = example_of(event)
    message["region"] = "eu"
    message["data"]["added_later"] = {"deep": [1, 2]}
    for name in ("items", "changes", "views"):
        parts = message["data"].get(name, [])
        for part in parts.values() if isinstance(parts, dict) else parts:
            part["added_later"] = True

    _, read = read_message(orjson.dumps(message))

    assert read == event.model_validate(example_of(event)["data"])
    assert schema_faults(event, message) == []


@every_event
def test_without_any_one_of_its_fields_an_event_is_none(event):
    required = [name for name, field in event.model_fields.items() if field.is_required()]
    assert required
    for name in required:
        message = example_of(event)
        del message["data"][name]
        with pytest.raises(Poison):
            read_message(orjson.dumps(message))
        assert schema_faults(event, message)


@every_event
def test_a_field_of_another_type_is_refused_by_schema_and_class(event):
    message = example_of(event)
    name = next(iter(event.model_fields))
    message["data"][name] = ["of", "another", "type"]

    assert schema_faults(event, message)
    with pytest.raises(ValidationError):
        event.model_validate(message["data"])


@every_event
@pytest.mark.parametrize(
    "name",
    ["id", "source", "type", "time", "subject", "aggregateversion", "correlationid", "actor"],
)
def test_without_its_envelope_an_event_is_none(event, name):
    message = example_of(event)
    del message[name]

    with pytest.raises(Poison):
        read_message(orjson.dumps(message))
    assert schema_faults(event, message)


@every_event
def test_a_breaking_version_is_not_read_as_this_one(event):
    message = example_of(event) | {"dataschemaversion": "2"}

    with pytest.raises(Poison):
        read_message(orjson.dumps(message))
    assert schema_faults(event, message)


def test_an_unknown_event_is_none_of_ours():
    message = example_of(EVENTS["OrderPlaced"]) | {"type": "OrderEaten"}

    with pytest.raises(Poison):
        read_message(orjson.dumps(message))
