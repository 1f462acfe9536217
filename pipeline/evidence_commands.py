"""The commands over evidence: whether what is stored follows from what was received, and what people decided.

Each is a dataclass of its options: its docstring is the help, calling it runs it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from stswatch.pipeline import api, untrusted
from stswatch.pipeline.options import option
from stswatch.pipeline.terminal import OfData, Progress

# ------------------------------------------------------------------------- does what is stored follow, and come again


@dataclass(frozen=True, kw_only=True)
class Verify(OfData):
    """Say of each number of an event whether it follows from the bytes that were received; or hold the whole folder.

    Example: stswatch verify Eabfb8 --data DIR --files /mnt/archive
    """

    id: str | None = option(None, "id (E..., D...), or its beginning (default: the first lead)", "ID", nargs="?")
    all: bool = option(help="every file of the data folder and every event that holds")
    files: tuple[Path, ...] = option(help="a folder where the input files now lie", metavar="DIR", read=Path, nargs="*")
    scorecard: Path | None = option(
        None, "the scorecard of the run, where it does not come with stswatch", "FILE", Path
    )
    every_fix: bool = option(help="read every fix between back, not those alone that decide")
    json: bool = option(help="print it as JSON")
    quiet: bool = option(help="no words but what does not follow")

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import verify

        progress = Progress(sys.stderr, quiet=self.quiet or not self.all)
        report = api.verify(
            self.data,
            self.id,
            every=self.all,
            files=self.files,
            scorecard=self.scorecard,
            every_fix=self.every_fix,
            tell=progress,
        )
        progress.end()
        if self.json:
            print(json.dumps(verify.as_json(report), indent=1, ensure_ascii=True))
        elif not self.quiet:
            print(untrusted.lines(verify.as_text(report)))
        if fault := report.first_fault():
            raise verify.DoesNotFollow(fault)


@dataclass(frozen=True, kw_only=True)
class Reproduce(OfData):
    """Run again from what a run noted of itself, in a folder that goes away, and say whether its events are equal.

    Example: stswatch reproduce --data DIR --files /mnt/archive
    """

    run: str | None = option(None, "id of the run (default: the last)", "RUN", nargs="?")
    files: tuple[Path, ...] = option(help="a folder where the input files now lie", metavar="DIR", read=Path, nargs="*")
    scorecard: Path | None = option(
        None, "the scorecard of the run, where it does not come with stswatch", "FILE", Path
    )
    json: bool = option(help="print it as JSON")
    quiet: bool = option(help="no progress")

    def __call__(self) -> None:
        from stswatch.pipeline.evidence import reproduce

        progress = Progress(sys.stderr, quiet=self.quiet)
        found = api.reproduce(self.data, self.run, files=self.files, scorecard=self.scorecard, tell=progress)
        progress.end()
        if self.json:
            print(json.dumps(reproduce.as_json(found), indent=1, ensure_ascii=True))
        else:
            print(untrusted.lines(reproduce.as_text(found)))
        if fault := found.first_fault():
            raise reproduce.NotReproduced(fault)
