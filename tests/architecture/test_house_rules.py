# SPDX-License-Identifier: Apache-2.0
"""House rules that a linter does not know. Each says what to do instead.

They hold for what runs as a service: common, the services and the shipper. ``deploy/local`` is a
tool for operators' machines, with a terminal and an environment of its own.
"""

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "libs/common/src/**/*.py",
    "services/*/src/**/*.py",
    "services/*/migrations/*.py",
    "gateway/shipper/src/**/*.py",
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Something that a file must not do.

    Attributes:
        finds: Gives the lines that do it.
        instead: The way out, for whoever meets the failing test.
        sin: A snippet that must be found: the rule's own test.
        virtue: One that must not be.
        allowed: Files that may, each with the reason.
    """

    name: str
    finds: Callable[[ast.AST], Iterator[int]]
    instead: str
    sin: str
    virtue: str
    allowed: dict[str, str] = field(default_factory=dict)


def calls_of(tree: ast.AST, *names: str) -> Iterator[int]:
    """Lines that call a method or function whose last name is one of these."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            last = getattr(node.func, "attr", getattr(node.func, "id", None))
            if last in names:
                yield node.lineno


def commits(tree: ast.AST) -> Iterator[int]:
    yield from calls_of(tree, "commit")


def uses_of(tree: ast.AST, module: str, names: frozenset[str]) -> Iterator[int]:
    """Lines that take one of *names* out of *module*, in any spelling."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in names:
            owner = getattr(node.value, "attr", getattr(node.value, "id", None))
            if owner == module:
                yield node.lineno
        if isinstance(node, ast.ImportFrom) and node.module == module:
            yield from (node.lineno for alias in node.names if alias.name in names)


def reads_the_environment(tree: ast.AST) -> Iterator[int]:
    yield from uses_of(tree, "os", frozenset({"environ", "environb", "getenv", "putenv"}))


def asks_the_clock(tree: ast.AST) -> Iterator[int]:
    now = frozenset({"now", "utcnow", "today"})
    yield from uses_of(tree, "datetime", now)
    yield from uses_of(tree, "date", frozenset({"today"}))
    yield from uses_of(tree, "time", frozenset({"time", "time_ns", "localtime", "gmtime"}))


def prints(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "print":
            yield node.lineno


def swallows(tree: ast.AST) -> Iterator[int]:
    """Broad handlers whose whole body is ``pass``: nobody will ever know."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or getattr(node.type, "id", "") in {
                "Exception",
                "BaseException",
            }
            if broad and all(isinstance(step, ast.Pass) for step in node.body):
                yield node.lineno


RULES = [
    Rule(
        name="only common.db commits",
        finds=commits,
        instead="let the caller say database().run(command, …): it commits, and reruns a lost race",
        sin="def change(session):\n    session.commit()",
        virtue="database().run(change, product_id=1)",
        allowed={
            "libs/common/src/common/migrations/__init__.py": "runs Alembic under a named lock",
        },
    ),
    Rule(
        name="only common.settings reads the environment",
        finds=reads_the_environment,
        instead="add a field to the service's Config: it is checked at the start, with all others",
        sin="import os\nkey = os.environ['SECRET_KEY']",
        virtue="key = config.secret_key",
        allowed={
            "libs/common/src/common/settings.py": "it is the one reader",
            "libs/common/src/common/roles.py": "hands gunicorn its metrics directory",
            "libs/common/src/common/gunicorn.py": "gunicorn reads it as a bare module",
            "libs/common/src/common/metrics.py": "prometheus_client is told so in no other way",
            "libs/common/src/common/testing/*": "tests choose their servers by it",
        },
    ),
    Rule(
        name="only common.clock asks what time it is",
        finds=asks_the_clock,
        instead="take now as an argument, call common.clock.utcnow, or let the database decide "
        "with common.db.database_clock",
        sin="from datetime import datetime\nplaced_at = datetime.now()",
        virtue="import time\nfrom common.clock import utcnow\nbegan = time.monotonic()",
        allowed={
            "libs/common/src/common/clock.py": "it is the clock",
            "libs/common/src/common/tokens.py": "a token's times are Unix seconds (RFC 7519)",
            "libs/common/src/common/identifiers.py": "a UUIDv7 holds Unix milliseconds (RFC 9562)",
            "libs/common/src/common/testing/*": "signs tokens",
            "services/auth/src/auth/keys.py": "signs tokens: Unix seconds (RFC 7519)",
            "gateway/shipper/src/shipper/shipping.py": "the default of a clock that is handed in",
        },
    ),
    Rule(
        name="nobody prints",
        finds=prints,
        instead="log an event with common.logs.get_logger, or click.echo to a person",
        sin="print('stock is low')",
        virtue="log.info('stock_low', product_id=1)",
    ),
    Rule(
        name="nobody swallows everything",
        finds=swallows,
        instead="catch what you expect by name, or log what came",
        sin="try:\n    work()\nexcept Exception:\n    pass",
        virtue="try:\n    work()\nexcept LookupError:\n    pass",
    ),
]


