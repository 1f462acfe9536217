"""Owns: whatever happens to a line, nothing is raised, every sentence is counted once, and pyais agrees.

Thirty thousand mutants take some seconds; `make soak` tries a million.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from itertools import accumulate, pairwise

import numpy as np
import pytest
from pyais.messages import AISSentence, NMEASentenceFactory

from stswatch.pipeline.decode.assembled import CaptureClock, codes, whole_messages
from stswatch.pipeline.decode.decoded_fields import fields
from stswatch.pipeline.decode.messages import grouped
from stswatch.pipeline.decode.multipart import REACH_S
from stswatch.pipeline.decode.sentences import MAX_LINE, frame
from stswatch.pipeline.decode.stamps import NO_TIME
from stswatch.pipeline.readers.nmea import AROUND, decode_window
from stswatch.pipeline.readers.text import Window
from stswatch.pipeline.schema.lake_tables import REASONS
from tests.pipeline.decode.captures import capture, texts, wrapped
from tests.pipeline.decode.mutants import mutants
from tests.pipeline.decode.reference import COLUMNAR, collected
from tests.pipeline.readers.gather import same, together

REAL = os.environ.get("STSWATCH_REAL_DATA", "")
NOW = CaptureClock(((0, 1_600_000_000_000_000),))
BATCH = 20_000
ENDS = [re.compile(end, re.DOTALL) for end in (rb"[^*]*\*[^,]*", rb"[^*]*\*[0-9A-Fa-f]{2}", rb"[^*]*\*[0-9A-Fa-f]")]
SAME = ("alike", "group", "talker", "station")
HEAD = re.compile(rb"[!$][^,]{2}[vV][dD][mMoO],")
UNIT = re.compile(rb"(?:\\[^\\]*\\)?" + HEAD.pattern)  # what stands between two backslashes before it is its tag block
COMMENT = re.compile(rb"[ \t]*#")
NO_AIS = re.compile(rb"[ \t]*(?:\\[^\\]*\\)?[ \t]*(?:[#$]|\r?\Z)")


def units(seed: int) -> list[bytes]:
    """What is mutated: lines of captures and of every wrapper, those of a message of several parts together."""
    found = []
    for text in [capture(seed, 2_000), *(texts(REAL) if REAL else ())]:
        lines = [line for line in text.split(b"\n") if line.strip() and len(line) < 1_000][:20_000]
        found += lines
        found += 3 * [b"\n".join(pair) for pair in pairwise(lines) if b",2,1," in pair[0]]
        found += [wrapped(line, at)[kind] for at, line in enumerate(lines[:50]) for kind in wrapped(b"", 0)]
    return found


def sentence_of(line: bytes) -> AISSentence | None:
    """The sentence of a line as pyais reads it, where its checksum holds and it begins with "!" or "$"."""
    line = line.strip()
    if line[:1] not in (b"!", b"$", b"\\"):
        return None  # as pyais itself passes over such lines of a file
    try:
        found = NMEASentenceFactory.produce(line)
        return found if isinstance(found, AISSentence) and found.is_valid and found.delimiter in (b"!", b"$") else None
    except Exception:
        return None


def check(lines: list[bytes]) -> Counter[str]:
    """Hold the reading of some lines to pyais; gives what was seen."""
    text = b"\n".join(lines) + b"\n"
    found = frame(text, 0)
    whole = whole_messages(found, np.ones(len(found.code), np.bool_), NOW)
    decoded = grouped(whole.data, whole.start, whole.end, whole.fill)
    code = codes(found, whole, decoded.code)
    is_summed_up(text, found, whole, code)
    seen = Counter(lines=len(lines), used=int((code == 0).sum()), rejected=int((code > 0).sum()))
    accepted = agree(found, whole, decoded, seen)
    for row in np.flatnonzero(code == 0).tolist():
        at = int(found.offset[row])
        unit = found.data[at : at + found.length[row]].tobytes()
        assert any(read_alike(sentence, found, row) for sentence in spans(unit)), unit
        seen["framed"] += 1
    takes_what_pyais_takes(lines, found, accepted, set(whole.ambiguous.tolist()), seen)
    return seen


def is_summed_up(text, found, whole, code):
    """Each sentence is counted once: used alone, used as a part, or rejected."""
    expected = sum(sentences_on(line.removesuffix(b"\r")) for line in text.split(b"\n")[:-1])
    got = decode_window(Window(text, 0, 0, len(text)), "0" * 16, NOW)
    rows = np.concatenate([whole.sentence, whole.further])
    assert len(np.unique(rows)) == len(rows)
    assert got.sentences == expected == len(found.code) + len(found.bad_offset)
    used = code[whole.sentence] == 0
    total = found.total[whole.sentence[used]]
    assert (got.messages, got.fragments) == (len(total), int(total[total > 1].sum()))
    assert got.sentences == int((total == 1).sum()) + got.fragments + got.rejects.num_rows
    assert set(got.rejects["reason"].to_pylist()) <= set(REASONS)
    places = np.concatenate([found.offset[code == 0], np.asarray(got.rejects["offset"])])
    assert len(np.unique(places)) == got.sentences


def sentences_on(line):
    """How many sentences a line holds, or should hold."""
    if COMMENT.match(line):
        return 0
    if len(line) > MAX_LINE:
        return 1
    return len(UNIT.findall(line)) or int(NO_AIS.match(line) is None and b"$PGHP," not in line)


def agree(found, whole, decoded, seen):
    """What is accepted is what pyais reads from the same sentences; gives payloads by the line that they begin on."""
    ours = {}
    for group in decoded.groups:
        columns = {name: column.to_pylist() for name, column in fields(group).items()}
        for at, row in enumerate(group.rows.tolist()):
            ours[row] = {name: values[at] for name, values in columns.items()}
    accepted = {}
    for row in np.flatnonzero(decoded.code == 0).tolist():
        payload = whole.data[whole.start[row] : whole.end[row]].tobytes()
        accepted[int(found.line[whole.sentence[row]])] = payload
        if decoded.msg_type[row] in COLUMNAR:
            assert ours[row] == collected(payload, int(whole.fill[row])), payload
            seen["compared"] += 1
    return accepted


def spans(unit):
    """What of a line can be one sentence: from each of its heads on, without what stands behind the checksum."""
    for head in HEAD.finditer(unit):
        rest = unit[head.start() :]
        yield from (found[0] for found in (end.match(rest) for end in ENDS) if found)


def read_alike(sentence, found, row):
    theirs = sentence_of(sentence)
    ours = (
        found.data[found.first[row] : found.last[row]].tobytes(),
        found.total[row],
        found.part[row],
        found.fill[row],
    )
    return theirs is not None and ours == (theirs.payload, theirs.frag_cnt, theirs.frag_num, theirs.fill_bits)


def is_more_than_one(sentence):
    """Whether two sentences have run together: pyais takes them for one, the checksum of one with another's body."""
    return len(HEAD.findall(sentence)) > 1 or sentence.count(b"*") > 1 or b"$PGHP," in sentence


