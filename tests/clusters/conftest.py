from __future__ import annotations

import pytest

from clusters.gateway import Gateway
from tests.clusters.scripted import scripted


@pytest.fixture
def server():
    with scripted() as running:
        yield running


@pytest.fixture
def gateway(server):
    made = Gateway(server.cluster())
    yield made
    made.close()
