"""docker-compose.yml read: hardened, healthy, secrets by file, one open door; judged by two readers of its schema."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess

import pytest
from compose_spec import PyCompose
from ruamel.yaml import YAML

from tests.deploy import composefile
from tests.deploy.composefile import ROOT

FILE = composefile.load()
SERVICES = FILE["services"]
OURS = ("migrate", "web", "worker", "beat")
every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def as_yaml(data):
    out = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.representer.ignore_aliases = lambda *_: True
    yaml.dump({k: v for k, v in data.items() if not k.startswith("x-")}, out)
    return out.getvalue()


def test_compose_file_is_valid_and_the_reader_sees_a_mistake():
    PyCompose.from_yaml(as_yaml(FILE))
    wrong = FILE | {"services": {"web": {"image": "x", "restrat": "always"}}}
    with pytest.raises(ValueError, match="restrat"):
        PyCompose.from_yaml(as_yaml(wrong))


@every_service
def test_service_is_hardened(name):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", service["user"])
    assert "/tmp" in service["tmpfs"]
    assert "privileged" not in service
    assert "cap_add" not in service


@every_service
def test_service_is_bounded(name):
    service = SERVICES[name]
    assert set(service["deploy"]["resources"]["limits"]) == {"memory", "pids"}
    assert service["logging"]["options"]["max-size"] == "10m"
    assert service["restart"] in ("unless-stopped", "no")
    assert "stop_grace_period" in service or name == "migrate"


@every_service
def test_service_names_the_version_of_its_image(name):
    image = SERVICES[name]["image"]
    assert image == "kaitoweb:local" if name in OURS else re.search(r":\d+\.\d+\.?\d*-", image)


@every_service
def test_service_says_whether_it_is_healthy(name):
    check = SERVICES[name]["healthcheck"]
    assert check == {"disable": True} if name == "migrate" else check["test"]


def test_health_checks_of_ours_ask_the_process_that_they_stand_for():
    checks = {n: SERVICES[n]["healthcheck"]["test"] for n in OURS if n != "migrate"}
    assert checks == {n: ["CMD", "python", "-m", "kaitoweb.alive", n] for n in checks}


@every_service
def test_secrets_come_by_file_and_each_that_is_read_is_mounted(name):
    variables = SERVICES[name].get("environment", {})
    secret = {k: v for k, v in variables.items() if re.search("SECRET|PASSWORD|TOKEN", k)}
    assert all(k.endswith("_FILE") and v.startswith("/run/secrets/") for k, v in secret.items())
    read = set(re.findall(r"/run/secrets/(\w+)", json.dumps(SERVICES[name])))
    assert read == set(SERVICES[name].get("secrets", []))


def test_secrets_are_files_and_git_does_not_see_them():
    assert {tuple(secret) for secret in FILE["secrets"].values()} == {("file",)}
    names = " ".join(f"secrets/{name}" for name in FILE["secrets"])
    ignored = subprocess.run(
        ["git", "check-ignore", *names.split()], cwd=ROOT, capture_output=True, text=True
    )
    assert ignored.stdout.split() == names.split()


def test_only_the_web_has_a_door_and_it_opens_to_this_machine():
    doors = {n: s["ports"] for n, s in SERVICES.items() if "ports" in s}
    assert doors == {"web": ["127.0.0.1:8000:8000"]}


def test_database_and_broker_have_no_way_out():
    assert FILE["networks"]["inside"] == {"internal": True}
    reached = {n for n, s in SERVICES.items() if "outside" in s["networks"]}
    assert reached == {"web", "worker"}
    assert all("inside" in s["networks"] for s in SERVICES.values())


def test_nothing_of_ours_starts_before_the_tables_are_there():
    for name in ("web", "worker", "beat"):
        conditions = {k: v["condition"] for k, v in SERVICES[name]["depends_on"].items()}
        assert conditions == {
            "postgres": "service_healthy",
            "valkey": "service_healthy",
            "migrate": "service_completed_successfully",
        }


def test_two_workers_and_a_broker_that_refuses_rather_than_forgets():
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    assert "maxmemory-policy noeviction\n" in SERVICES["valkey"]["command"][0]
    assert "--data-checksums" in SERVICES["postgres"]["environment"]["POSTGRES_INITDB_ARGS"]


def compose(*arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME")} | variables
    return subprocess.run(
        [composefile.binary(), "--env-file", os.devnull, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.fixture(scope="module")
def compose_binary():
    """Skips where it cannot be had, but never in CI."""
    try:
        return composefile.binary()
    except subprocess.SubprocessError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"docker-compose cannot be fetched: {getattr(error, 'stderr', error)}")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("compose_binary")
def test_docker_compose_accepts_it():
    result = compose("config", "--format", "json", ALLOWED_HOSTS="kaitoweb.example")

    assert result.stderr == ""
    read = json.loads(result.stdout)["services"]
    assert set(read) == set(SERVICES)
    assert read["worker"]["deploy"]["replicas"] == 2
    assert read["web"]["environment"]["DATABASE_PASSWORD_FILE"] == "/run/secrets/database_password"
    assert read["web"]["ports"][0]["host_ip"] == "127.0.0.1"


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.usefixtures("compose_binary")
def test_docker_compose_says_which_setting_is_missing():
    result = compose("config", "--quiet")

    assert result.returncode == 1
    assert result.stderr.rstrip().endswith(
        "required variable ALLOWED_HOSTS is missing a value: "
        "say under which name browsers reach kaitoweb, in .env or the environment"
    )
