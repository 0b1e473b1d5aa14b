"""clusters.watching against both servers: what it tells is what is there, whatever happens between."""

from __future__ import annotations

import copy
import json
import threading
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from clusters.targets import Target
from clusters.versions import is_newer
from clusters.watching import Listed, Seen, watch
from tests.conformance.following import TIMING, following
from tests.conformance.product import gateway_of
from tests.conformance.targets import CRDS_PATH, install_crd, settle, wait_until
from tests.conformance.widgets import GROUP, WIDGET_CRD, widget, widgets_path
from tests.wires import Wire


class Widgets:
    """Those of one namespace, changed by the administrator."""

    def __init__(self, api):
        self.namespace = api.namespace()
        self.client = api.admin
        self.target = Target(
            group=GROUP, version="v1", plural="widgets", kind="Widget", namespace=self.namespace
        )

    def path(self, name=""):
        return widgets_path(self.namespace, name)

    def create(self, name, size=1):
        answer = self.client.post(self.path(), json=widget(name, size=size))
        return answer.raise_for_status().json()["metadata"]["resourceVersion"]

    def resize(self, name, size):
        answer = self.client.patch(
            self.path(name),
            json={"spec": {"size": size}},
            headers={"Content-Type": "application/merge-patch+json"},
        )
        return answer.raise_for_status().json()["metadata"]["resourceVersion"]

    def delete(self, name):
        self.client.delete(self.path(name)).raise_for_status()

    @property
    def versions(self):
        items = self.client.get(self.path()).raise_for_status().json()["items"]
        return {o["metadata"]["name"]: o["metadata"]["resourceVersion"] for o in items}


@pytest.fixture
def widgets(api):
    return Widgets(api)


@pytest.fixture
def gateway(api):
    with gateway_of(api, api.token) as made:
        yield made


@pytest.fixture
def wire(api):
    """Between the gateway and the server, to be cut."""
    address = urlsplit(api.url)
    with Wire((address.hostname, address.port)) as made:
        yield made


@pytest.fixture
def wired_gateway(api, wire):
    with gateway_of(api, api.token, "https://{}:{}".format(*wire.address)) as made:
        yield made


def has_listed(follower, times=1):
    return wait_until(lambda: len(follower.of(Listed)) >= times)


def test_watch_tells_a_life_in_order(gateway, widgets):
    with following(gateway, widgets.target) as follower:
        has_listed(follower)
        made = widgets.create("a")
        grown = widgets.resize("a", 2)
        other = widgets.create("b")
        widgets.delete("a")
        wait_until(lambda: ("a", "gone") in follower.told)

    assert follower.told == [("a", made), ("a", grown), ("b", other), ("a", "gone")]
    assert follower.versions == widgets.versions


def test_stream_brings_a_bookmark_before_its_end(api, gateway, widgets):
    """A quiet kind's version moves on with what happens elsewhere, so that it does not expire."""
    begun = gateway.list(widgets.target).resource_version
    other = Widgets(api)
    with gateway.stream(widgets.target, resource_version=begun, timeout_s=5) as lines:
        moved = other.create("elsewhere")
        told = [json.loads(line) for line in lines]

    assert {event["type"] for event in told} == {"BOOKMARK"}
    version = told[-1]["object"]["metadata"]["resourceVersion"]
    assert version == moved or is_newer(version, moved)


def test_watch_rides_over_its_ends_without_a_new_list(gateway, widgets):
    quick = replace(TIMING, watch_s=(1, 1))
    with following(gateway, widgets.target, quick) as follower:
        has_listed(follower)
        made = []
        for size in range(1, 8):
            made.append(widgets.create("w") if size == 1 else widgets.resize("w", size))
            threading.Event().wait(0.5)
        wait_until(lambda: follower.versions == widgets.versions)

    assert follower.told == [("w", version) for version in made]
    assert (len(follower.of(Listed)), follower.reasons) == (1, [])


def test_watch_finds_itself_level_with_a_busy_cluster(gateway, widgets, caplog):
    """Its comparison with what the cluster had must not cry wolf."""
    quick = replace(TIMING, watch_s=(1, 1), check_s=(0, 0))
    with following(gateway, widgets.target, quick) as follower:
        has_listed(follower)
        for number in range(60):
            widgets.create(f"w{number}")
            widgets.resize(f"w{number}", 2)
            if number % 3 == 0:
                widgets.delete(f"w{number}")
            threading.Event().wait(0.05)
        wait_until(lambda: follower.versions == widgets.versions)

    assert (caplog.messages, len(follower.of(Listed)), follower.reasons) == ([], 1, [])


