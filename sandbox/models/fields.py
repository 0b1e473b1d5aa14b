"""Reads JSON bodies as FastAPI with pydantic does: the same leniency, the same complaints.

https://docs.pydantic.dev/latest/concepts/conversion_table/ and
https://docs.pydantic.dev/latest/errors/validation_errors/
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
from aiohttp import web

Number = TypeVar("Number", int, float)

_TRUE = frozenset({"1", "true", "t", "on", "yes", "y"})
_FALSE = frozenset({"0", "false", "f", "off", "no", "n"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    kind: str
    default: Any = None
    nullable: bool = True
    required: bool = False


class Invalid(Exception):
    """The body has not the declared shape; `problems` are pydantic's error dicts."""

    def __init__(self, problems: list[dict[str, Any]]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


class _Mismatch(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


async def read_object(request: web.Request) -> dict[str, Any]:
    """Raises Invalid for what is no JSON object."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise Invalid(
            [
                {
                    "type": "json_invalid",
                    "loc": ["body", error.pos],
                    "msg": "JSON decode error",
                    "input": {},
                    "ctx": {"error": error.msg},
                }
            ]
        ) from error
    if not isinstance(body, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise Invalid([_problem("model_attributes_type", ("body",), message, body)])
    return body


def read_fields(
    raw: Mapping[str, Any], declared: Mapping[str, Field], loc: tuple[str | int, ...] = ("body",)
) -> dict[str, Any]:
    """The declared fields of `raw`, converted, with defaults; others are dropped. Raises Invalid."""
    values: dict[str, Any] = {}
    problems: list[dict[str, Any]] = []
    for name, field in declared.items():
        if name not in raw:
            values[name] = field.default
            if field.required:
                problems.append(_problem("missing", (*loc, name), "Field required", raw))
            continue
        try:
            values[name] = _convert(raw[name], field)
        except _Mismatch as error:
            problems.append(_problem(error.kind, (*loc, name), str(error), raw[name]))
    if problems:
        raise Invalid(problems)
    return values


def _problem(kind: str, loc: tuple[str | int, ...], message: str, value: object) -> dict[str, Any]:
    return {"type": kind, "loc": list(loc), "msg": message, "input": value}


def _convert(value: object, field: Field) -> object:
    if value is None and field.nullable:
        return None
    return _CONVERTERS[field.kind](value)


def _integer(value: object) -> int:
    if isinstance(value, float):
        if not value.is_integer():
            raise _Mismatch(
                "int_from_float",
                "Input should be a valid integer, got a number with a fractional part",
            )
        return int(value)
    return _number(value, int, "int", "integer")


def _float(value: object) -> float:
    return _number(value, float, "float", "number")


def _number(value: object, convert: Callable[[Any], Number], kind: str, word: str) -> Number:
    if isinstance(value, str):
        try:
            return convert(value.strip())
        except ValueError as error:
            message = f"Input should be a valid {word}, unable to parse string as a"
            article = "n integer" if word == "integer" else f" {word}"
            raise _Mismatch(f"{kind}_parsing", message + article) from error
    if isinstance(value, int | float):
        return convert(value)
    raise _Mismatch(f"{kind}_type", f"Input should be a valid {word}")


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str | int | float):
        word = str(value).lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise _Mismatch(
            "bool_parsing", "Input should be a valid boolean, unable to interpret input"
        )
    raise _Mismatch("bool_type", "Input should be a valid boolean")


def _instance(wanted: type, kind: str, word: str) -> Callable[[object], object]:
    def check(value: object) -> object:
        if not isinstance(value, wanted):
            raise _Mismatch(kind, f"Input should be a valid {word}")
        return value

    return check


_CONVERTERS: dict[str, Callable[[object], object]] = {
    "int": _integer,
    "float": _float,
    "bool": _boolean,
    "str": _instance(str, "string_type", "string"),
    "list": _instance(list, "list_type", "list"),
    "dict": _instance(dict, "dict_type", "dictionary"),
    "any": lambda value: value,
}
