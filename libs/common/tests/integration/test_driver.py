# SPDX-License-Identifier: Apache-2.0
from common.db import Database
from common.driver import ThriftyConnection


def test_a_services_connections_are_thrifty(database):
    with database.engine.connect() as connection:
        assert isinstance(connection.connection.driver_connection, ThriftyConnection)


def test_what_the_address_says_of_tls_reaches_the_driver(database):
    url = database.engine.url.update_query_dict({"ssl_verify_cert": "true"})
    strict = Database(url.render_as_string(hide_password=False))

    arguments = strict.engine.dialect.create_connect_args(strict.engine.url)[1]

    assert (
        ThriftyConnection(**arguments, defer_connect=True).ctx.verify_mode.name == "CERT_REQUIRED"
    )
