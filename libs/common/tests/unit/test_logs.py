# SPDX-License-Identifier: Apache-2.0
import json
import logging
import subprocess
import sys

import pytest
import structlog

from common.context import Trace, traced
from common.logs import SECRET_FIELDS, configure_logs, get_logger

CANARY = "canary-4f1d"


@pytest.fixture
def lines(capsys):
    """What was logged since, as objects."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs("catalog", "info")

    def read():
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    yield read
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_one_json_object_with_what_is_needed_to_find_it(lines):
    with traced(Trace(correlation_id="c" * 32)):
        get_logger("a").info("stock_reserved", lines=2)

    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "service": "catalog",
        "event": "stock_reserved",
        "lines": 2,
        "level": "info",
        "correlation_id": "c" * 32,
    }


def test_libraries_lines_look_the_same(lines):
    with traced(Trace(correlation_id="d" * 32)):
        logging.getLogger("some.library").warning("took %s seconds", 3)

    (line,) = lines()
    assert line["event"] == "took 3 seconds"
    assert (line["service"], line["correlation_id"]) == ("catalog", "d" * 32)


@pytest.mark.parametrize("name", sorted(SECRET_FIELDS))
def test_a_secret_that_somebody_logs_is_not_written(lines, name):
    get_logger("b").info("signed_up", **{name: CANARY})

    (line,) = lines()
    assert CANARY not in str(line)
    assert line[name] == "[hidden]"


@pytest.mark.parametrize(
    "fields",
    [
        {"Authorization": CANARY},
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
        {"request": {"user": {"Password": CANARY}}},
        {"items": [{"refresh_token": CANARY}]},
    ],
)
def test_a_secret_is_not_written_either_where_it_lies_deeper_or_is_spelt_otherwise(lines, fields):
    get_logger("c").warning("odd_request", **fields)

    (line,) = lines()
    assert CANARY not in str(line)


def test_a_value_can_not_begin_a_line_of_its_own(lines):
    forged = 'x\r\n{"event": "admin_logged_in"}'

    get_logger("d").info("name_given", name=forged)
    logging.getLogger("other").warning(forged)

    first, second = lines()
    assert first["name"] == forged
    assert second["event"] == forged


def test_what_json_does_not_know_is_written_as_text(lines):
    get_logger("e").info("odd", thing=object, number=2**70, text="\ud800")

    (line,) = lines()
    assert line["event"] == "odd"


def test_an_exceptions_trace_stays_in_its_line(lines):
    try:
        raise LookupError("first\nsecond")
    except LookupError as error:
        get_logger("f").error("failed", exc_info=error)

    (line,) = lines()
    assert "LookupError: first\nsecond" in line["exception"]


def test_less_than_the_level_is_not_written(lines):
    get_logger("g").debug("detail")
    logging.getLogger("pika").info("chatter")

    assert lines() == []


def test_a_process_that_logs_does_not_carry_rich():
    carried = "import common.logs, sys; print([name for name in sys.modules if 'rich' in name])"

    found = subprocess.run(
        [sys.executable, "-P", "-c", carried], capture_output=True, text=True, check=True
    )

    assert found.stdout == "[]\n"
