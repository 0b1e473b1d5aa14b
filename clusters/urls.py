from django.urls import path

from clusters import views

app_name = "clusters"
urlpatterns = [
    path("", views.cluster_list, name="list"),
    path("connect/", views.connect, name="connect"),
    path("<int:pk>/test/", views.test, name="test"),
    path("<int:pk>/disconnect/", views.disconnect, name="disconnect"),
]
