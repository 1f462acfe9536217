"""Owns: no file and no name in it harms the terminal, the process or the folder, whichever command is given it.

A tenth of the corpus here, all of it in the soak tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile import corpus
from tests.hostile.text import harm

pytestmark = pytest.mark.e2e

MOST_BYTES = 1 << 30
LONGEST_ERROR = 5_000


def through(folder, every, first=0):
    report = folder / "report.json"
    command = [
        sys.executable,
        "-X",
        "faulthandler",
        "-m",
        "tests.hostile.through",
        folder,
        str(every),
        str(first),
        report,
    ]
    done = subprocess.run(command, capture_output=True, timeout=1800)
    printed = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")
    assert done.returncode == 0, printed[-3000:]
    assert harm(printed) == []
    return json.loads(report.read_text()), printed


def holds(collected, printed):
    """What must hold of all calls, whatever they were given."""
    wrong = []
    for kind, words, code, took_s, out, err in collected["calls"]:
        where = f"{kind} {' '.join(words)[:300]}"
        if code not in (0, 1, 2):
            wrong.append(f"{where}: ended with {code}: {err[-1500:]}")
        if "Traceback" in err:
            wrong.append(f"{where}: {err[-1500:]}")
        if found := harm(out) + harm(err):
            wrong.append(f"{where}: shows {found[:3]}")
        if code in (1, 2) and (len(err) > LONGEST_ERROR or len([x for x in err.splitlines() if "stswatch:" in x]) > 1):
            wrong.append(f"{where}: says {len(err)} characters: {err[:500]}")
        if took_s > 120:
            wrong.append(f"{where}: took {took_s:.0f} s")
    assert not wrong, "\n".join(wrong)
    assert "Traceback" not in printed
    assert collected["good"][0] == collected["good"][1] != []
    assert collected["peak_bytes"] < MOST_BYTES


def test_a_tenth_of_the_corpus_harms_nothing(tmp_path):
    collected, printed = through(tmp_path, 10, 3)
    holds(collected, printed)
    codes = [call[2] for call in collected["calls"]]
    assert len(codes) >= 60
    assert codes.count(0) >= 20  # it is looked at, not only refused
    assert codes.count(1) >= 15
    assert not Path("/tmp/stswatch-escaped.csv").exists()


@pytest.mark.soak
@pytest.mark.parametrize("first", range(8))
def test_the_whole_corpus_harms_nothing(first, tmp_path):
    collected, printed = through(tmp_path, 8, first)
    holds(collected, printed)


def test_there_are_200_and_the_same_seed_gives_the_same(tmp_path):
    assert sum(count for _, count in corpus.KINDS) >= 200
    one, other = (corpus.write(tmp_path / name, 40) for name in ("one", "other"))
    assert [each.path.read_bytes() for each in one] == [each.path.read_bytes() for each in other]
    assert len({each.kind for each in one}) >= 4
