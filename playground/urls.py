from django.urls import path

from playground import views

app_name = "playground"
urlpatterns = [
    path("", views.page, name="page"),
    path("reply/", views.reply, name="reply"),
    path("server/", views.server, name="server"),
]
