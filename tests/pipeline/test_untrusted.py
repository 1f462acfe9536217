"""Owns: text that others wrote is shown in one line, in which nothing acts, nothing hides, and which has an end."""

from __future__ import annotations

import io
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import untrusted
from stswatch.pipeline.untrusted import Guarded, escaped, harmless, lines

# every code point there is, lone surrogates too, and those that harm more often than chance would have them
HARMFUL = "\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\xad\u034f\u061c\u0301\u200b\u200e\u2028\u2029\u202e\u2066\u2069\u20dd"
HARMFUL += "\u3164\ud800\udcff\ue000\ufeff\ufff9\U000e0041\U0001f600"
TEXT = st.text(st.one_of(st.characters(categories=None), st.sampled_from(HARMFUL)), max_size=400)
NEVER = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def is_harmless(text):
    """By other means than the program: by category alone, and by counting marks."""
    marks = 0
    for sign in text:
        if unicodedata.category(sign) in NEVER:
            return False
        marks = marks + 1 if unicodedata.category(sign) in ("Mn", "Me") else 0
        if marks > 3:
            return False
    return not text or unicodedata.category(text[0]) not in ("Mn", "Me")


@given(TEXT, st.integers(12, 300))
def test_nothing_acts_nothing_hides_and_there_is_an_end(text, most):
    shown = escaped(text, most)
    assert is_harmless(shown)
    assert len(shown) <= most
    assert escaped(shown, most) == shown


@given(TEXT)
def test_lines_stay_lines(text):
    shown = lines(text)
    assert shown.count("\n") == text.count("\n")
    assert all(map(is_harmless, shown.split("\n")))


@pytest.mark.parametrize("name", ["SEA STAR 7", "CHÓ", "大連号", "Đảo Phú Quốc", "Путин-1", "كيش", "$1^2$", "A\\B", ""])
def test_names_of_all_the_world_stay_as_they_are(name):
    assert escaped(name) == name
    decomposed = unicodedata.normalize("NFD", name)
    assert escaped(decomposed) == decomposed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("\x9b31m", "\\x9b31m"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\u202eevil", "\\u202eevil"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("tag\U000e0041", "tag\\U000e0041"),
        ("a" + "\u0301" * 5, "a" + "\u0301" * 3 + "\\u0301" * 2),
        ("\u0301a", "\\u0301a"),
        (b"\xff\x1b".decode("utf-8", "surrogateescape"), "\\xff\\x1b"),
        ("\ud800", "\\ud800"),
        ("x" * 1000, "x" * 198 + "..." + "x" * 99),
    ],
)
def test_each_kind_of_harm_is_seen_instead(text, shown):
    assert escaped(text) == shown


@given(TEXT)
def test_a_row_is_harmless_at_every_depth_and_keeps_its_numbers(text):
    row = {"name": text, "zones": [text, 3], "vessels": {7: {"call_sign": text, "length_m": 1.5}}, "none": None}
    shown = harmless(row)
    assert shown["vessels"][7] == {"call_sign": escaped(text), "length_m": 1.5}
    assert shown["zones"] == [escaped(text), 3]
    assert (shown["name"], shown["none"]) == (escaped(text), None)


@given(st.lists(TEXT, max_size=4))
def test_a_guarded_stream_lets_only_letters_and_line_ends_through(texts):
    out = io.StringIO()
    guarded = Guarded(out)
    for text in texts:
        assert guarded.write(text) == len(text)
    assert all(map(is_harmless, lines(out.getvalue()).split("\n")))
    assert out.getvalue().count("\n") == sum(text.count("\n") for text in texts)
    assert not set(out.getvalue()) & set("\x1b\x07\x08\r\x7f\x85\x9b\u202e\ud800")


def test_an_output_of_few_letters_stops_nobody(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", narrow)
    with untrusted.guarded():
        print("大連号", "\x1b")
    narrow.flush()
    assert narrow.buffer.getvalue() == b"\\u5927\\u9023\\u53f7 \\x1b\n"
    assert sys.stdout is narrow
