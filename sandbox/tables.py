"""What `kubectl get` prints: the API server's Table answer.

https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from sandbox.durations import age
from sandbox.jsonpath import first
from sandbox.printers import NAME, PRINTERS, Column
from sandbox.resources import Resource
from sandbox.shapes import Json

Object = dict[str, Any]


def table(
    resource: Resource,
    objects: Sequence[Object],
    metadata: Object,
    *,
    now: datetime,
    include: str = "Metadata",
) -> bytes:
    columns = columns_of(resource)
    rows = [_row(columns, obj, now, include) for obj in objects]
    return orjson.dumps(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": [_definition(column) for column in columns],
            "rows": rows,
        }
    )


def partial(obj: Object) -> Object:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }


def columns_of(resource: Resource) -> list[Column]:
    if resource.key in PRINTERS:
        columns = PRINTERS[resource.key]
        named = any(column.format == "name" for column in columns)
        return [*columns] if named else [NAME, *columns]
    custom = [_custom(column) for column in resource.columns]
    return [NAME, *(custom or [AGE])]


AGE = Column("Age", lambda obj, now: age(obj["metadata"].get("creationTimestamp"), now))


def _custom(declared: dict[str, Any]) -> Column:
    path, kind = declared["jsonPath"], declared["type"]

    def cell(obj: Object, now: datetime) -> Json:
        value = first(obj, path)
        if kind == "date":
            return age(value, now) if value else None
        return value

    return Column(
        declared["name"],
        cell,
        type=kind,
        priority=declared.get("priority", 0),
        description=declared.get("description", ""),
    )


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(columns: list[Column], obj: Object, now: datetime, include: str) -> Object:
    row: Object = {"cells": [column.cell(obj, now) for column in columns]}
    if include == "Object":
        row["object"] = obj
    elif include != "None":
        row["object"] = partial(obj)
    return row
