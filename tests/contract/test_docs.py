# SPDX-License-Identifier: Apache-2.0
"""What docs/ says of tables, events, queues, ports and settings is what the code has."""

import re
import runpy
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined
from sqlalchemy import MetaData
from sqlalchemy.dialects import mysql

from common.amqp import Topology
from common.amqp.topology import DEAD_EXCHANGE, EVENTS_EXCHANGE, queue_name
from common.contracts import EVENTS, SUBSCRIPTIONS
from common.inbox import declare_inbox
from common.outbox import declare_outbox
from common.repairs import declare_repairs
from common.replica import declare_heartbeats
from common.settings import ServiceSettings, Settings
from souk_local.ports import Ports, variable

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TOURS = [
    ROOT / "README.md",
    *(DOCS / f"{name}.md" for name in ("overview", "data_model", "deployment", "sequence_flows")),
]
SERVICES = sorted(path.parent.name for path in ROOT.glob("services/*/pyproject.toml"))
DIAGRAMS = {"flowchart", "sequenceDiagram", "erDiagram", "stateDiagram-v2"}

FENCE = re.compile(r"^ *(`{3,})(.*)$", re.MULTILINE)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
ENTITY = re.compile(r"^ {4}(\w+) \{\n(.*?)^ {4}\}$", re.MULTILINE | re.DOTALL)
RELATION = re.compile(r"^ {4}(\w+) [|}o{]{2}--[|}o{]{2} (\w+) : ", re.MULTILINE)
EVENT_LIKE = re.compile(r"\b(?:User|Product|Stock|Order|Reservation)(?:[A-Z][a-z]+)+\b")
QUEUE_LIKE = re.compile(rf"`((?:{'|'.join(SERVICES)})\.[a-z_.]+)`")

every_page = pytest.mark.parametrize(
    "page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES]
)
every_tour = pytest.mark.parametrize("page", TOURS, ids=[page.name for page in TOURS])
every_service = pytest.mark.parametrize("service", SERVICES)


def text_of(page):
    return (DOCS / page).read_text()


def section(text, title):
    """What stands below the heading *title*, down to the next one of the same or a higher rank."""
    found = re.search(rf"^(#+) {re.escape(title)}$\n", text, re.MULTILINE)
    assert found, f"there is no heading {title!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text):
    """The cells of every row of the tables in *text* that begins with a word in backticks."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]


def words(cell):
    return re.findall(r"`([^`]+)`", cell)


def diagrams(text):
    """The mermaid blocks of a page."""
    found, opened = [], None
    for fence in FENCE.finditer(text):
        if opened is None:
            opened = fence
            continue
        assert fence[2] == "", f"a block is opened inside another one: {fence[0]}"
        if opened[2] == "mermaid":
            found.append(text[opened.end() + 1 : fence.start()])
        opened = None
    assert opened is None, "a block is never closed"
    return found


@every_page
def test_every_diagram_is_fenced_and_of_a_known_kind(page):
    text = page.read_text()

    assert {block.split(maxsplit=1)[0] for block in diagrams(text)} <= DIAGRAMS
    assert len(re.findall("mermaid$", text, re.MULTILINE)) == len(diagrams(text))


@every_page
def test_no_sequence_diagram_has_what_would_break_it(page):
    """A semicolon begins a new statement there, and the word ``end`` closes a block."""
    lines = [
        line
        for block in diagrams(page.read_text())
        if block.startswith("sequenceDiagram")
        for line in block.splitlines()
    ]

    assert [line for line in lines if re.search(r";|\S.*\bend\b|\bend\b.*\S", line)] == []


@every_page
def test_every_relative_link_leads_somewhere(page):
    targets = [link.partition("#") for link in LINK.findall(page.read_text())]
    broken = [
        path
        for path, _, _ in targets
        if path and "://" not in path and not (page.parent / path).exists()
    ]

    assert broken == []


# ---- tables ----------------------------------------------------------------------------------


def metadata_of(service):
    return import_module(f"{service}.models").Base.metadata


def shared_metadata():
    shared = MetaData()
    declare_outbox(shared)
    declare_inbox(shared)
    declare_repairs(shared)
    declare_heartbeats(shared)
    return shared


def entities_of(metadata, *, without=()):
    """The tables as an ER diagram shows them: the columns' kinds, names, keys and whether null."""
    return {
        table.name: "".join(map(_column, table.columns))
        for table in sorted(metadata.tables.values(), key=lambda table: table.name)
        if table.name not in without
    }


def _column(column):
    kind = re.match(r"[A-Z]+", str(column.type.compile(mysql.dialect())))[0].lower()
    unique = column.unique or any(
        index.unique and list(index.columns) == [column] for index in column.table.indexes
    )
    marks = {"PK": column.primary_key, "FK": bool(column.foreign_keys), "UK": unique}
    keys = ", ".join(mark for mark, holds in marks.items() if holds)
    line = " ".join(filter(None, [kind, column.name, keys, '"null"' if column.nullable else ""]))
    return f"        {line}\n"


