"""Owns: a log that was changed is named wherever it is met, stops no run, and nothing is written behind it."""

from __future__ import annotations

from stswatch.pipeline.evidence.decisions import decide
from stswatch.pipeline.store import case_log
from tests.pipeline.evidence.cases.conftest import LEAD, tables
from tests.pipeline.evidence.cases.test_decisions import NOW, assess
from tests.pipeline.store import build


def three(data):
    assess(data)
    for note in ("one", "two"):
        decide(data, LEAD, "watch", "Ann", note, now=NOW)
    return data / case_log.NAME


def test_a_flipped_bit_is_named_and_a_run_goes_on(data, say):
    path = three(data)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"one", b"onf") + lines[2])
    named = f"{path}: line 2 is no entry as it was written"
    code, out, err = say("log", "verify", "--data", data)
    assert (code, out, err) == (1, "", f"stswatch: {named}\n")
    code, _, err = say("decide", LEAD, "--status", "watch", "--by", "Ann", "--note", "x", "--data", data)
    assert (code, err[: len(named) + 10]) == (1, f"stswatch: {named}")
    build.publish(data, build.output(data, "first", tables()))
    assert build.rows(data, "SELECT seq FROM decisions") == [{"seq": 1}]
    code, out, _ = say("docket", "--data", data)
    assert code == 0
    assert "the log of decisions does not fit: line 2 is no entry" in out


def test_a_log_written_anew_is_another_than_the_snapshot_knows(data, say, shown):
    path = three(data)
    noted = say("log", "verify", "--data", data)[1].split("head ")[1].strip()
    for name in (case_log.NAME, case_log.HEAD):
        (data / name).unlink()
    with case_log.appending(data) as log:
        for n in range(4):
            log.append("reading", "Cy", LEAD, None, {"masked": False, "n": n}, NOW)
    code, _, err = say("log", "verify", "--data", data)
    assert (code, err) == (1, f"stswatch: {path}: entry 3 is another than the one that was written\n")
    assert say("log", "verify", "--head", noted, "--data", data)[0] == 1
    code, _, err = say("log", "verify", "--head", "3:abc", "--data", data)
    assert (code, "is no head" in err) == (1, True)


def test_a_log_cut_at_its_end_is_found_by_its_head(data, say):
    path = three(data)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    code, _, err = say("log", "verify", "--data", data)
    assert (code, err) == (1, f"stswatch: {path}: entries 3 to 3 are gone from its end\n")
