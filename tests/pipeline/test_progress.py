"""Progress: rate and time left of the stage that runs, written over on a terminal, rarely elsewhere."""

from __future__ import annotations

import io

import pytest

from stswatch.pipeline.terminal import Progress, text


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self):
        return True


def printed(out, quiet=False):
    progress = Progress(out, quiet)
    for stage, done, of in (("read", 500, 0), ("read", 900, 0), ("slices", 10, 20), ("slices", 20, 20), ("load", 0, 0)):
        progress(stage, done, of)
    progress.end()
    return out.getvalue()


def test_elsewhere_a_stage_is_a_line():
    lines = printed(io.StringIO()).splitlines()
    assert lines[0].startswith("reading 500 lines, ")
    assert lines[-2].startswith("watching 100 %, 20 of 20 reports, ")
    assert lines[-1] == "loading"
    assert "\r" not in "".join(lines)


def test_on_a_terminal_one_line_is_written_over_and_taken_away():
    text_ = printed(Terminal())
    assert "\n" not in text_
    assert text_.startswith("\r\033[Kreading 500")
    assert text_.endswith("\r\033[K")


@pytest.mark.parametrize("out", [io.StringIO(), Terminal()])
def test_quiet_says_nothing(out):
    assert printed(out, quiet=True) == ""


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (("loading", "", 0, 0, 1.0), "loading"),
        (("reading", "lines", 3_000_000, 0, 2.0), "reading 3,000,000 lines, 1,500,000 a second"),
        (("watching", "fixes", 100, 100, 4.0), "watching 100 %, 100 of 100 fixes, 25 a second, 0 s left"),
        (("watching", "fixes", 1, 1001, 1.0), "watching 0 %, 1 of 1,001 fixes, 1 a second, 17 min left"),
        (("watching", "fixes", 10, 20, 0.0), "watching 50 %, 10 of 20 fixes, 10,000 a second, 0 s left"),
    ],
)
def test_rate_and_time_left(given, expected):
    assert text(*given) == expected
