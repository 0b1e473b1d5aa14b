"""What a browser sends with a prompt, rebuilt from fields that are known; nothing else of it goes any further."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from django import forms
from django.core.exceptions import ValidationError

from playground.dialects import Parameter, parameters
from playground.types import Role, Turn, Wish
from workspaces.types import Dialect

MOST_PROMPT = 64 * 1024  # bytes
MOST_TURNS = 64
MOST_TALK = 256 * 1024  # bytes of prompt, system prompt and earlier turns together
MOST_TOKENS = 1_000_000


class TurnsField(forms.Field):
    """Earlier turns: a list of {role, content}, as JSON text where a form without JavaScript sends it."""

    def to_python(self, value: object) -> tuple[Turn, ...]:
        raw = _json(value) if isinstance(value, str) else value
        if not raw:
            return ()
        if not isinstance(raw, list):
            raise ValidationError("The earlier turns cannot be read.")
        if len(raw) >= MOST_TURNS:
            raise ValidationError(
                f"A conversation has at most {MOST_TURNS} turns; begin a new one."
            )
        return tuple(map(_turn, raw))


class WishForm(forms.Form):
    prompt = forms.CharField(strip=False)
    history = TurnsField(required=False)
    system = forms.CharField(required=False, strip=False)

    def __init__(self, data: Mapping[str, Any], *, dialect: Dialect, context: int | None) -> None:
        super().__init__(data)
        self._parameters = {p.name: p for p in parameters(dialect, context)}
        for parameter in self._parameters.values():
            self.fields[parameter.name] = _number_field(parameter, dialect)

    def clean_prompt(self) -> str:
        prompt: str = self.cleaned_data["prompt"]
        if not prompt.strip():
            raise ValidationError("Write a prompt first.")
        if len(prompt.encode()) > MOST_PROMPT:
            raise ValidationError(f"A prompt has at most {MOST_PROMPT // 1024} KiB.")
        return prompt

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        texts = [cleaned.get("prompt", ""), cleaned.get("system", "")]
        texts += [turn.content for turn in cleaned.get("history") or ()]
        if sum(len(text.encode()) for text in texts) > MOST_TALK:
            raise ValidationError(
                f"Prompt, system prompt and earlier turns have at most {MOST_TALK // 1024} KiB; "
                "begin a new conversation."
            )
        return cleaned

    @property
    def wish(self) -> Wish:
        cleaned = self.cleaned_data
        prompt = Turn(role=Role.USER, content=cleaned["prompt"])
        return Wish(
            turns=(*cleaned["history"], prompt),
            system=cleaned["system"].strip(),
            temperature=cleaned["temperature"],
            top_p=cleaned["top_p"],
            max_tokens=int(cleaned["max_tokens"] or self._parameters["max_tokens"].default or 1),
        )

    @property
    def first_problem(self) -> str:
        """One sentence, with the name of its field."""
        name, problems = next(iter(self.errors.items()))
        label = self._parameters[name].label if name in self._parameters else ""
        return f"{label}: {problems[0]}" if label else str(problems[0])


def _number_field(parameter: Parameter, dialect: Dialect) -> forms.Field:
    """vLLM's own limit is known only once it has been asked, so it judges itself."""
    if parameter.name == "max_tokens":
        most = MOST_TOKENS if dialect == Dialect.VLLM else int(parameter.maximum)
        return forms.IntegerField(required=False, min_value=int(parameter.minimum), max_value=most)
    return forms.FloatField(
        required=False, min_value=parameter.minimum, max_value=parameter.maximum
    )


def _turn(raw: object) -> Turn:
    found = raw if isinstance(raw, dict) else {}
    role, content = found.get("role"), found.get("content")
    if role not in (Role.USER, Role.ASSISTANT) or not isinstance(content, str):
        raise ValidationError("The earlier turns cannot be read.")
    return Turn(role=Role(role), content=content)


def _json(text: str) -> object:
    try:
        return orjson.loads(text or "[]")
    except orjson.JSONDecodeError as error:
        raise ValidationError("The earlier turns cannot be read.") from error
