"""Settings from variables and mounted files, with what people put into passwords."""

from __future__ import annotations

import ast
from urllib.parse import unquote, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured

from kaitoweb.environment import Environment, with_password
from tests.kaitoweb.test_frame import GOOD, load_settings

AWKWARD = "$p@ss:w/o?r#d% \"quo'te\\ü"


@pytest.fixture
def env(monkeypatch):
    """Without what another test has read from files."""
    monkeypatch.setattr(Environment, "ENVIRON", type(Environment.ENVIRON)())
    return Environment()


def test_plain_is_what_stands_in_the_file_without_the_lines_end(env, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text(AWKWARD + "\n")
    monkeypatch.setenv("SECRET_FILE", str(tmp_path / "secret"))
    assert env.plain("SECRET") == AWKWARD


def test_plain_takes_a_variable_where_there_is_no_file(env, monkeypatch):
    monkeypatch.setenv("SECRET", "$HOME")
    assert env.plain("SECRET") == "$HOME"
    assert env.plain("NO_SUCH_SECRET") == ""


def test_file_goes_before_variable(env, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("from the file")
    monkeypatch.setenv("SECRET", "from the variable")
    monkeypatch.setenv("SECRET_FILE", str(tmp_path / "secret"))
    assert env.plain("SECRET") == "from the file"


def test_file_that_is_missing_is_told_by_its_name(env, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_FILE", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured) as refused:
        env.plain("SECRET")
    assert str(refused.value) == (
        f"SECRET_FILE names {tmp_path}/none, which cannot be read: No such file or directory."
    )


def test_file_that_is_no_text_is_told_by_its_name(env, tmp_path, monkeypatch):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("SECRET_FILE", str(tmp_path / "binary"))
    with pytest.raises(ImproperlyConfigured, match="cannot be read: it is not UTF-8"):
        env.plain("SECRET")


@pytest.mark.parametrize(
    ("url", "name", "host"),
    [
        ("redis://valkey:6379/0", "", "valkey:6379"),
        ("rediss://app@[::1]:6380/2?x=1", "app", "[::1]:6380"),
        ("redis://app:old@h/0", "app", "h"),
    ],
)
def test_with_password_escapes_it_and_keeps_the_rest(url, name, host):
    before, after = urlsplit(url), urlsplit(with_password(url, AWKWARD))
    assert unquote(after.password) == AWKWARD
    assert after.netloc.rpartition("@")[2] == host
    assert after.username == name
    assert (after.scheme, after.path, after.query) == (before.scheme, before.path, before.query)


def test_with_password_leaves_a_url_alone_without_one():
    assert with_password("redis://:kept@h/0", "") == "redis://:kept@h/0"


def test_with_password_refuses_a_socket():
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL with a host"):
        with_password("unix:///run/valkey.sock", "x")


def test_settings_take_awkward_passwords_from_mounted_files(tmp_path):
    for name in ("database", "valkey", "admin"):
        (tmp_path / name).write_text(f"{AWKWARD}{name}\n")
    environment = GOOD | {
        "DATABASE_URL": "postgres://kaitoweb@db:5432/kaitoweb",
        "DATABASE_PASSWORD_FILE": str(tmp_path / "database"),
        "REDIS_PASSWORD_FILE": str(tmp_path / "valkey"),
        "KAITOWEB_ADMIN_PASSWORD_FILE": str(tmp_path / "admin"),
    }
    code = (
        "import redis; database = s.DATABASES['default']; "
        "print(ascii([*[database[k] for k in ('USER', 'PASSWORD', 'HOST', 'PORT', 'NAME')], "
        "redis.connection.parse_url(s.REDIS_URL)['password'], s.KAITOWEB_ADMIN_PASSWORD]))"
    )

    result = load_settings(environment | {"PYTHONUTF8": "1"}, code)

    assert result.stderr == ""
    database = ["kaitoweb", AWKWARD + "database", "db", 5432, "kaitoweb"]
    assert ast.literal_eval(result.stdout) == [*database, AWKWARD + "valkey", AWKWARD + "admin"]
