"""Owns: whole lines of bounded length come out, however the bytes come in; what is dropped is counted."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline.decode.sentences import MAX_LINE
from stswatch.pipeline.spool.open_segment import LONGEST as OF_FORMAT
from stswatch.pipeline.spool.open_segment import LineCutter
from tests.pipeline.decode.captures import capture
from tests.pipeline.spool.spools import decoded

LONGEST = OF_FORMAT["nmea"]
LENGTHS = st.one_of(st.integers(0, 60), st.integers(LONGEST - 3, LONGEST + 3), st.integers(0, 4 * LONGEST))


@given(st.lists(LENGTHS, max_size=12), st.binary(max_size=20), st.lists(st.integers(0, 60_000), max_size=12))
def test_the_same_lines_however_they_come(lengths, last, cuts):
    text = b"".join(b"%d" % (n % 10) * n + b"\n" for n in lengths) + last
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    whole, cut = LineCutter(), LineCutter()
    once = whole.take(text) + whole.end()
    assert b"".join(cut.take(text[a:b]) for a, b in pairwise(edges)) + cut.end() == once
    assert cut.dropped == whole.dropped
    kept = [line[:LONGEST] for line in text.split(b"\n")]
    assert once == b"\n".join(kept) + (b"\n" if kept[-1] else b"")
    assert len(once) + whole.dropped == len(text) + bool(kept[-1])


def test_without_a_line_end_nothing_piles_up():
    lines = LineCutter()
    given_out = sum(len(lines.take(b"x" * 65_536)) for _ in range(1024))
    assert given_out == LONGEST + 1
    assert lines.dropped == 1024 * 65_536 - LONGEST
    assert lines.take(b"y\nz\n") == b"z\n"


@pytest.mark.parametrize("length", [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, MAX_LINE + 2, MAX_LINE + 3, 3 * MAX_LINE])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last", [b"x", b"\r"])
def test_a_line_is_rejected_whole_where_the_decoder_would_reject_it(tmp_path, length, end, last):
    """Cut or not, the same sentences are used, though some stand before the cut."""
    good = next(line for line in capture(1, 50).splitlines() if line.startswith(b"\\") and b"VDM,1,1" in line)
    text = good + b"\n" + (good + b" ").ljust(length - 1, b"x") + last + end + good + b"\n"
    lines = LineCutter()
    for name, content in (("whole", text), ("cut", lines.take(text))):
        (tmp_path / name).write_bytes(content)
    found = [decoded(tmp_path / name) for name in ("whole", "cut")]
    assert found[0].messages >= 2
    assert (found[1].messages, found[1].rejects.num_rows) == (found[0].messages, found[0].rejects.num_rows)
