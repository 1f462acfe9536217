"""Writes what commands print into the console blocks of pages: `python -m tests.docs.write PAGE...`

A block whose output agrees stays as it is, `...` and all; look at the difference before you commit it.
"""

from __future__ import annotations

import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.docs import stand_ins
from tests.docs.pages import ROOT, Page
from tests.docs.runner import Failed, Runner, settle


def write(page: Page, home: Path, demo: str) -> None:
    """One page, from top to bottom."""
    while True:
        with TemporaryDirectory() as folder, chdir(folder):
            settle(home, Path(folder))
            runner = Runner(page, home, demo)
            try:
                runner.run()
                return
            except Failed:
                if runner.differs is None:
                    raise
        fence, really = runner.differs
        page.path.write_text(page.text.replace(fence.text, really, 1))
        page = Page(page.path)


if __name__ == "__main__":
    with TemporaryDirectory() as home:
        demo = stand_ins.make(Path(home))
        for name in sys.argv[1:]:
            write(Page(ROOT / name), Path(home), demo)
