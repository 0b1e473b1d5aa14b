import json

import pytest

from clusters.payloads import DEEPEST, loads


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, "\xc3\xa9"]}', {"a": [1, "é"]}),
        (b'{"a\\u0000": ["x\\u0000y"]}', {"a": ["xy"]}),
        (b'["half \\ud800 pair", "\\ud83d\\ude00"]', ["half  pair", "\N{GRINNING FACE}"]),
        (b'["not \xff UTF-8"]', ["not \N{REPLACEMENT CHARACTER} UTF-8"]),
        (b"[NaN, -Infinity]", ["NaN", "-Infinity"]),
        (b'["\\\\u0000"]', ["\\u0000"]),
    ],
)
def test_loads_gives_what_every_database_can_keep(data, value):
    assert loads(data) == value


@pytest.mark.parametrize("depth", [1100, 9000])
def test_loads_reads_what_is_not_too_deep_of_a_bottomless_object(depth):
    deep = '{"x": [' * depth + '"]}"' + "]}" * depth
    data = f'{{"items": [{{"name": "a"}}, {deep}, {{"name": "b ]"}}]}}'.encode()

    first, cut, last = loads(data)["items"]

    assert (first, last) == ({"name": "a"}, {"name": "b ]"})
    assert json.dumps(cut).count("[") + json.dumps(cut).count("{") == DEEPEST - 2
    assert json.dumps(cut).count("null") == 1


@pytest.mark.parametrize("data", [b"", b"{", b"<html>", b"[" * 2000, b"]" * 2000, b'"' * 2001])
def test_loads_says_what_is_no_json(data):
    with pytest.raises(json.JSONDecodeError):
        loads(data)
