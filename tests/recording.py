"""The recording that comes with the project, whole or its beginning: for tests that want a sea, not all of it."""

from __future__ import annotations

import gzip
from itertools import islice
from pathlib import Path

import stswatch.sample_ais as sample_ais
from stswatch.sample_ais import feed

HERE = Path(sample_ais.__path__[0])
RECORDING = HERE / f"{feed.NAME}.nmea.gz"
TRUTH = HERE / f"{feed.NAME}.truth.json"
TABLE = HERE / f"{feed.NAME}.csv"


def beginning(path: Path, lines: int) -> Path:
    """The first so many lines of the recording, packed into a file; gives its path."""
    with gzip.open(RECORDING) as file:
        path.write_bytes(gzip.compress(b"".join(islice(file, lines)), 6, mtime=0))
    return path