def files() -> list[Path]:
    return sorted({file for room in ROOMS for file in ROOT.glob(room)})


def sinners(rule: Rule) -> list[str]:
    found = []
    for file in files():
        name = file.relative_to(ROOT).as_posix()
        if any(fnmatch(name, pattern) for pattern in rule.allowed):
            continue
        tree = ast.parse(file.read_text(), filename=name)
        found += [f"{name}:{line}" for line in rule.finds(tree)]
    return found


def by_name(rule: Rule) -> str:
    return rule.name


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_the_rule_is_kept(rule):
    found = sinners(rule)

    assert not found, f"{rule.name}; instead: {rule.instead}. Found in: {', '.join(found)}"


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_the_rule_finds_a_planted_sin_and_leaves_virtue_alone(rule):
    assert list(rule.finds(ast.parse(rule.sin)))
    assert not list(rule.finds(ast.parse(rule.virtue)))


@pytest.mark.parametrize(
    "spelling",
    [
        "import os\nos.getenv('X')",
        "from os import environ",
        "import os as system\nimport os\nos.environ.get('X')",
    ],
)
def test_the_environment_is_found_in_every_spelling(spelling):
    assert list(reads_the_environment(ast.parse(spelling)))


@pytest.mark.parametrize(
    "spelling",
    [
        "import datetime\ndatetime.datetime.utcnow()",
        "from datetime import date\ndate.today()",
        "from time import time",
        "import time\ntime.time()",
        "from datetime import datetime, UTC\nclock = datetime.now",
    ],
)
def test_the_clock_is_found_in_every_spelling(spelling):
    assert list(asks_the_clock(ast.parse(spelling)))


@pytest.mark.parametrize("rule", RULES, ids=by_name)
def test_no_exception_outlives_its_reason(rule):
    """An entry of an allow-list whose files sin no more must go."""
    for pattern in rule.allowed:
        matching = [file for file in files() if fnmatch(file.relative_to(ROOT).as_posix(), pattern)]
        assert any(list(rule.finds(ast.parse(file.read_text()))) for file in matching), pattern


def test_every_file_says_under_which_licence_it_stands():
    everywhere = [
        file
        for room in (
            *ROOMS,
            "libs/common/tests/**/*.py",
            "tests/**/*.py",
            "services/*/tests/**/*.py",
        )
        for file in ROOT.glob(room)
    ]

    lacking = [
        file.relative_to(ROOT).as_posix()
        for file in everywhere
        if not file.read_text().startswith("# SPDX-License-Identifier: Apache-2.0\n")
    ]

    assert not lacking, f"begin with # SPDX-License-Identifier: Apache-2.0: {lacking}"
    assert len(everywhere) > 100


def test_the_rules_see_every_service():
    services = {path.parent.name for path in ROOT.glob("services/*/pyproject.toml")}
    seen = {
        file.relative_to(ROOT).parts[1]
        for file in files()
        if file.relative_to(ROOT).parts[0] == "services"
    }

    assert services <= seen
    assert services == {"auth", "catalog", "orders", "notifier", "analytics"}
