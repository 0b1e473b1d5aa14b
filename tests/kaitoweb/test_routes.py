"""Who gets what from every address, built from the URLconf: a new route fails here until somebody says who may use it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from audit.models import Entry
from clusters.models import Cluster
from tests.workspaces import builders as b
from workspaces.models import Operation, Workspace

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(20)]

READERS = ("viewer", "staff", "superuser")
PEOPLE = ("anonymous", "deactivated", *READERS)
WORKSPACE = ("sandbox", "team-a", "phi-4")
TO_SIGN_IN = 302
ALL_200 = (200, 200, 200)
ALL_405 = (405, 405, 405)


@dataclass(frozen=True)
class Route:
    """Answers to a viewer, to staff and to a superuser; whoever is not signed in is sent to the sign-in page."""

    get: tuple[int, int, int] = ALL_200
    post: tuple[int, int, int] = ALL_405
    args: tuple[object, ...] = ()
    query: str = ""
    body: dict[str, str] = field(default_factory=dict)
    head: tuple[int, int, int] | None = None  # as GET
    recorded: str = ""  # what a viewer wanted when the POST is refused

    def address(self, name: str) -> str:
        return reverse(name, args=self.args) + self.query


ROUTES = {
    "home": Route(get=(302, 302, 302)),
    "accounts:sign_out": Route(get=ALL_405, post=(302, 302, 302)),
    "workspaces:list": Route(),
    "workspaces:deploy": Route(post=(403, 422, 422), recorded="workspace.create"),
    "workspaces:check": Route(get=ALL_405, post=ALL_200),
    "workspaces:detail": Route(args=WORKSPACE),
    "workspaces:delete": Route(
        get=(403, 200, 200), post=(403, 422, 422), args=WORKSPACE, recorded="workspace.delete"
    ),
    "workspaces:logs": Route(
        args=WORKSPACE, query="?pod=phi-4-0&container=phi-4", head=ALL_405
    ),
    "workspaces:operation": Route(args=("00000000-0000-0000-0000-000000000001",)),
    "workspaces:events": Route(head=ALL_405),
    "troubles": Route(),
    "admin_sign_in": Route(get=(404, 302, 302)),
    "playground:page": Route(),
    "playground:reply": Route(
        get=ALL_405, post=(400, 400, 400), body={"workspace": "/".join(WORKSPACE)}
    ),
    "playground:server": Route(query="?workspace=" + "/".join(WORKSPACE), head=ALL_405),
    "clusters:list": Route(),
    "clusters:connect": Route(
        get=(403, 403, 200), post=(403, 403, 422), recorded="cluster.connect"
    ),
    "clusters:test": Route(
        args=(7,), get=ALL_405, post=(403, 403, 302), recorded="cluster.test"
    ),
    "clusters:disconnect": Route(
        args=(7,), get=(403, 403, 200), post=(403, 403, 302), recorded="cluster.disconnect"
    ),
}  # fmt: skip
# Anyone may ask these: to sign in, and what probes and Prometheus read.
OPEN = {"accounts:sign_in", "healthz", "readyz", "metrics"}


def _names(patterns, namespace=""):
    for found in patterns:
        if isinstance(found, URLPattern):
            yield f"{namespace}{found.name}"
        else:
            inner = f"{namespace}{found.namespace}:" if found.namespace else namespace
            yield from _names(found.url_patterns, inner)


ALL_NAMES = list(_names(get_resolver().url_patterns))


@pytest.fixture
def people(alice, bob, dora, django_user_model):
    """A client for each kind of person."""
    gone = django_user_model.objects.create_user("eve", password="eve-password")
    clients = {name: Client() for name in PEOPLE}
    signed_in = {"viewer": bob, "staff": dora, "superuser": alice, "deactivated": gone}
    for name, person in signed_in.items():
        clients[name].force_login(person)
    gone.is_active = False
    gone.save(update_fields=["is_active"])
    return clients


@pytest.fixture
def rows(alice):
    """What the addresses name; nothing listens where the cluster is said to be."""
    cluster = b.make_cluster(pk=7, endpoint="http://127.0.0.1:9")
    b.make_workspace(cluster=cluster, story="ready")
    b.make_operation(cluster, alice, name="other", pk="00000000-0000-0000-0000-000000000001")


def _status(client, method, address, body=None, **options):
    response = getattr(client, method)(address, body or None, **options)
    response.close()
    return response.status_code


def test_every_route_has_a_row():
    ours = {name for name in ALL_NAMES if not name.startswith("admin:")}

    assert ours == ROUTES.keys() | OPEN


READ = sorted(ROUTES.keys() - {"accounts:sign_out"})
POSTED = sorted(ROUTES.keys() - {"home", "accounts:sign_out"})
CHANGING = [name for name in POSTED if ROUTES[name].post != ALL_405]
REFUSING = [name for name in POSTED if ROUTES[name].recorded]


def _everybodys(answers):
    return dict(zip(PEOPLE, (TO_SIGN_IN, TO_SIGN_IN, *answers), strict=True))


@pytest.mark.parametrize("name", READ)
def test_reading_answers_as_the_row_says(name, people, rows):
    route = ROUTES[name]

    for method, row in (("get", route.get), ("head", route.head or route.get)):
        found = {p: _status(people[p], method, route.address(name)) for p in PEOPLE}
        assert found == _everybodys(row), method


@pytest.mark.parametrize("name", POSTED)
def test_posting_answers_as_the_row_says(name, people, rows):
    route = ROUTES[name]

    found = {p: _status(people[p], "post", route.address(name), route.body) for p in PEOPLE}

    assert found == _everybodys(route.post)


@pytest.mark.parametrize("name", POSTED)
def test_other_methods_are_refused(name, people, rows):
    address = ROUTES[name].address(name)

    for method in ("put", "patch", "delete"):
        found = {p: _status(people[p], method, address) for p in PEOPLE}
        assert found == _everybodys(ALL_405), method


@pytest.mark.parametrize("name", READ)
def test_htmx_and_other_kinds_of_answers_change_nothing_in_who_may_read(name, people, rows):
    route = ROUTES[name]

    for headers in ({"hx-request": "true"}, {"accept": "application/json"}):
        found = {p: _status(people[p], "get", route.address(name), headers=headers) for p in PEOPLE}
        assert found == _everybodys(route.get), headers


@pytest.mark.parametrize("name", REFUSING)
def test_a_refused_attempt_is_recorded_once_and_changes_nothing(name, people, rows):
    route = ROUTES[name]
    seen = (Operation.objects.count(), Cluster.objects.get().disconnected_at)

    people["viewer"].post(route.address(name))

    entries = Entry.objects.filter(action="access.refused")
    recorded = [(e.actor_name, e.outcome, e.detail["wanted"]) for e in entries]
    assert recorded == [("bob", "refused", route.recorded)]
    assert (Operation.objects.count(), Cluster.objects.get().disconnected_at) == seen


EVIL = {"origin": "https://evil.example"}
FORGED = {
    "no token": {},
    "a token that is not theirs": {"headers": {"x-csrftoken": "a" * 32}},
    "the token as plain text": {"content_type": "text/plain", "data": "csrfmiddlewaretoken={}"},
    "the token in JSON": {
        "content_type": "application/json",
        "data": '{{"csrfmiddlewaretoken": "{}"}}',
    },
    "the token in the address": {"query_params": {"csrfmiddlewaretoken": "{}"}},
    "another site": {"headers": {"x-csrftoken": "{}"} | EVIL},
    "a neighbour": {"headers": {"x-csrftoken": "{}", "origin": "http://evil.testserver"}},
    "nobody's site": {"headers": {"x-csrftoken": "{}", "origin": "null"}},
}


@pytest.mark.parametrize("name", [*CHANGING, "accounts:sign_out", "accounts:sign_in"])
def test_a_forged_post_is_refused_and_changes_nothing(name, alice, rows):
    address = ROUTES[name].address(name) if name in ROUTES else reverse(name)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    before = _state_of_things()
    token = client.get(reverse("workspaces:list")).context["csrf_token"]

    found = {}
    for words, shape in FORGED.items():
        found[words] = client.post(address, **_with_token(shape, str(token))).status_code

    assert found == dict.fromkeys(FORGED, 403)
    assert _state_of_things() == before
    genuine = client.post(address, headers={"x-csrftoken": str(token)})
    assert genuine.status_code != 403


def _with_token(shape, token):
    if isinstance(shape, dict):
        return {key: _with_token(value, token) for key, value in shape.items()}
    return shape.format(token)


def _state_of_things():
    return (
        Operation.objects.count(),
        Workspace.objects.filter(deleted_at=None).count(),
        Cluster.objects.filter(disconnected_at=None).count(),
        Entry.objects.exclude(action="sign-in").count(),
    )


PROMISES = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Server": None,
}
POLICY = (
    "base-uri 'none'; connect-src 'self'; default-src 'none'; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; img-src 'self' data:; object-src 'none'; script-src 'self'; style-src 'self'"
)


@pytest.mark.parametrize("name", [*READ, *sorted(OPEN), "nowhere", "admin:index"])
def test_every_answer_keeps_the_promises_of_its_headers(name, people, rows):
    address = ROUTES[name].address(name) if name in ROUTES else _other_address(name)

    for person in ("anonymous", "superuser"):
        response = people[person].get(address)
        response.close()
        found = {h: response.headers.get(h) for h in PROMISES}
        found["Cache-Control"] = "no-store" if "no-store" in (found["Cache-Control"] or "") else ""
        assert found == PROMISES, person
        assert "; ".join(sorted(response["Content-Security-Policy"].split("; "))) == POLICY


def _other_address(name):
    return "/no-such-page/" if name == "nowhere" else reverse(name)


@pytest.mark.parametrize("name", ["healthz", "readyz", "metrics"])
def test_probes_only_read(name, client):
    assert [_status(client, m, reverse(name)) for m in ("post", "put", "delete")] == [405] * 3


# Django's admin: for superusers. These few are for everybody who is staff, or to get in and out.
ADMIN_ENTRANCES = {"admin:index", "admin:login", "admin:logout", "admin:jsi18n"} | {
    "admin:password_change",
    "admin:password_change_done",
}
READ_ONLY = ("admin:audit_entry", "admin:clusters_cluster")
_ADMIN_ARGS = {
    "admin:view_on_site": (1, 1),
    "admin:app_list": ("auth",),
    "admin:auth_user_password_change": (1,),
}


def _admin_address(name):
    is_object = name.endswith(("_history", "_delete", "_change"))
    args = _ADMIN_ARGS.get(name, (1,) if is_object and name not in ADMIN_ENTRANCES else ())
    return reverse(name, args=args)


ADMIN = sorted(
    {n for n in ALL_NAMES if n.startswith("admin:") and n != "admin:None"} - ADMIN_ENTRANCES
)


def test_the_admin_has_the_models_that_it_is_meant_to_have():
    lists = {n for n in ADMIN if n.endswith("_changelist")}

    assert lists == {
        *("admin:audit_entry_changelist", "admin:clusters_cluster_changelist"),
        *("admin:auth_group_changelist", "admin:auth_user_changelist"),
    }


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_admin_is_closed_to_all_but_superusers(method, people, rows):
    for name in ADMIN:
        for person in ("anonymous", "deactivated", "viewer", "staff"):
            status = _status(people[person], method, _admin_address(name))
            assert status in {302, 403, 404, 405}, (name, person)


def test_nobody_changes_clusters_or_the_audit_in_the_admin(people, rows):
    for name in ADMIN:
        if name.startswith(READ_ONLY) and name.endswith(("_add", "_delete", "_change")):
            assert _status(people["superuser"], "post", _admin_address(name)) in {302, 403}, name
    assert _status(people["superuser"], "post", reverse("admin:audit_entry_add")) == 403
