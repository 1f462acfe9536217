"""The pictures of the pages that need no hand, drawn again: `python -m docs.pictures`."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from docs import reach_map
from stswatch.pipeline import api
from stswatch.sample_ais import feed

DOCS = Path(__file__).parent.resolve()
SAMPLE = DOCS.parent / "sample_ais"


def lead(folder: Path) -> None:
    """The first lead of the simulated recording: lead.png."""
    api.run(SAMPLE / f"{feed.NAME}.nmea.gz", folder / "data")
    api.draw_encounter(DOCS / "lead.png", folder / "data")


def notebook(folder: Path) -> None:
    """What the first block of notebook.md draws: notebook.png."""
    block = re.search(r"^```python\n(.*?)^```$", (DOCS / "notebook.md").read_text(), re.M | re.S)
    assert block, "notebook.md has no block of Python"
    os.symlink(SAMPLE, folder / "sample_ais")
    with chdir(folder):
        exec(compile(block[1], "notebook.md", "exec"), {})
    shutil.copyfile(folder / "encounters.png", DOCS / "notebook.png")


def reach() -> None:
    """How far a ship from Nampo gets by sea: reach.png."""
    (DOCS / "reach.png").write_bytes(reach_map.render(".png"))


if __name__ == "__main__":
    reach()
    with TemporaryDirectory() as name:
        lead(Path(name))
        notebook(Path(name))