def test_watch_begins_anew_when_its_version_has_expired(api, wire, wired_gateway, widgets):
    widgets.create("stays")
    widgets.create("changes")
    widgets.create("goes")
    with following(wired_gateway, widgets.target) as follower:
        has_listed(follower)
        wire.refuse()
        wire.cut()
        widgets.delete("goes")
        widgets.resize("changes", 5)
        widgets.create("comes")
        api.old_events_gone()
        wire.accept()
        has_listed(follower, 2)
        last = widgets.create("last")
        wait_until(lambda: ("last", last) in follower.told)

    assert follower.versions == widgets.versions
    seen = [event.raw["metadata"]["name"] for event in follower.of(Seen)]
    assert sorted(seen) == ["changes", "changes", "comes", "goes", "last", "stays"]


def test_watch_goes_on_where_it_was_after_a_cut(wire, wired_gateway, widgets):
    widgets.create("goes")
    with following(wired_gateway, widgets.target) as follower:
        has_listed(follower)
        wire.refuse()
        wire.cut()
        widgets.delete("goes")
        made = widgets.create("comes")
        wire.accept()
        wait_until(lambda: ("comes", made) in follower.told)

    assert follower.told == [("goes", "gone"), ("comes", made)]
    assert len(follower.of(Listed)) == 1


def test_list_begins_again_when_its_pages_expire(api, gateway, widgets):
    for name in ("a", "b", "c"):
        widgets.create(name)
    stop, listed = threading.Event(), []

    for event in watch(gateway, widgets.target, stop=stop, timing=replace(TIMING, page=1)):
        if isinstance(event, Seen) and not listed:
            api.old_events_gone()
            listed.append(event.raw["metadata"]["name"])
        elif isinstance(event, Listed):
            listed.append(len(event.uids))
            stop.set()

    assert listed == ["a", 3]


def test_watch_comes_back_when_its_kind_was_removed_and_made_anew(api, gateway):
    crd = copy.deepcopy(WIDGET_CRD)
    crd["metadata"]["name"] = f"gadgets.{GROUP}"
    crd["spec"]["names"] = {"plural": "gadgets", "singular": "gadget", "kind": "Gadget"}
    install_crd(api.admin, crd)
    namespace = api.namespace()
    path = f"/apis/{GROUP}/v1/namespaces/{namespace}/gadgets"
    body = widget("g") | {"kind": "Gadget"}
    api.admin.post(path, json=body).raise_for_status()
    target = Target(group=GROUP, version="v1", plural="gadgets", kind="Gadget", namespace=namespace)

    with following(gateway, target) as follower:
        wait_until(lambda: "g" in follower.versions)
        api.admin.delete(f"{CRDS_PATH}/gadgets.{GROUP}").raise_for_status()
        wait_until(lambda: "NotServed" in follower.reasons)
        wait_until(lambda: api.admin.get(f"{CRDS_PATH}/gadgets.{GROUP}").status_code == 404)
        install_crd(api.admin, crd)
        made = api.admin.post(path, json=body).raise_for_status().json()
        wait_until(lambda: follower.versions == {"g": made["metadata"]["resourceVersion"]})

    api.admin.delete(f"{CRDS_PATH}/gadgets.{GROUP}").raise_for_status()


@pytest.fixture
def real(apiserver_target):
    return apiserver_target


@pytest.fixture
def real_gateway(real):
    with gateway_of(real, real.token) as made:
        yield made


def test_watch_outlives_the_death_of_the_server(real, real_gateway):
    widgets = Widgets(real)
    widgets.create("before")
    with following(real_gateway, widgets.target) as follower:
        has_listed(follower)
        real.server.process.kill()
        wait_until(lambda: follower.reasons)
        real.server.process.start()
        settle(real.admin)
        made = widgets.create("after")
        wait_until(lambda: ("after", made) in follower.told)

    assert follower.versions == widgets.versions
    assert follower.told == [("after", made)]


def test_watch_notices_a_server_that_is_silent(real, real_gateway):
    widgets = Widgets(real)
    quick = replace(TIMING, watch_s=(2, 2), idle_s=4)
    with following(real_gateway, widgets.target, quick) as follower:
        has_listed(follower)
        with real.server.process.paused():
            wait_until(lambda: follower.reasons)
        made = widgets.create("after")
        wait_until(lambda: ("after", made) in follower.told)

    assert follower.versions == widgets.versions
