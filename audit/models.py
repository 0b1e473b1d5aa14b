"""The entries and the head of their chain. Rows are only ever inserted; triggers refuse the rest."""

from __future__ import annotations

import secrets
import time
import uuid

from django.db import models

from audit.types import Outcome


def uuid7() -> uuid.UUID:
    """A time-ordered UUID, https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7 (Python has it from 3.14)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


class Entry(models.Model):
    """One thing that happened. `hash` covers every other column and the hash before (audit.chain)."""

    seq = models.BigIntegerField(primary_key=True, editable=False)
    uuid = models.UUIDField(unique=True, default=uuid7, editable=False)
    time = models.DateTimeField(db_index=True)

    actor_key = models.CharField(max_length=64, blank=True, default="")
    actor_name = models.CharField(max_length=150)
    source_ip = models.CharField(max_length=45, blank=True, default="")
    request_id = models.CharField(max_length=64, blank=True, default="", db_index=True)

    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, choices=[(o.value, o.value) for o in Outcome])
    kind = models.CharField(max_length=40, blank=True, default="")
    cluster = models.CharField(max_length=63, blank=True, default="")
    namespace = models.CharField(max_length=63, blank=True, default="")
    name = models.CharField(max_length=253, blank=True, default="")
    uid = models.CharField(max_length=64, blank=True, default="")
    operation_id = models.UUIDField(null=True, db_index=True)

    before = models.JSONField(null=True, help_text="redacted")
    after = models.JSONField(null=True, help_text="redacted")
    reason = models.CharField(max_length=500, blank=True, default="")
    detail = models.JSONField(default=dict, help_text="redacted; numbers, error text, client")
    duration_ms = models.PositiveIntegerField(null=True)

    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        verbose_name_plural = "entries"
        ordering = ["-seq"]
        indexes = [
            models.Index(fields=["action", "-seq"], name="audit_action"),
            models.Index(fields=["actor_key", "-seq"], name="audit_actor"),
            models.Index(fields=["cluster", "namespace", "name", "-seq"], name="audit_target"),
        ]

    def __str__(self) -> str:
        return f"#{self.seq} {self.action} by {self.actor_name}: {self.outcome}"


class Head(models.Model):
    """Last link of the chain; its one row is locked while the next entry is made, so order is chain order."""

    seq = models.BigIntegerField(default=0)
    hash = models.CharField(max_length=64, default="")

    def __str__(self) -> str:
        return f"head #{self.seq}"
