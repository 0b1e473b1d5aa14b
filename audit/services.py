"""The one way into the diary. Never called outside a transaction: what is recorded and what happened stand or fall together."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from audit import chain
from audit.models import Entry, Head
from audit.redaction import redacted
from audit.types import Actor, Outcome, Target


def record(  # noqa: PLR0913 - an entry has that many parts, all but three of them optional
    *,
    actor: Actor,
    action: str,
    outcome: Outcome,
    target: Target = Target(),
    operation_id: UUID | None = None,
    before: Any = None,  # noqa: ANN401 - any JSON value
    after: Any = None,  # noqa: ANN401
    reason: str = "",
    detail: dict[str, Any] | None = None,
    duration_ms: int | None = None,
) -> Entry:
    """Append one entry. Call it inside the transaction of the change that it records, as late as possible:

    the chain's head stays locked until that transaction ends. Raises RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("audit.record must run inside the transaction of the change it records")
    head = _locked_head()
    entry = Entry(
        seq=head.seq + 1,
        time=timezone.now(),
        actor_key=actor.key,
        actor_name=actor.name[:150],
        source_ip=actor.source_ip[:45],
        request_id=actor.request_id[:64],
        action=action,
        outcome=outcome.value,
        kind=target.kind,
        cluster=target.cluster,
        namespace=target.namespace[:63],
        name=target.name[:253],
        uid=target.uid,
        operation_id=operation_id,
        before=redacted(before),
        after=redacted(after),
        reason=redacted(reason)[:500],
        detail=redacted(detail or {}),
        duration_ms=duration_ms,
        previous_hash=head.hash or chain.GENESIS,
    )
    entry.hash = chain.entry_hash(entry)
    entry.save(force_insert=True)
    head.seq, head.hash = entry.seq, entry.hash
    head.save(update_fields=["seq", "hash"])
    return entry


def _locked_head() -> Head:
    Head.objects.get_or_create(pk=1)
    return Head.objects.select_for_update().get(pk=1)


def verify() -> list[chain.Break]:
    """Check the whole chain; empty means that it holds."""
    head = Head.objects.filter(pk=1).first() or Head(seq=0, hash="")
    entries = Entry.objects.order_by("seq").iterator(chunk_size=2000)
    return list(chain.breaks(entries, head_seq=head.seq, head_hash=head.hash or chain.GENESIS))
