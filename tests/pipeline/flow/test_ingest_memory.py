"""Owns: ingest takes no more memory for a large capture than for a small one."""

from __future__ import annotations

import gzip
import sys

import pytest

from tests.bench.decode import RECORDING
from tests.bench.run import measure

INGEST = """
import sys
from pathlib import Path
from stswatch.pipeline.flow.ingest import ingest
from stswatch.pipeline.flow.row import Engine
from stswatch.pipeline.flow.workers import keep_freed_memory
from stswatch.pipeline.readers.formats import open_source
from stswatch.pipeline.store.catalogue import Catalogue
if __name__ == "__main__":
    keep_freed_memory()
    Path(sys.argv[1]).mkdir()
    with Catalogue.open(Path(sys.argv[1])) as catalogue:
        ingest(catalogue, {}, [open_source(sys.argv[2])], 86_400_000_000, Engine(), lambda sentences: None)
"""
START_S = 1_600_000_000


def write_capture(path, size):
    """The sentences of the recording again and again, a minute each time, each line with its time."""
    lines = [line[line.find(b"!") :] for line in gzip.decompress(RECORDING.read_bytes()).split(b"\n") if b"!" in line]
    block = b"".join(b"%d %s\n" % (START_S, line) for line in lines)
    with path.open("wb") as file:
        for number in range(-(-size // len(block))):
            file.write(block.replace(b"%d " % START_S, b"%d " % (START_S + 60 * number)))


@pytest.mark.soak
def test_two_gigabytes_take_less_than_600_megabytes(tmp_path):
    """Main process and what it starts, one worker; Beam is part of it."""
    write_capture(tmp_path / "capture.nmea", 2_000_000_000)
    (tmp_path / "ingest.py").write_text(INGEST)
    cost = measure(sys.executable, str(tmp_path / "ingest.py"), str(tmp_path / "data"), str(tmp_path / "capture.nmea"))
    print(f"{cost.cpu_s:.0f} CPU s, {cost.peak_mb:.0f} MB")
    assert (tmp_path / "capture.nmea").stat().st_size >= 2_000_000_000
    assert cost.peak_mb < 600
