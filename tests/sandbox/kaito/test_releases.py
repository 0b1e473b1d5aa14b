"""The switches of `manage.py sandbox`, and the table behind them."""

from __future__ import annotations

import pytest

from sandbox.app import build_cluster
from sandbox.kaito.releases import CURRENT, OLD, edition_of, engine_version
from sandbox.management.commands.sandbox import Command
from sandbox.resources import DEPLOYMENTS, NODECLAIMS, NODES, STATEFULSETS, WORKSPACES


def parse(*arguments):
    return Command().create_parser("manage.py", "sandbox").parse_args([*arguments])


def test_command_plays_the_current_release_with_node_provisioning():
    options = parse()

    assert (options.kaito_version, options.node_provisioner) == ("0.12", "azure-gpu-provisioner")


def test_command_takes_the_old_release_and_own_nodes():
    options = parse("--kaito-version", "0.7", "--node-provisioner", "byo")
    edition = edition_of(options.kaito_version, options.node_provisioner)

    assert (edition.release, edition.makes_nodes) == (OLD, False)


def test_command_refuses_other_releases():
    with pytest.raises(Exception, match="invalid choice: '0.5'"):
        parse("--kaito-version", "0.5")


@pytest.mark.parametrize(
    ("image", "version"),
    [
        (CURRENT.base_image, "0.25.1"),
        (OLD.base_image, "0.10.1.1"),
        ("example.com/mine:1", "0.25.1"),
    ],
)
def test_engine_follows_from_the_image(image, version):
    assert engine_version(image) == version


def test_cluster_without_node_provisioning_is_seeded_on_its_own_nodes():
    cluster = build_cluster(None, edition=edition_of("0.12", "byo"))

    (workspace,) = cluster.store.list(WORKSPACES)
    assert workspace["status"]["state"] == "Ready"
    assert workspace["status"]["workerNodes"][0].startswith("aks-gpua100-")
    assert len(cluster.store.list(NODES)) == 4
    assert cluster.store.list(NODECLAIMS) == []


def test_old_cluster_is_seeded_with_deployments():
    cluster = build_cluster(None, edition=edition_of("0.7"))

    names = {each["metadata"]["name"] for each in cluster.store.list(DEPLOYMENTS)}
    assert {"qwen2-5-coder-7b", "bloomz-560m-workspace"} <= names
    assert cluster.store.list(STATEFULSETS) == []
