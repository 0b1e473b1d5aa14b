"""Small pieces that every page speaks with: icons, state pills, times and counts."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

SPINNING_ICON = "loader-2"
MINUTE, HOUR, DAY = 60, 3600, 86_400  # s


@cache
def _sprite() -> str:
    return static("icons.svg")


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of static/icons.svg; decoration only, so words must stand beside it or in aria-label."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true"><use href="{}#{}"></use></svg>',
        classes,
        _sprite(),
        name,
    )


@register.simple_tag
def status(tone: str, icon_name: str, word: str) -> SafeString:
    """State as icon, word and colour; `tone` is a Tabler colour name."""
    classes = "icon-s spin" if icon_name == SPINNING_ICON else "icon-s"
    return format_html(
        '<span class="status status-{}">{}{}</span>', tone, icon(icon_name, classes), word
    )


@register.filter
def ago(moment: datetime | None) -> str:
    """How long ago, kept up to date by app.js: "12 s ago", "3 min ago"."""
    return _time(moment, " ago")


@register.filter
def age(moment: datetime | None) -> str:
    """As `ago`, for columns whose heading says what it is: "12 s"."""
    return _time(moment, "")


@register.filter
def since(moment: datetime | None) -> str:
    """A running clock from `moment`, kept by app.js: "1:05"."""
    if moment is None:
        return ""
    return format_html(
        '<time datetime="{0}" data-since="{0}" title="{1}">{2}</time>',
        moment.isoformat(timespec="seconds"),
        _full(moment),
        clock(_seconds_since(moment)),
    )


@register.filter
def at(moment: datetime | None) -> str:
    """The time of day, of another day with its date; app.js puts it into the browser's own time zone: "12:03 UTC"."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return format_html(
        '<time datetime="{0}" data-at title="{1}">{2}</time>',
        moment.isoformat(timespec="seconds"),
        _full(moment),
        local.strftime("%H:%M %Z" if is_today else "%-d %b, %H:%M %Z"),
    )


@register.filter
def clock(seconds: float | None) -> str:
    """Minutes and seconds: "1:05"; with hours: "1:02:05"."""
    if seconds is None:
        return ""
    minutes, rest = divmod(max(0, int(seconds)), MINUTE)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def duration(seconds: float | None) -> str:
    """In words, to two units: "42 s", "5 min", "1 h 10 min"."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min"
    big, small, big_unit, small_unit = (
        (whole // HOUR, whole % HOUR // MINUTE, "h", "min")
        if whole < DAY
        else (whole // DAY, whole % DAY // HOUR, "d", "h")
    )
    return f"{big} {big_unit} {small} {small_unit}" if small else f"{big} {big_unit}"


@register.filter
def plural(count: int, noun: str) -> str:
    """ "1 node", "3 nodes"; an irregular plural follows a comma: "entry,entries"."""
    one, _, many = noun.partition(",")
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _time(moment: datetime | None, suffix: str) -> str:
    if moment is None:
        return ""
    seconds = _seconds_since(moment)
    return format_html(
        '<time datetime="{}" data-age="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        suffix,
        _full(moment),
        "just now" if suffix and seconds < 1 else duration(seconds) + suffix,
    )


def _seconds_since(moment: datetime) -> float:
    return (timezone.now() - moment).total_seconds()


def _full(moment: datetime) -> str:
    return timezone.localtime(moment).strftime("%-d %b %Y, %H:%M:%S %Z")
