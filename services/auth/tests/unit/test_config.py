# SPDX-License-Identifier: Apache-2.0
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from auth.config import AdminConfig, Config


@pytest.fixture
def environment(monkeypatch, tmp_path, private_key):
    """A complete environment; the private key lies in a file."""
    path = tmp_path / "key.pem"
    path.write_text(private_key)
    for name, value in {
        "DATABASE_URL": "mysql+pymysql://auth:x@127.0.0.1:1/auth",
        "AMQP_URL": "amqp://auth:x@127.0.0.1:1/souk",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SERVICE_TOKEN_KEY": "0123456789abcdefghijklmnopqrstuv",
        "SECRET_KEY": "vutsrqponmlkjihgfedcba9876543210",
        "JWT_PRIVATE_KEY_FILE": str(path),
    }.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_key_is_read_from_the_file_that_the_environment_names(environment, private_key):
    config = Config.load()

    assert config.jwt_private_key.get_secret_value() == private_key.strip()
    assert (config.access_token_seconds, config.refresh_token_seconds) == (600, 2_592_000)
    assert (config.refresh_grace_seconds, config.login_free_failures) == (10, 9)
    assert (config.hashing_at_once, config.http_port, config.worker_port) == (2, 9101, 9201)


def test_auth_does_not_start_without_a_key(environment):
    environment.delenv("JWT_PRIVATE_KEY_FILE")

    with pytest.raises(SystemExit, match="JWT_PRIVATE_KEY"):
        Config.load()


def test_auth_does_not_start_with_a_key_on_another_curve_and_does_not_show_it(
    environment, tmp_path
):
    pem = ec.generate_private_key(ec.SECP384R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (tmp_path / "key.pem").write_bytes(pem)

    with pytest.raises(SystemExit) as refusal:
        Config.load()

    assert "JWT_PRIVATE_KEY: " in str(refusal.value)
    assert "P-256" in str(refusal.value)
    assert pem.decode().splitlines()[1] not in str(refusal.value)


def test_neither_settings_nor_their_repr_show_secrets(environment, private_key):
    assert private_key.splitlines()[1] not in repr(Config.load())


def test_the_first_admins_data_obey_the_same_rules_as_everybodys(environment):
    environment.setenv("ADMIN_USERNAME", "root@home")
    environment.setenv("ADMIN_EMAIL", "nowhere")
    environment.setenv("ADMIN_PASSWORD", "password1")

    with pytest.raises(SystemExit) as refusal:
        AdminConfig.load()

    for name in ("ADMIN_USERNAME", "ADMIN_EMAIL", "ADMIN_PASSWORD"):
        assert f"{name}: " in str(refusal.value)
    assert "password1" not in str(refusal.value)
