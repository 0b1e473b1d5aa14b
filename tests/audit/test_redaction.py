import time

import pytest

from audit.redaction import TOO_DEEP, redacted

HF = "hf_abcdefghijklmnopqrstuvwxyz"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrOHMifQ.c2lnbmF0dXJl"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (f"cannot use {HF} here", "cannot use [redacted] here"),
        (f"token={JWT}", "token=[redacted]"),
        (f"sent '{JWT}', refused", "sent '[redacted]', refused"),
        (f"key: {PEM} end", "key: [redacted] end"),
        (PEM.split("-----END")[0], "[redacted]"),
        ("Authorization: Bearer abcdefgh1234", "Authorization: Bearer [redacted]"),
        ('{"Authorization": "Bearer abcdefgh1234"}', '{"Authorization": "Bearer [redacted]"}'),
        ("https://x.blob/y?sv=1&sig=abc%3D&se=2", "https://x.blob/y?sv=1&sig=[redacted]&se=2"),
        ("https://me:pw@example.org/x", "https://[redacted]@example.org/x"),
        ("HF_TOKEN=abc python serve.py", "HF_TOKEN=[redacted] python serve.py"),
        ("serve --api-key=abc --port=5000", "serve --api-key=[redacted] --port=5000"),
        ("serve --hf-token abc --port 5000", "serve --hf-token [redacted] --port 5000"),
        ("get /x?token=abc&page=2", "get /x?token=[redacted]&page=2"),
    ],
)
def test_redacted_hides_secrets_within_words(words, shown):
    assert redacted(words) == shown
    assert redacted(shown) == shown


@pytest.mark.parametrize(
    "words",
    [
        "serve --max-tokens=100 --tokenizer phi-4 --token $HF_TOKEN",
        'HF_TOKEN="$(cat /run/secrets/hf)" serve --api-key=$KEY',
        "The token is not valid; a secret named hf-secret is needed. Bearer ?",
        "https://example.org:443/a:b@c",
    ],
)
def test_redacted_leaves_other_words_alone(words):
    assert redacted(words) == words


def test_redacted_hides_what_follows_a_flag_in_arguments():
    arguments = ["--port", "5000", "--api-key", "abc", "--token", "$HF_TOKEN", "--hf-token", "-v"]

    hidden = ["--port", "5000", "--api-key", "[redacted]", *arguments[4:]]
    assert redacted({"args": arguments}) == {"args": hidden}


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (1.5, 1.5),
        (2.0, 2),
        (-0.0, 0),
        (1e16, 10**16),
        (1e30, "1e+30"),
        (10**30, str(10**30)),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (True, True),
    ],
)
def test_redacted_keeps_only_numbers_that_come_back_from_a_database(number, kept):
    (found,) = redacted([number])

    assert (found, type(found)) == (kept, type(kept))


def test_redacted_cuts_off_what_is_nested_too_deep():
    deep = []
    for _ in range(900):
        deep = [deep]

    shallow = redacted(deep)

    for _ in range(64):
        (shallow,) = shallow
    assert shallow == TOO_DEEP


@pytest.mark.parametrize(
    "piece",
    ["-eyJ", "eyJaaaaaaaaa.", "hf_", "://a:", "-----BEGIN ", "--", "-token", "token ", "sig=", " "]
    + ["-----BEGIN A PRIVATE KEY-----", "Bearer ", "a"],
)
def test_redacted_takes_hostile_words_of_256_kib_in_its_stride(piece):
    words = piece * (256 * 1024 // len(piece))
    began = time.process_time()

    redacted(words)

    assert time.process_time() - began < 1
