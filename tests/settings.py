"""Settings of the test run: the product's own, on a scratch state folder and with a cheap password hasher."""

import os
import tempfile

_STATE = os.environ.setdefault("KAITOWEB_STATE", tempfile.mkdtemp(prefix="kaitoweb-tests-"))
os.environ["KAITOWEB_EMBEDDED"] = "1"

from kaitoweb.settings import *  # noqa: E402, F403

os.makedirs(STATIC_ROOT, exist_ok=True)  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file, as in `make run`: threads get connections of their own, with its locks and busy timeout.
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(_STATE, "tests.sqlite3")}  # noqa: F405
