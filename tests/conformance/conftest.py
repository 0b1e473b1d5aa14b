"""`api`: every test of this folder that takes it runs against the sandbox, and, where
KAITOWEB_CONFORMANCE is set (`make conformance`), against a real kube-apiserver too."""

from __future__ import annotations

import os

import httpx
import pytest

from tests.conformance.targets import Api, apiserver_api, sandbox_api
from tests.conformance.widgets import widgets_path

IS_CONFORMANCE = os.environ.get("KAITOWEB_CONFORMANCE") == "1"
KINDS = ("sandbox", "apiserver") if IS_CONFORMANCE else ("sandbox",)
# About the product against the real server, which is not here.
collect_ignore_glob = [] if IS_CONFORMANCE else ["test_product_*.py"]


@pytest.fixture(scope="session")
def sandbox_target(tmp_path_factory):
    with sandbox_api(tmp_path_factory.mktemp("sandbox")) as made:
        yield made


@pytest.fixture(scope="session")
def apiserver_target():
    with apiserver_api() as made:
        yield made


@pytest.fixture(scope="session", params=KINDS)
def api(request) -> Api:
    """The servers are fixtures of their own, so that random order does not restart them."""
    return request.getfixturevalue(f"{request.param}_target")


@pytest.fixture(scope="session")
def http(api) -> httpx.Client:
    """The administrator, who says who he is: without `fieldManager` this names the manager."""
    return api.client(**{"User-Agent": "kaitoweb/1.0 (tests)"})


@pytest.fixture
def space(api) -> str:
    """A namespace of its own for one test."""
    return api.namespace()


@pytest.fixture
def widgets(space) -> str:
    """The path of the Widgets in a namespace of their own."""
    return widgets_path(space)
