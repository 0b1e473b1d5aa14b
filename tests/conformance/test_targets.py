"""The targets themselves: what other tests of this folder stand on."""

from aiohttp import web

from tests.conformance.widgets import widget, widgets_path


def test_namespace_is_new_each_time_and_takes_objects(api):
    first, second = api.namespace(), api.namespace()

    answer = api.admin.post(widgets_path(first), json=widget("w"))

    assert first != second
    assert answer.status_code == 201
    assert api.admin.get(widgets_path(second)).json()["items"] == []


def test_person_may_do_what_the_rules_say_and_no_more(api):
    namespace = api.namespace()
    rules = [{"apiGroups": ["kaito.sh"], "resources": ["workspaces"], "verbs": ["list"]}]
    path = f"/apis/kaito.sh/v1beta1/namespaces/{namespace}/workspaces"

    client = api.client(api.person(rules=rules, namespace=namespace))

    assert client.get(path).status_code == 200
    assert client.post(path, json={}).status_code == 403
    assert client.get("/apis/kaito.sh/v1beta1/workspaces").status_code == 403


def test_person_without_a_namespace_may_everywhere(api):
    rules = [{"apiGroups": ["kaito.sh"], "resources": ["workspaces"], "verbs": ["list"]}]

    client = api.client(api.person(rules=rules))

    assert client.get("/apis/kaito.sh/v1beta1/workspaces").status_code == 200
    assert client.get("/api/v1/pods").status_code == 403


def test_backend_is_reached_through_the_service_proxy(api):
    async def hello(request):
        return web.json_response({"path": request.path, "query": dict(request.query)})

    app = web.Application()
    app.router.add_get("/{path:.*}", hello)
    namespace = api.namespace()

    api.backend(namespace, "model", app)
    base = f"/api/v1/namespaces/{namespace}/services/model:http/proxy"

    answer = api.admin.get(f"{base}/v1/models", params={"a": "b"})
    assert answer.json() == {"path": "/v1/models", "query": {"a": "b"}}


def test_old_events_gone_makes_a_watch_from_before_expire(api):
    namespace = api.namespace()
    before = api.admin.post(widgets_path(namespace), json=widget("w")).json()
    version = before["metadata"]["resourceVersion"]

    api.old_events_gone()

    params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "5"}
    answer = api.admin.get(widgets_path(namespace), params=params)
    event = answer.json()
    assert (event["type"], event["object"]["code"], event["object"]["reason"]) == (
        "ERROR",
        410,
        "Expired",
    )
