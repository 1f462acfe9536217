"""Every command over hostile files, in one process, whose output and memory can so be looked at as a whole.

python -m tests.hostile.through FOLDER EVERY FIRST REPORT     EVERY, FIRST: which files of the corpus

All archives go into one data folder, then a good one, then what that gave is asked for again. REPORT is a JSON file:
`calls`, a row each [kind, words, code, seconds, output, errors]; `good`, the row of the good encounter; `peak_bytes`.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
from contextlib import closing, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from stswatch.pipeline import api, cli
from tests.hostile import corpus
from tests.peak import peak_bytes

GOOD_PAIR = (538001111, 636002222)
ASKED = "SELECT start_time, end_time, median_distance_m, cpa_distance_m, lon, lat, score, fixes_a FROM encounters"
_PICTURES = 3  # so many leads are drawn, and as often areas
_PATIENCE_S, _READ_S = 60.0, 3.0


class Through:
    """What was called so far."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data, self.calls = folder, folder / "data", list[Any]()
        self.drawn = 0

    def call(self, kind: str, *words: object) -> int:
        """Run a command here; an error that leaves it is a fault of the program, and its name the exit code."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        began_s, code = time.monotonic(), None
        with redirect_stdout(out), redirect_stderr(err):
            try:
                code = cli.main([os.fspath(word) if isinstance(word, Path) else str(word) for word in words])
            except SystemExit as end:
                code = end.code
            except BaseException as error:
                code = repr(error)
        printed = [stream.buffer.getvalue().decode("utf-8", "backslashreplace") for stream in (out, err)]
        self.calls.append([kind, [ascii(word) for word in words], code, time.monotonic() - began_s, *printed])
        return code if isinstance(code, int) else -1

    def archive(self, kind: str, path: Path) -> None:
        """Run over it, decode it; where there is a lead by then, look at it."""
        done = self.call(kind, "run", path, "--data", self.data, "--area", "world", "--scorecard", "rules")
        self.call(kind, "decode", path, "--to", "jsonl")
        self.call(kind, "decode", path, "--to", "csv", "--rejects", self.folder / "rejects.csv")
        if done == 0 and kind.startswith("names"):
            self.call(kind, "leads", "--data", self.data)
            drawn = ["--picture", self.folder / "lead.svg"] if self.drawn < _PICTURES else []
            self.drawn += bool(drawn)
            self.call(kind, "explain", "--data", self.data, *drawn)

    def area(self, kind: str, path: Path) -> None:
        """List it, draw it, and ask for leads in it."""
        self.call(kind, "areas", "--area", path)
        if self.drawn < 2 * _PICTURES:
            self.drawn += 1
            self.call(kind, "areas", "--area", path, "--picture", self.folder / "areas.svg")
        good = self.good_archive()
        if self.call(kind, "run", good, "--data", self.folder / "in-area", "--area", path, "--scorecard", "rules") == 0:
            self.call(kind, "leads", "--data", self.folder / "in-area")
            self.call(kind, "explain", "--data", self.folder / "in-area")

    def watch(self, paths: list[Path]) -> None:
        """All files as sources of one watch, until it has looked at what came."""
        data = self.folder / "watched"
        named = [f"s{k}={path}" for k, path in enumerate(paths)]
        ender = threading.Thread(target=_end_when_read, args=(data / "live" / "status.json",), daemon=True)
        ender.start()
        self.call(
            "watch",
            "stream",
            *named,
            "--data",
            data,
            "--health",
            "none",
            "--interval",
            "0.5",
            "--area",
            "world",
            "--scorecard",
            "rules",
        )
        self.call("watch", "status", "--data", data)

    def good_archive(self) -> Path:
        """An archive of two others, elsewhere."""
        path = self.folder / "good.csv"
        path.write_bytes(corpus.table(corpus.rows("GOOD", GOOD_PAIR, lon=124.4)))
        return path

    def good(self, data: Path) -> list[str]:
        """What is found of them in a folder, after they were given."""
        self.call("good", "run", self.good_archive(), "--data", data, "--area", "world", "--scorecard", "rules")
        a, b = sorted(GOOD_PAIR)
        with closing(api.connect(data)) as db:
            found = db.sql(f"{ASKED} WHERE mmsi_a = {a} AND mmsi_b = {b} AND status = 'current'").fetchall()
        return [str(value) for row in found for value in row]


def _end_when_read(status: Path) -> None:
    until_s = time.monotonic() + _PATIENCE_S
    while time.monotonic() < until_s:
        time.sleep(0.3)
        with suppress(OSError, ValueError, KeyError):
            collected = json.loads(status.read_text())
            if collected["slice"] and not collected["slice"]["behind_bytes"]:
                until_s = min(until_s, time.monotonic() + _READ_S)
    os.kill(os.getpid(), signal.SIGTERM)


def main(folder: Path, every: int, first: int, report: Path) -> None:
    """All of it."""
    through = Through(folder)
    files = corpus.write(folder / "corpus", every, first)
    for each in files:
        (through.area if each.area else through.archive)(each.kind, each.path)
    through.watch([each.path for each in files if not each.area])
    good = through.good(through.data), through.good(folder / "clean")
    report.write_text(json.dumps({"calls": through.calls, "good": good, "peak_bytes": peak_bytes()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
