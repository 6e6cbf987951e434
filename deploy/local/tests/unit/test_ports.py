# SPDX-License-Identifier: Apache-2.0
import os
import socket

import pytest

from souk_local.port_holders import PortTaken, holder, refuse_taken
from souk_local.ports import Ports, free_ports, is_free


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_the_documented_ports_are_all_different():
    numbers = list(Ports.default({}).by_name().values())
    assert len(set(numbers)) == len(numbers)
    assert Ports.default({}).gateway == 8080


def test_a_variable_replaces_one_port_and_no_other():
    ports = Ports.default({"GATEWAY_PORT": "8081", "AUTH_WORKER_PORT": "9999", "PORT": "1"})
    assert ports == Ports(gateway=8081, auth_worker=9999)


@pytest.mark.parametrize("text", ["", "0", "65536", "-1", "80a", "１"])
def test_a_variable_that_is_no_port_is_refused_by_name(text):
    with pytest.raises(ValueError, match="GATEWAY_PORT"):
        Ports.default({"GATEWAY_PORT": text})


def test_free_ports_are_free_and_different():
    found = free_ports(20)
    assert len(set(found)) == 20
    assert all(is_free(port) for port in found)


def test_a_taken_port_is_not_free(taken_port):
    assert not is_free(taken_port)


def test_the_holder_of_a_port_is_named(taken_port):
    assert f"(pid {os.getpid()})" in holder(taken_port)


def test_nobody_holds_a_free_port():
    assert holder(free_ports(1)[0]) is None


def test_taken_ports_are_refused_with_port_holder_and_variable(taken_port):
    free = free_ports(1)[0]
    with pytest.raises(PortTaken) as refusal:
        refuse_taken({"gateway": taken_port, "rabbitmq_distribution": taken_port, "redis": free})

    first, second = str(refusal.value).splitlines()
    assert f"Port {taken_port} (gateway)" in first
    assert f"(pid {os.getpid()})" in first
    assert "GATEWAY_PORT=" in first
    assert "RABBITMQ_DISTRIBUTION_PORT=" in second


def test_free_ports_are_not_refused():
    refuse_taken({"gateway": free_ports(1)[0]})
