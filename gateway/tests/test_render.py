# SPDX-License-Identifier: Apache-2.0
import os
import re
import subprocess
import sys

import pytest

REQUIRED = {
    "LISTEN": "127.0.0.1:8080",
    "RUN_DIR": "/run/souk",
    "LOG_DIR": "/var/log/souk",
    "GATEWAY_DIR": "/opt/souk/gateway",
    "MODULES_DIR": "/usr/lib/nginx/modules",
    "VIEW_LOG": "/var/log/souk/views.log",
    "TOKEN_ISSUER": "souk",
    "TOKEN_AUDIENCE": "souk",
    "AUTH_UPSTREAM": "127.0.0.1:9101",
    "CATALOG_UPSTREAM": "127.0.0.1:9102",
    "ORDERS_UPSTREAM": "127.0.0.1:9103",
    "NOTIFIER_UPSTREAM": "127.0.0.1:9104",
    "ANALYTICS_UPSTREAM": "127.0.0.1:9105",
}


def test_nothing_is_left_open(renderer):
    assert not re.search(r"\$\{", renderer.render(REQUIRED))


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_setting_is_named(renderer, name):
    settings = {key: value for key, value in REQUIRED.items() if key != name}
    with pytest.raises(renderer.WrongSettings, match=f"{name} is missing"):
        renderer.render(settings)


def test_all_faults_come_in_one_message(renderer):
    with pytest.raises(renderer.WrongSettings) as raised:
        renderer.render({})
    assert all(name in str(raised.value) for name in REQUIRED)


@pytest.mark.parametrize("value", ["", "a;b", 'a"b', "a{b", "a\nb", "$a", "a\\b"])
def test_value_that_would_end_its_directive_is_refused_and_not_repeated(renderer, value):
    with pytest.raises(renderer.WrongSettings, match="TOKEN_ISSUER") as raised:
        renderer.render(REQUIRED | {"TOKEN_ISSUER": value})
    assert not value or value not in str(raised.value)


@pytest.mark.parametrize(
    ("factor", "rates"),
    [
        ("1", ["100r/s", "50r/s", "20r/m", "60r/m"]),
        ("1000", ["100000r/s", "50000r/s", "20000r/m", "60000r/m"]),
        ("0.1", ["10r/s", "5r/s", "2r/m", "6r/m"]),
        ("0.001", ["1r/s", "1r/s", "1r/m", "1r/m"]),
    ],
)
def test_limits_follow_the_factor(renderer, factor, rates):
    text = renderer.render(REQUIRED | {"RATE_LIMIT_FACTOR": factor})
    assert re.findall(r"rate=(\w+/\w)", text) == rates


@pytest.mark.parametrize("factor", ["", "x", "0", "-1", "nan", "inf", "1e9"])
def test_factor_that_is_none_is_refused(renderer, factor):
    with pytest.raises(renderer.WrongSettings, match="RATE_LIMIT_FACTOR"):
        renderer.render(REQUIRED | {"RATE_LIMIT_FACTOR": factor})


def test_socket_that_would_not_fit_is_refused(renderer):
    with pytest.raises(renderer.WrongSettings, match="RUN_DIR"):
        renderer.render(REQUIRED | {"RUN_DIR": "/" + "x" * 100})


def test_worker_user(renderer):
    assert "\nuser nginx;\n" in renderer.render(REQUIRED | {"WORKER_USER": "nginx"})
    assert not re.search(r"^user ", renderer.render(REQUIRED | {"WORKER_USER": ""}), re.MULTILINE)
    with pytest.raises(renderer.WrongSettings):
        renderer.render(REQUIRED | {"WORKER_USER": "a b"})


def test_as_a_program_it_reads_the_environment(renderer):
    command = [sys.executable, renderer.__file__]
    done = subprocess.run(command, env=REQUIRED, capture_output=True, text=True, check=True)
    assert done.stdout == renderer.render(REQUIRED)
    failed = subprocess.run(command, env={}, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "LISTEN is missing" in failed.stderr
    assert os.linesep not in failed.stderr.strip()


@pytest.mark.parametrize("factor", ["1", "0.1", "0.001", "2.5", "1000"])
def test_a_container_renders_the_same(renderer, factor):
    settings = REQUIRED | {"RATE_LIMIT_FACTOR": factor, "TOKEN_RATE": "7", "WORKER_USER": ""}
    done = rendered_by_awk(renderer, settings)
    assert done.stdout == renderer.render(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(
            ("TOKEN_ISSUER", value)
            for value in ["", "a;b", 'a"b', "a'b", "a{b", "a\nb", "$a", "a\\b"]
        ),
        *(("RATE_LIMIT_FACTOR", value) for value in ["", "x", "0", "-1", "nan", "inf", "1e9"]),
        ("RUN_DIR", "/" + "x" * 100),
    ],
)
def test_a_container_refuses_the_same(renderer, name, value):
    settings = REQUIRED | {"WORKER_USER": ""} | {name: value}
    with pytest.raises(renderer.WrongSettings, match=name):
        renderer.render(settings)
    done = rendered_by_awk(renderer, settings)
    assert (done.returncode, done.stdout) == (1, "")
    assert name in done.stderr
    assert name != "TOKEN_ISSUER" or not value or value not in done.stderr


def test_a_container_names_all_that_is_missing(renderer):
    done = rendered_by_awk(renderer, {})
    assert all(f"{name} is missing" in done.stderr for name in REQUIRED)


def rendered_by_awk(renderer, settings):
    script = renderer.TEMPLATE.parents[1] / "render.awk"
    command = ["awk", "-f", str(script), str(renderer.TEMPLATE)]
    environment = {"PATH": os.defpath, "LC_ALL": "C", **settings}
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
