from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clusters.credentials import Unsealable, certificate_files, seal, unseal

SECRETS = {"token": "canary-token"}


def test_seal_hides_and_unseal_gives_back():
    sealed = seal(SECRETS)

    assert "canary" not in sealed
    assert unseal(sealed) == SECRETS


def test_unseal_of_nothing_is_nothing():
    assert unseal("") == {}


def test_unseal_refuses_another_key(settings):
    sealed = seal(SECRETS)
    settings.SECRET_KEY = "another-" * 10

    with pytest.raises(Unsealable):
        unseal(sealed)


def test_unseal_refuses_what_was_altered():
    with pytest.raises(Unsealable):
        unseal(seal(SECRETS)[:-3] + "AA=")


def test_unseal_refuses_what_is_too_old(monkeypatch):
    sealed = seal(SECRETS)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)

    assert unseal(sealed) == SECRETS
    with pytest.raises(Unsealable):
        unseal(sealed, max_age_s=60)


def test_certificate_files_are_for_this_user_only():
    files = certificate_files({"client_certificate_pem": "CERT", "client_key_pem": "KEY"})

    assert (Path(files.certificate).read_text(), Path(files.key).read_text()) == ("CERT", "KEY")
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (files.key, Path(files.key).parent)]
    assert modes == [0o600, 0o700]


def test_certificate_files_are_none_without_a_certificate():
    assert certificate_files(SECRETS) is None


def test_certificate_files_go_with_the_process_but_not_with_its_forks():
    code = """
import os
from clusters.credentials import certificate_files
files = certificate_files({"client_certificate_pem": "CERT", "client_key_pem": "KEY"})
child = os.fork()
if child == 0:
    raise SystemExit
os.waitpid(child, 0)
print(files.key, os.path.exists(files.key))
"""
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert (told[1], Path(told[0]).parent.exists()) == ("True", False)
