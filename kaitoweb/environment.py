"""Reads settings from NAME, or from the file that NAME_FILE names, as secrets are mounted."""

from __future__ import annotations

from urllib.parse import quote, urlsplit, urlunsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from environ.fileaware_mapping import FileAwareMapping


class _Variables(FileAwareMapping):
    """Without the line's end that editors and `echo` leave in a file; a file that cannot be read is told by its name."""

    def __getitem__(self, name: str) -> str:
        try:
            return str(super().__getitem__(name)).rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            path = self.env.get(f"{name}_FILE")
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ImproperlyConfigured(
                f"{name}_FILE names {path}, which cannot be read: {why}."
            ) from error


class Environment(environ.FileAwareEnv):
    ENVIRON = _Variables()

    def plain(self, name: str) -> str:
        """As it stands there, or nothing: `str` would take a leading $ for another variable's name."""
        return str(self.ENVIRON.get(name, ""))


def with_password(url: str, password: str) -> str:
    """`url` with this password, escaped, in place of its own."""
    parts = urlsplit(url)
    if not password:
        return url
    if not parts.hostname:
        raise ImproperlyConfigured("REDIS_PASSWORD needs a REDIS_URL with a host.")
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{quote(password, safe='')}@{host}"))
