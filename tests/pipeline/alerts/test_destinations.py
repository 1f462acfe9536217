"""Owns: a file of destinations that cannot be used is one sentence that says what to do and holds no secret."""

from __future__ import annotations

import base64
import re

import pytest

from stswatch.pipeline.alerts.alert import AlertsError, Pace
from stswatch.pipeline.alerts.destinations import KINDS, PACE, load
from stswatch.pipeline.alerts.webhook import headers, key_of

GOOD = '[floor]\nkind = "webhook"\nurl = "https://example.org/in"\nsecret_env = "S"\n'
ENVIRONMENT = {
    "S": "a-secret-that-is-long-enough",
    "SHORT": "too-short-a-secret",
    "U": "https://example.org/token-1234",
    "PASSWORD": "https://me:hunter2-hunter2@example.org/",
    "BENT": "whsec_hunter2-is-not-base64!",
    "LINES": "hunter2\nhunter2-hunter2-hunter2",
}
SECRETS = (*ENVIRONMENT.values(), "hunter2", "token-1234")


def test_a_file_with_every_kind(tmp_path):
    (tmp_path / "a.toml").write_text(
        GOOD + '[screen]\nkind = "stdout"\nformat = "json"\nper_hour = 2.5\nburst = 3\n'
        '[log]\nkind = "file"\npath = "told.jsonl"\n'
        '[hidden]\nkind = "webhook"\nurl_env = "U"\nsecret_env = "S"\ntoken_env = "S"\ntimeout_s = 3\n'
    )
    floor, screen, log, hidden = load(tmp_path / "a.toml", ENVIRONMENT)
    assert [d.name for d in (floor, screen, log, hidden)] == ["floor", "screen", "log", "hidden"]
    assert (floor.where, floor.pace) == ("example.org", Pace(60, 10))
    assert screen.pace == Pace(2.5, 3)
    assert log.pace.per_hour == 0
    assert hidden.where == "example.org"
    assert not any(secret in repr((floor, screen, log, hidden)) for secret in SECRETS)
    assert {kind.name for kind in KINDS} == {"stdout", "file", "webhook", "kafka"}


def test_every_kind_says_what_it_is_and_what_it_may_be_told():
    assert len({kind.name for kind in KINDS}) == len(KINDS) >= 3
    for kind in KINDS:
        assert kind.open.__doc__
        assert kind.help.endswith(".")
        assert not set(kind.options) & {*PACE, "kind"}
        assert all(len(option.help) > 5 for option in kind.options.values())
        assert all(set(map(type, option.values)) <= {option.type} for option in kind.options.values())
        assert kind.pace.burst >= 1


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("", ["names no destination", "kind"]),
        ("x = [", ["not a TOML file"]),
        ("\xff", ["not a TOML file"]),
        ('kind = "stdout"', ["kind", "section"]),
        ("[a]", ["[a]", "lacks kind", "webhook"]),
        ('[a]\nkind = "pigeon"', ["'pigeon'", "stdout, file, webhook"]),
        ('["a/b"]\nkind = "stdout"', ["a/b", "letters"]),
        ('[a]\nkind = "stdout"\npath = "x"', ["no path", "format"]),
        ('[a]\nkind = "stdout"\nformat = "xml"', ["'xml'", "text or json"]),
        ('[a]\nkind = "stdout"\nformat = 1', ["format", "a text"]),
        ('[a]\nkind = "stdout"\nburst = 0', ["burst", "below 1"]),
        ('[a]\nkind = "stdout"\nburst = true', ["burst", "whole number"]),
        ('[a]\nkind = "stdout"\nper_hour = -1', ["per_hour", "from 0"]),
        ('[a]\nkind = "stdout"\nper_hour = nan', ["per_hour", "from 0"]),
        ('[a]\nkind = "file"', ["needs path"]),
        ('[a]\nkind = "file"\npath = "no/where"', ["there is no folder", "make it"]),
        ('[a]\nkind = "webhook"\nurl = "https://example.org"', ["needs secret_env"]),
        ('[a]\nkind = "webhook"\nsecret_env = "S"', ["either url, or url_env"]),
        (GOOD + 'url_env = "U"', ["either url, or url_env"]),
        (GOOD + "timeout_s = 0", ["timeout_s", "is 0"]),
        (GOOD.replace('"S"', '"ABSENT"'), ["no variable ABSENT", "set it"]),
        (GOOD.replace('"S"', '"SHORT"'), ["SHORT is shorter than 24 bytes", "openssl"]),
        (GOOD.replace('"S"', '"BENT"'), ["BENT begins with whsec_", "Base64"]),
        (GOOD.replace('"S"', '"LINES"'), ["LINES", "printable"]),
        (GOOD.replace("https", "http"), ["for everybody to read", "https"]),
        (GOOD.replace("https", "ftp"), ["no address"]),
        (GOOD.replace("example.org", "example.org:x"), ["no address"]),
        (GOOD.replace("example.org", "exa mple.org"), ["no address"]),
        (GOOD.replace("example.org", "me:hunter2@example.org"), ["holds a password", "token_env"]),
        (GOOD.replace('url = "https://example.org/in"', 'url_env = "PASSWORD"'), ["url_env", "holds a password"]),
    ],
)
def test_what_is_wrong_is_said_without_a_secret(toml, words, tmp_path):
    (tmp_path / "a.toml").write_bytes(toml.encode("latin-1"))
    with pytest.raises(AlertsError) as raised:
        load(tmp_path / "a.toml", ENVIRONMENT)
    printed = str(raised.value)
    assert "\n" not in printed
    assert printed.startswith(f"{tmp_path / 'a.toml'}: ")
    assert not any(secret in printed for secret in SECRETS)
    for word in words:
        assert word in printed
    assert raised.value.__cause__ is None or "hunter2" not in str(raised.value.__cause__)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(AlertsError, match="cannot be read"):
        load(tmp_path / "none.toml", {})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_http_is_for_this_machine_or_where_it_is_meant(host, tmp_path):
    (tmp_path / "a.toml").write_text(GOOD.replace("https://example.org", f"http://{host}:80"))
    assert len(load(tmp_path / "a.toml", ENVIRONMENT)) == 1
    (tmp_path / "a.toml").write_text(GOOD.replace("https", "http") + "plain_http = true")
    assert len(load(tmp_path / "a.toml", ENVIRONMENT)) == 1


def test_a_signing_secret_is_text_or_base64():
    raw = bytes(range(32))
    assert key_of("whsec_" + base64.b64encode(raw).decode()) == raw
    assert key_of("x" * 24) == b"x" * 24


def test_a_signature_depends_on_id_time_and_body():
    key = key_of("x" * 24)
    signed = {
        headers(key, name, at_s, body)["webhook-signature"]
        for name, at_s, body in [("a", 1, b"x"), ("b", 1, b"x"), ("a", 2, b"x"), ("a", 1, b"y")]
    }
    assert len(signed) == 4
    assert all(re.fullmatch(r"v1,[A-Za-z0-9+/]{43}=", each) for each in signed)
