"""Clusters in Django's admin: read-only, without credentials. They are changed on their own pages, which leave audit entries."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from clusters.models import Cluster


@admin.register(Cluster)
class ClusterAdmin(admin.ModelAdmin):
    list_display = ["name", "kind", "endpoint", "state", "last_contact_at", "disconnected_at"]
    list_filter = ["kind", "state"]
    search_fields = ["name", "endpoint"]
    actions = None
    exclude = ["sealed_credentials"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Cluster | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Cluster | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Cluster | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)
