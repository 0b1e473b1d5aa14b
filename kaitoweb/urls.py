"""Where each address leads; the top floor, which may import every room."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from accounts.views import admin_sign_in
from kaitoweb import health, troubles

admin.site.enable_nav_sidebar = False  # two models; the width is worth more to the audit

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="workspaces:list"), name="home"),
    path("troubles/", troubles.troubles, name="troubles"),
    path("", include("accounts.urls")),
    path("", include("workspaces.urls")),
    path("playground/", include("playground.urls")),
    path("clusters/", include("clusters.urls")),
    path("admin/login/", admin_sign_in, name="admin_sign_in"),  # before the admin's own
    path("admin/", admin.site.urls),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
handler400 = "kaitoweb.errors.bad_request"
handler403 = "kaitoweb.errors.forbidden"
handler404 = "kaitoweb.errors.not_found"
handler500 = "kaitoweb.errors.server_error"