def drawn_in(text):
    return dict(ENTITY.findall(next(block for block in diagrams(text) if block[:2] == "er")))


@every_service
def test_the_er_diagram_of_a_schema_is_what_the_models_say(service):
    text = section(text_of("data_model.md"), service)
    shared = shared_metadata().tables.keys()
    expected = entities_of(metadata_of(service), without=shared)

    assert drawn_in(text) == expected
    relations = [RELATION.findall(block) for block in diagrams(text)]
    assert {name for pairs in relations for pair in pairs for name in pair} <= expected.keys()


def test_the_er_diagram_of_what_schemas_share_is_what_common_says():
    assert drawn_in(section(text_of("data_model.md"), "In every schema")) == entities_of(
        shared_metadata()
    )


@every_service
def test_the_tables_of_a_schema_are_named_with_their_keys_and_no_other(service):
    named = {
        words(table)[0]: words(key)
        for table, key, *_ in rows(section(text_of("data_model.md"), service))
    }

    assert named == {
        table.name: [column.name for column in table.primary_key]
        for table in metadata_of(service).tables.values()
        if table.name not in shared_metadata().tables
    }


def test_what_schemas_share_is_said_of_the_right_ones():
    text = section(text_of("data_model.md"), "In every schema")
    said = {words(table)[0]: set(words(schemas)) for table, _, schemas, *_ in rows(text)}

    assert said == {
        name: {service for service in SERVICES if name in metadata_of(service).tables}
        for name in shared_metadata().tables
    }


# ---- events and queues -----------------------------------------------------------------------


def test_every_event_is_told_with_its_publisher_its_key_and_its_readers():
    said = {
        words(event)[0]: (publisher, words(key), set(words(readers)))
        for event, publisher, key, readers in rows(section(text_of("sequence_flows.md"), "Events"))
    }

    assert said == {
        name: (
            event.publisher,
            [event.routing_key()],
            {
                queue_name(service, name)
                for service, events in SUBSCRIPTIONS.items()
                if event in events
            },
        )
        for name, event in EVENTS.items()
    }


@every_tour
def test_no_page_tells_of_an_event_that_there_is_not(page):
    assert set(EVENT_LIKE.findall(page.read_text())) <= EVENTS.keys()


@every_tour
def test_no_page_tells_of_a_queue_that_there_is_not(page):
    streams = import_module("analytics.worker").TOPOLOGY.streams
    topologies = [
        Topology(service=service, events=events, streams=streams if service == "analytics" else ())
        for service, events in SUBSCRIPTIONS.items()
    ]
    known = {queue.name for topology in topologies for queue in topology.queues()}
    known |= {topology.exchange for topology in topologies} | {EVENTS_EXCHANGE, DEAD_EXCHANGE}

    assert set(QUEUE_LIKE.findall(page.read_text())) <= known


# ---- settings and ports ----------------------------------------------------------------------


def settings_in(title):
    found = rows(section(text_of("deployment.md"), title))
    return {words(name)[0]: value.strip("`") for name, value, *_ in found}


def settings_of(config, *, beside=None):
    """The settings of *config* with their defaults, without those of *beside* that are the same."""
    given = beside.model_fields if beside else {}
    return {
        name.upper(): _default(field)
        for name, field in config.model_fields.items()
        if name not in given or field.default != given[name].default
    }


def _default(field):
    if field.default is PydanticUndefined:
        return "required"
    if field.default in {None, ""}:
        return "none"
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def test_the_settings_of_every_process_are_told():
    assert settings_in("Every process") == settings_of(Settings)


def test_the_settings_of_every_service_are_told():
    assert settings_in("Every service") == settings_of(ServiceSettings, beside=Settings)


@every_service
def test_the_settings_of_a_service_are_told(service):
    config = import_module(f"{service}.config").Config

    assert settings_in(f"The service {service}") == settings_of(config, beside=ServiceSettings)


def test_the_settings_of_the_shipper_are_told():
    config = import_module("shipper.config").Config

    assert settings_in("The shipper") == settings_of(config, beside=Settings)


def test_the_settings_of_the_gateway_are_told():
    render = runpy.run_path(str(ROOT / "gateway" / "render.py"))
    asked = set(render["PLACEHOLDER"].findall(render["TEMPLATE"].read_text()))
    asked -= render["LIMITS"].keys() | {"USER_LINE"}
    known = dict.fromkeys(asked, "required") | render["DEFAULTS"] | {"WORKER_USER": "none"}

    assert settings_in("The gateway") == known


def test_the_ports_of_the_local_stack_are_told():
    said = {
        words(name)[0]: int(port)
        for name, port, *_ in rows(section(text_of("deployment.md"), "Ports"))
    }
    ports = {variable(field.name): field.default for field in fields(Ports)}

    assert {name: said.get(name) for name in ports} == ports
