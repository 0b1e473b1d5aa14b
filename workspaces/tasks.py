"""Celery entry points: an id in, an operation called. The rows say what is to be done, and when it is tried again."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from workspaces import operations


@shared_task(name="workspaces.carry_out", ignore_result=True)
def carry_out(operation_id: str) -> None:
    operations.carry_out(UUID(operation_id))


@shared_task(name="workspaces.sweep_operations", ignore_result=True)
def sweep_operations() -> None:
    operations.sweep()
