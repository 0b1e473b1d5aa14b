"""Icons, pills, times and counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from django.template import Context, Template

from kaitoweb.templatetags import ui

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def clock_at_noon(monkeypatch):
    monkeypatch.setattr(ui.timezone, "now", lambda: NOW)


def render(source, **context):
    return Template("{% load ui %}" + source).render(Context(context))


def test_icon_is_decoration_from_the_sprite():
    assert render('{% icon "rocket" "icon-s" %}') == (
        '<svg class="icon icon-s" aria-hidden="true"><use href="/static/icons.svg#rocket"></use></svg>'
    )


def test_icon_escapes_what_it_is_given():
    soup = BeautifulSoup(render("{% icon name %}", name='"><script>'), "html.parser")

    assert [tag.name for tag in soup.find_all(True)] == ["svg", "use"]


def test_status_is_icon_and_word_and_colour():
    soup = BeautifulSoup(render('{% status "green" "check" "Ready" %}'), "html.parser")

    pill = soup.find("span")
    assert pill["class"] == ["status", "status-green"]
    assert pill.text == "Ready"
    assert pill.find("use")["href"] == "/static/icons.svg#check"


@pytest.mark.parametrize(("name", "spins"), [("loader-2", True), ("check", False)])
def test_status_spins_while_something_moves(name, spins):
    soup = BeautifulSoup(str(ui.status("blue", name, "x")), "html.parser")

    assert ("spin" in soup.find("svg")["class"]) is spins


def test_status_escapes_its_word():
    assert BeautifulSoup(str(ui.status("red", "x", "<b>no</b>")), "html.parser").find("b") is None


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (4200, "1 h 10 min"),
        (86_400, "1 d"),
        (90_000, "1 d 1 h"),
        (None, ""),
    ],
)
def test_duration_is_words_to_two_units(seconds, words):
    assert ui.duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0:00"), (0, "0:00"), (65, "1:05"), (3599, "59:59"), (3725, "1:02:05"), (None, "")],
)
def test_clock_is_minutes_and_seconds(seconds, text):
    assert ui.clock(seconds) == text


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (0, "node", "0 nodes"),
        (1, "node", "1 node"),
        (1234, "node", "1,234 nodes"),
        (1, "entry,entries", "1 entry"),
        (2, "entry,entries", "2 entries"),
    ],
)
def test_plural_counts_a_noun(count, noun, text):
    assert ui.plural(count, noun) == text


def test_ago_is_a_time_element_that_app_js_keeps(clock_at_noon):
    assert render("{{ moment|ago }}", moment=NOW - timedelta(seconds=90)) == (
        '<time datetime="2026-11-24T11:58:30+00:00" data-age=" ago"'
        ' title="24 Nov 2026, 11:58:30 UTC">1 min ago</time>'
    )


def test_ago_of_this_very_second_is_just_now(clock_at_noon):
    soup = BeautifulSoup(str(ui.ago(NOW)) + str(ui.age(NOW)), "html.parser")

    assert [time.text for time in soup.select("time")] == ["just now", "0 s"]


def test_age_has_no_suffix(clock_at_noon):
    soup = BeautifulSoup(str(ui.age(NOW - timedelta(hours=2))), "html.parser")

    assert soup.time.text == "2 h"
    assert soup.time["data-age"] == ""


def test_since_is_a_running_clock(clock_at_noon):
    soup = BeautifulSoup(str(ui.since(NOW - timedelta(seconds=65))), "html.parser")

    assert soup.time.text == "1:05"
    assert soup.time["data-since"] == soup.time["datetime"] == "2026-11-24T11:58:55+00:00"


@pytest.mark.parametrize("filter_", [ui.ago, ui.age, ui.since])
def test_times_that_are_unknown_say_nothing(filter_):
    assert filter_(None) == ""
