# SPDX-License-Identifier: Apache-2.0
import pytest

from common.db import Database
from common.driver import ThriftyConnection


def test_a_services_connections_are_thrifty(database):
    with database.engine.connect() as connection:
        assert isinstance(connection.connection.driver_connection, ThriftyConnection)


def test_a_server_that_speaks_tls_is_spoken_to_in_tls(database):
    with database.engine.connect() as connection:
        if "MariaDB" in connection.exec_driver_sql("SELECT VERSION()").scalar_one():
            pytest.skip("the private server offers no TLS; MySQL does by itself")
        cipher = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_cipher'").one()[1]

    assert cipher


def test_what_the_address_says_of_tls_reaches_the_driver(database):
    url = database.engine.url.update_query_dict({"ssl_verify_cert": "true"})
    strict = Database(url.render_as_string(hide_password=False))

    arguments = strict.engine.dialect.create_connect_args(strict.engine.url)[1]

    assert (
        ThriftyConnection(**arguments, defer_connect=True).ctx.verify_mode.name == "CERT_REQUIRED"
    )