def takes_what_pyais_takes(lines, found, accepted, ambiguous, seen):
    """A line that is a sentence for pyais is one here; a message of one or two lines is accepted where it is sure."""
    rows = {}
    for row, line in enumerate(found.line.tolist()):
        rows.setdefault(line, []).append(row)
    before = None
    for line, start in zip(lines, accumulate((len(line) + 1 for line in lines), initial=0), strict=False):
        theirs = sentence_of(line)
        if theirs is None or is_more_than_one(theirs.raw):
            seen["not for pyais"] += 1
            before = None
            continue
        (row,) = rows[start]
        assert found.code[row] == 0, line
        assert read_alike(theirs.raw, found, row), line
        payload = theirs.payload
        if theirs.frag_cnt == 1 and collected(payload, theirs.fill_bits) is not None:
            assert accepted[start] == payload, line
            seen["single"] += 1
        if before is not None and follows(found, before[1], row) and not {before[1], row} & ambiguous:
            joined = before[2] + payload
            if theirs.frag_cnt == 2 and collected(joined, theirs.fill_bits) is not None:
                assert accepted[before[0]] == joined, line
                seen["joined"] += 1
        before = start, row, payload


def follows(found, first, second):
    """Whether two sentences are the parts of a message, of one sender and time."""
    same = all(getattr(found, name)[first] == getattr(found, name)[second] for name in SAME)
    times = found.own_us[[first, second]]
    near = NO_TIME in times or abs(times[0] - times[1]) <= REACH_S * 1_000_000
    return same and near and (found.part[first], found.part[second]) == (1, 2)


def fuzz(seed: int, n: int) -> Counter[str]:
    given = units(seed)
    seen: Counter[str] = Counter()
    for batch in range(seed, seed + n // BATCH):
        lines = [line for unit in mutants(batch, given, BATCH) for line in unit.split(b"\n")]
        seen += check(lines)
    assert min(seen[name] for name in ("used", "rejected", "compared", "framed", "single")) > n // 20, seen
    assert seen["joined"] > n // 600, seen
    return seen


def test_thirty_thousand_mutants():
    """The soak takes a million."""
    assert fuzz(1, 30_000)["lines"] >= 20_000


@pytest.mark.soak
def test_a_million_mutants():
    assert fuzz(1_000, 1_000_000)["lines"] >= 1_000_000


@pytest.mark.parametrize("seed", range(3))
def test_no_cut_of_what_is_broken_shows(seed):
    """Windows of some lines give of a million broken bytes what one window gives."""
    text = b"\n".join(mutants(seed, units(seed), 5_000)) + b"\n"
    once = decode_window(Window(text, 0, 0, len(text)), "0" * 16, NOW)
    edges = [0, *sorted(random.Random(seed).sample(range(1, len(text)), 8)), len(text)]
    parts = [decode_window(around(text, a, b), "0" * 16, NOW) for a, b in pairwise(edges)]
    assert same(together(parts), together([once]))


def around(text, start, end):
    """The window that a reader makes of a span of a text."""
    base = max(0, start - AROUND)
    base = text.find(b"\n", base) + 1 if base else 0
    last = text.rfind(b"\n", 0, end + AROUND) + 1
    return Window(text[base:last], base, start, end)
