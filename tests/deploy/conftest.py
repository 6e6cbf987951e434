# SPDX-License-Identifier: Apache-2.0
import pytest

from support import manifests


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    """A copy of the manifests, with secrets for the demonstration."""
    if reason := manifests.why_not():
        pytest.skip(f"{reason}, so no manifest can be rendered")
    return manifests.copied(tmp_path_factory.mktemp("k8s") / "manifests")


@pytest.fixture(scope="session")
def demo(place):
    return manifests.rendered(place / "overlays" / "demo")


@pytest.fixture(scope="session")
def production(place):
    return manifests.rendered(place / "overlays" / "production")


@pytest.fixture(scope="session")
def everything(place, tmp_path_factory):
    """Production with every component that it only names."""
    copy = manifests.copied(tmp_path_factory.mktemp("everything") / "manifests")
    manifests.with_every_component(copy / "overlays" / "production")
    return manifests.rendered(copy / "overlays" / "production")


@pytest.fixture(params=["demo", "production", "everything"])
def overlay(request):
    return request.getfixturevalue(request.param)
