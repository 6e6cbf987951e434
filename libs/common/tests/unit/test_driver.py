# SPDX-License-Identifier: Apache-2.0
import ssl

from common.driver import ThriftyConnection


def unconnected(**settings):
    return ThriftyConnection(defer_connect=True, **settings)


def test_connections_share_what_they_need_for_tls(monkeypatch):
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", None)  # 40 ms, for nothing

    one, other = unconnected(), unconnected()

    assert one.ctx is other.ctx
    assert one.ctx.verify_mode is ssl.CERT_NONE


def test_who_wants_the_server_verified_gets_it_verified():
    verifying = unconnected(ssl_verify_cert=True)

    assert verifying.ctx is not unconnected().ctx
    assert verifying.ctx.verify_mode is ssl.CERT_REQUIRED
