"""What the page's template is given: a fresh page, or one with the answer for a browser without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from django.utils.safestring import SafeString

from playground import rendering, wording
from playground.dialects import Parameter
from playground.forms import WishForm
from playground.queries import PlaygroundPage
from playground.types import Event, Failed, Finished, InferenceError, Role, Turn
from playground.wording import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTurn:
    role: Role
    text: str = ""
    html: SafeString = SafeString("")
    facts: tuple[Fact, ...] = ()
    error: InferenceError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A parameter with what is typed into it."""

    parameter: Parameter
    value: str
    slider: str
    default: str


def fresh(page: PlaygroundPage) -> dict[str, Any]:
    return {**_frame(page, {}), "turns": (), "history": "[]"}


def answered(
    page: PlaygroundPage, form: WishForm, answer: tuple[str, Event | None] | None = None
) -> dict[str, Any]:
    """Without `answer` the form is at fault: it comes back as it was, with what is wrong."""
    said = form.cleaned_data.get("history") or ()
    told = [_shown(turn) for turn in said]
    context: dict[str, Any] = {"typed": form.data.get("prompt", ""), "history": _history(said)}
    if answer is None:
        context["problem"] = form.first_problem
    else:
        context |= _with_answer(told, said, form, *answer)
    return {**_frame(page, form.data), "turns": told, **context}


def _frame(page: PlaygroundPage, typed: Any) -> dict[str, Any]:  # noqa: ANN401 - form data
    return {
        "page": page,
        "chosen": page.chosen,
        "settings": [_setting(p, typed) for p in page.chosen.parameters] if page.chosen else [],
        "system": typed.get("system", ""),
    }


def _with_answer(
    told: list[ShownTurn],
    said: tuple[Turn, ...],
    form: WishForm,
    text: str,
    last: Event | None,
) -> dict[str, Any]:
    """A prompt without an answer is no part of the conversation: it stays in its field, to be sent again."""
    prompt = form.wish.turns[-1]
    answer = Turn(role=Role.ASSISTANT, content=text)
    told += [_shown(prompt), _last(answer, last)]
    if not text:
        return {}
    return {"history": _history((*said, prompt, answer)), "typed": ""}


def _last(answer: Turn, event: Event | None) -> ShownTurn:
    return ShownTurn(
        role=answer.role,
        html=rendering.render_answer(answer.content),
        facts=tuple(wording.facts(event.numbers)) if isinstance(event, Finished) else (),
        error=event.error if isinstance(event, Failed) else None,
    )


def _shown(turn: Turn) -> ShownTurn:
    if turn.role == Role.USER:
        return ShownTurn(role=turn.role, text=turn.content)
    return ShownTurn(role=turn.role, html=rendering.render_answer(turn.content))


def _history(turns: tuple[Turn, ...]) -> str:
    return orjson.dumps([{"role": t.role, "content": t.content} for t in turns]).decode()


def _setting(parameter: Parameter, typed: Any) -> Setting:  # noqa: ANN401
    default = "" if parameter.default is None else f"{parameter.default:g}"
    value = str(typed.get(parameter.name, default))
    return Setting(
        parameter=parameter,
        value=value,
        slider=value or f"{parameter.resting:g}",
        default=default,
    )
