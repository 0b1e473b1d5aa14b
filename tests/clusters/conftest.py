from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection, connections

from clusters import gateway as gateways
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


@pytest.fixture
def shared_database(transactional_db, tmp_path, monkeypatch):
    """For threads that write at once: SQLite in a file, as the product has it, since one in memory has no busy timeout."""
    if connection.vendor != "sqlite":
        yield
        return
    ours = connections["default"]
    settings = {**connections.settings["default"], "NAME": str(tmp_path / "db.sqlite3")}
    monkeypatch.setitem(connections.settings, "default", settings)
    del connections["default"]
    with connection.schema_editor() as editor:
        for model in apps.get_app_config("clusters").get_models():
            editor.create_model(model)
    yield
    connection.close()
    connections["default"] = ours


@pytest.fixture(autouse=True)
def _no_kept_gateways():
    """Rows of one test may have the keys of another's, and open connections outlive their server."""
    yield
    for key in list(gateways._gateways):
        gateways._drop(key)
