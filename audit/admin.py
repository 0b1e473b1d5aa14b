"""Entries in Django's admin: read-only, for superusers."""

from __future__ import annotations

import json

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from audit.models import Entry


@admin.register(Entry)
class EntryAdmin(admin.ModelAdmin):
    list_display = [
        "seq",
        "when",
        "actor_name",
        "action",
        "outcome",
        "cluster",
        "namespace",
        "name",
        "reason",
    ]
    list_filter = [
        "action",
        "outcome",
        "cluster",
        "namespace",
        "actor_name",
        ("time", admin.DateFieldListFilter),
    ]
    search_fields = [
        "actor_name",
        "name",
        "namespace",
        "reason",
        "request_id",
        "uid",
        "operation_id",
    ]
    date_hierarchy = "time"
    list_per_page = 50
    show_full_result_count = False
    actions = None
    fieldsets = [
        (
            None,
            {"fields": ["seq", "when", "action", "outcome", "actor_name", "actor_key", "reason"]},
        ),
        ("Object", {"fields": ["kind", "cluster", "namespace", "name", "uid", "operation"]}),
        ("Change", {"fields": ["before_text", "after_text", "detail_text", "duration_ms"]}),
        ("Request", {"fields": ["source_ip", "request_id", "uuid"]}),
        ("Chain", {"fields": ["previous_hash", "hash"]}),
    ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"title": "Audit", **(extra_context or {})})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    @admin.display(description="time (UTC)", ordering="time")
    def when(self, entry: Entry) -> str:
        """To the second: Django's own format ends with the minute."""
        return f"{entry.time:%-d %b %Y, %H:%M:%S}"

    @admin.display(description="operation")
    def operation(self, entry: Entry) -> str:
        if entry.operation_id is None:
            return "-"
        try:
            url = reverse("workspaces:operation", args=[entry.operation_id])
        except NoReverseMatch:  # this room works without the one that shows operations
            return str(entry.operation_id)
        return format_html('<a href="{}">{}</a>', url, entry.operation_id)

    @admin.display(description="before")
    def before_text(self, entry: Entry) -> str:
        return _pretty(entry.before)

    @admin.display(description="after")
    def after_text(self, entry: Entry) -> str:
        return _pretty(entry.after)

    @admin.display(description="detail")
    def detail_text(self, entry: Entry) -> str:
        return _pretty(entry.detail)


def _pretty(value: object) -> str:
    return (
        format_html("<pre>{}</pre>", json.dumps(value, indent=2, sort_keys=True)) if value else "-"
    )
