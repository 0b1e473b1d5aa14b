from django.urls import path

from workspaces.views import actions, pages, stream

app_name = "workspaces"
_ONE = "workspaces/<str:cluster>/<str:namespace>/<str:name>/"
urlpatterns = [
    path("workspaces/", pages.workspace_list, name="list"),
    path("deploy/", actions.deploy, name="deploy"),
    path("deploy/check/", actions.check, name="check"),
    path(_ONE, pages.workspace_detail, name="detail"),
    path(f"{_ONE}delete/", actions.delete, name="delete"),
    path(f"{_ONE}logs/", stream.pod_logs, name="logs"),
    path("operations/<uuid:pk>/", actions.operation, name="operation"),
    path("events/", stream.events, name="events"),
]
