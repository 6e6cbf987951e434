# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.baseline.app PORT``; the database is named by the environment."""

import logging
import os
import sys
from threading import Lock

import pymysql
from flask import Flask, Response, jsonify, make_response, request

TABLES = (
    "CREATE TABLE product (id BIGINT PRIMARY KEY, name VARCHAR(200) NOT NULL, stock INT NOT NULL)",
    (
        "CREATE TABLE orders (id BIGINT AUTO_INCREMENT PRIMARY KEY, customer_id BIGINT NOT NULL,"
        " product_id BIGINT NOT NULL, quantity INT NOT NULL,"
        " created_at DATETIME(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6), KEY (product_id))"
    ),
)
LOOK = "SELECT stock FROM product WHERE id = %s"
ORDER = "INSERT INTO orders (customer_id, product_id, quantity) VALUES (%s, %s, %s)"
TAKE = "UPDATE product SET stock = stock - %s WHERE id = %s"

app = Flask(__name__)
lock = Lock()


@app.post("/order/add")
def add_order() -> Response:
    wanted = request.get_json()
    product, quantity = wanted["product_id"], wanted["quantity"]
    with _connection() as connection, connection.cursor() as cursor, lock:
        cursor.execute(LOOK, (product,))
        row = cursor.fetchone()
        if row is None or row[0] < quantity:
            return make_response(jsonify(message="stock is not enough"), 409)
        cursor.execute(ORDER, (wanted["customer_id"], product, quantity))
        number = cursor.lastrowid
        cursor.execute(TAKE, (quantity, product))
        connection.commit()
    return make_response(jsonify(id=number, product_id=product, quantity=quantity), 201)


@app.get("/")
def hello() -> Response:
    return jsonify(ok=True)


def _connection() -> pymysql.Connection:
    return pymysql.connect(
        host="127.0.0.1",
        port=int(os.environ["BASELINE_PORT"]),
        user="root",
        password=os.environ["BASELINE_PASSWORD"],
        database=os.environ["BASELINE_SCHEMA"],
        # The driver would make a TLS context for each connection: a hundred times the cost of the
        # connection itself, and for a server that offers no TLS.
        ssl_disabled=True,
    )


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request is not its design
    app.run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
