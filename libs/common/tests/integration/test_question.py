# SPDX-License-Identifier: Apache-2.0
"""A question that is asked again and again: what it says when there is nobody to answer."""

import pytest
from pymysql.err import MySQLError
from sqlalchemy import make_url

from common import outbox
from common.db import Database
from common.problems import Unavailable
from common.question import Question
from common.testing.counting import counting
from support.proxy import Proxy


@pytest.fixture
def asking(database):
    """A question for a number."""
    questions = []

    def make(sql, of=database):
        questions.append(Question(of, sql))
        return questions[-1]

    yield make
    for question in questions:
        question.close()


@pytest.mark.parametrize(
    ("sql", "answer"),
    [("SELECT 2", True), ("SELECT 0", False), ("SELECT NULL", False), ("SELECT 1 LIMIT 0", False)],
)
def test_only_a_value_that_is_there_and_not_zero_is_a_yes(asking, sql, answer):
    assert asking(sql).ask() is answer


def test_it_is_asked_outside_of_any_transaction_and_sees_what_was_committed_since(
    asking, database, events
):
    question = asking("SELECT COUNT(*) FROM outbox_messages")
    assert not question.ask()

    database.run(lambda session: outbox.append_all(session, [events.placed()]))

    with counting(database) as asked:
        assert question.ask()
    assert len(asked.statements) == 1


def test_a_connection_that_broke_is_unavailable_once_and_then_opened_anew(asking, database):
    question = asking("SELECT 1")
    assert question.ask()
    others = "SELECT id FROM information_schema.processlist WHERE db = DATABASE()"
    with database.engine.connect() as connection:
        for number in (
            connection.exec_driver_sql(f"{others} AND id <> CONNECTION_ID()").scalars().all()
        ):
            connection.exec_driver_sql(f"KILL {number}")

    with pytest.raises(Unavailable):
        question.ask()

    assert question.ask()


@pytest.mark.parametrize("moment", [b"DATABASE()", b"sql_mode", b"SET autocommit", b"SELECT 2"])
def test_a_server_that_goes_away_during_the_first_question_is_unavailable(
    asking, schema_url, moment
):
    """The first two are what SQLAlchemy asks a new server by itself, in errors of its own."""
    proxy = Proxy.before(schema_url)
    # A proxy reads no TLS, which MySQL offers.
    plain = make_url(proxy.url(schema_url)).update_query_dict({"ssl_disabled": "true"})
    try:
        question = asking("SELECT 2", Database(plain.render_as_string(hide_password=False)))
        proxy.swallow_answer_to(moment)
        with pytest.raises(Unavailable):
            question.ask()
        assert proxy.swallowed == 1
        assert question.ask()
    finally:
        proxy.close()


def test_without_a_server_nobody_answers(asking):
    nowhere = Database("mysql+pymysql://nobody:x@127.0.0.1:1/souk")

    with pytest.raises(Unavailable):
        asking("SELECT 1", nowhere).ask()


def test_a_question_that_is_wrong_is_no_trouble_of_the_server(asking):
    with pytest.raises(MySQLError, match="no_such_column"):
        asking("SELECT no_such_column").ask()
