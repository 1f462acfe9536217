"""The log of decisions as a whole: what is said of an entry, how it is shown and verified, and what can be made of it.

The database can be thrown away: it comes back from the lake, the slices and the log.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stswatch.errors import StswatchError
from stswatch.pipeline.readers.packing import damage
from stswatch.pipeline.readers.source import SourceError
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.spool.segments import segments, sources_of
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store import case_log, case_queries, case_referrals, database, files, lake, publish, snapshots
from stswatch.pipeline.store.case_log import LogEntry
from stswatch.pipeline.store.catalogue import TABLES, Catalogue, CatalogueError
from stswatch.pipeline.store.database import WORK, OtherVersion, StoreError, open_work
from stswatch.pipeline.store.entries import again, entries, forget_removed
from stswatch.pipeline.store.files import DamagedFile, discard
from stswatch.pipeline.trouble import Progress
from stswatch.pipeline.untrusted import SENTENCE, escaped

if TYPE_CHECKING:
    from stswatch.pipeline.readers.source import Source

_LONGEST_NAME = 100
MEMBERS = "members"
_TRIES, _PAUSE_S = 40, 0.1  # as long as another decision takes to be published


class DecisionError(StswatchError, ValueError):
    """A decision that lacks something or cannot follow the one before; the message says what, and what to do."""


@dataclass(frozen=True)
class Recorded:
    """An entry of the log. new: false where the same stood there already, so that a command may be given again.

    published: whether the newest snapshot shows it; where not, the next one does.
    """

    entry: LogEntry
    new: bool
    published: bool


def checked_name(name: str) -> str:
    """A name as it is written. Raises DecisionError for an empty or a long one."""
    name = unicodedata.normalize("NFC", " ".join(name.split()))
    if not name or len(name) > _LONGEST_NAME:
        raise DecisionError(f"{name!r}: give a name of 1 to {_LONGEST_NAME} characters")
    return name


def verify(data: Path, noted: str | None = None) -> str:
    """What the log holds, in a sentence, where all of it fits; noted: a head as N:SHA256, kept elsewhere.

    It is held against its own head file, the head that was noted, and what was published last. Raises CaseLogError
    with the first line that does not fit, DecisionError for a head that is none.
    """
    heads = []
    if noted is not None:
        number, _, sha256 = noted.partition(":")
        if not number.isdecimal() or len(sha256) != 64:
            raise DecisionError(f"{noted!r} is no head; give one as N:SHA256, as `stswatch log verify` printed it")
        heads.append((int(number), sha256))
    with suppress(StoreError):
        heads += case_queries.log_head(data)
    log = case_log.verified(data, heads)
    if log.finding is not None:
        raise case_log.CaseLogError(f"{data / case_log.NAME}: {log.finding}")
    torn = f"; {len(log.torn)} bytes of a write that was cut off stand behind it, the next entry names them"
    return f"{len(log.entries)} entries, all fit; head {len(log.entries)}:{log.head}{torn if log.torn else ''}"


def show(data: Path, lake_files: Mapping[str, Sequence[str]] | None = None) -> bool:
    """Publish what the log says beside what was published last; false where a watch or a run will, which has the store.

    lake_files: what the views of the lake list from now on, as before where None.
    Raises OSError, StoreError where the folder holds no snapshot.
    """
    for _ in range(_TRIES):
        head = case_log.noted_head(data)
        try:
            with closing(open_work(data)):
                shown = publish.republish(data, partial(_tables, data), lake_files) is not None
                snapshots.clear_snapshots(data, datetime.now(UTC))
        except OtherVersion:
            return False  # what is written is in the log, and the snapshot of this version will show it
        except StoreError as error:
            if "another run" not in str(error):
                raise
            time.sleep(_PAUSE_S)
            continue
        if case_log.noted_head(data) == head:
            return shown
    return False


def _tables(data: Path, database: Any) -> Mapping[str, Any]:
    return case_referrals.tables(database, data)


# --------------------------------------------------------- logs of other members, beside one's own: read, never written


def members(data: Path) -> dict[str, case_log.CaseLog]:
    """The logs of other members, DIR/members/NAME.jsonl, by name; each as far as it fits, with what does not.

    None holds up another, nor one's own: what cannot be read is a log without entries and a finding. Never raises.
    """
    found = {}
    for path in sorted((data / MEMBERS).glob("*.jsonl")):
        try:
            found[path.stem] = case_log.walk(path.read_bytes())
        except OSError as error:
            found[path.stem] = case_log.CaseLog((), f"cannot be read ({error.strerror})")
    return found


def merged(logs: Mapping[str, case_log.CaseLog]) -> list[tuple[str, LogEntry]]:
    """The live entries of several logs in the order in which they were written, each with its member."""
    every = [(name, e) for name, log in logs.items() for e in log.entries if e.exercise is None]
    return sorted(every, key=lambda pair: (pair[1].when, pair[0], pair[1].seq))


def members_text(data: Path, case: str | None = None) -> str:
    """Of each member how its log stands, and what it holds about a case; empty where there is none."""
    logs = members(data)
    lines = [
        f"member {escaped(name)}: {f'does not fit: {log.finding}' if log.finding else 'all fit'};"
        f" {len(log.entries)} entries, head {len(log.entries)}:{log.head}"
        for name, log in logs.items()
    ]
    for name, entry in merged(logs) if case is not None else ():
        if entry.case == case:
            what = str(entry.body.get("status") or entry.body.get("outcome") or entry.kind)
            note = escaped(str(entry.body.get("note", "")), SENTENCE)
            lines.append(f"  {entry.time[:16]}  {escaped(name)}, {escaped(entry.author)}: {escaped(what)}: {note}")
    return "\n".join(lines)


# ------------------------------------------------------------------------- whether what the program wrote still is that


class Checked(NamedTuple):
    """A file or a table that was held against its checksum; fault: what is wrong with it, a sentence, or nothing."""

    kind: str
    fault: str = ""


def damage_of(data: Path) -> Iterator[Checked]:
    """Hold everything that the program keeps of a data folder against what it noted when it wrote it.

    The catalogue first, since all else is noted there. Raises StoreError where there is none.
    """
    catalogue = Catalogue.read(data)
    if catalogue is None:
        raise StoreError(f"{data}: holds no catalogue of what was read; `stswatch run` makes one")
    with catalogue:
        try:
            catalogue.verify()
        except CatalogueError as error:
            yield Checked("catalogue", str(error))
            return
        for table in TABLES:
            for row in catalogue.every(table, lambda key, content: None).values():
                yield Checked("catalogue rows", str(row) if isinstance(row, DamagedFile) else "")
        catalogue.known.clear()
        yield from _lake(catalogue)
        yield from _slices(catalogue)
    yield from _spools(data)
    yield from _snapshot(data)
    log = case_log.verified(data)
    yield Checked("logs of decisions", f"{data / case_log.NAME}: {log.finding}" if log.finding else "")


def _lake(catalogue: Catalogue) -> Iterator[Checked]:
    for entry in entries(catalogue, None).values():
        for part in (part for part in entry.parts if not part.removed):
            try:
                lake.verified(catalogue.data, part, range(len(part.pieces) - 1))
                yield Checked("lake files")
            except DamagedFile as damaged:
                yield Checked("lake files", str(again(catalogue, damaged, str(entry.source["source"]))))


def _slices(catalogue: Catalogue) -> Iterator[Checked]:
    """What each slice found, and the states after it as far as they are kept."""
    folder = catalogue.data / "slices"
    for key, crcs in catalogue.every("slices", lambda key, content: content["checksums"]).items():
        if isinstance(crcs, DamagedFile):
            continue
        kept = (folder / key / "state").is_dir()
        for name, crc in crcs.items():
            if kept or not name.startswith("state/"):
                try:
                    files.verify(folder / key, [(name, crc)])
                    yield Checked("states" if name.startswith("state/") else "slice files")
                except DamagedFile as damaged:
                    yield Checked("slice files", f"{damaged}; run again to work it out again")


def _spools(data: Path) -> Iterator[Checked]:
    """Segments of spools, by the checksums of their frames, those too that nobody has ingested yet."""
    for spooled in sources_of(data / "spool"):
        for path in segments(spooled.folder):
            try:
                found = damage(str(path))
            except SourceError as error:
                found = [str(error)]
            yield Checked("spool segments", found[0] if found else "")


def _snapshot(data: Path) -> Iterator[Checked]:
    """The database that is shown, byte for byte, both its files."""
    if (newest := snapshots.newest(data)) is not None:
        for fault in snapshots.damage(newest):
            yield Checked("snapshots", fault)


# ------------------------------------------------------------------------------------------- the database made anew


def rebuild(
    data: Path, rules: Rules, area: str | None, steps: Sequence[Step], tell: Progress, without_removed: bool = False
) -> Path:
    """Throw the databases away and make them of the lake, the slices and the log; gives what was published.

    rules, steps: those of the run, else its slices are run again; area: that of the last run where None. Revision
    numbers begin again where events were revised. What version 0.1.0 made has a lake that this one cannot read: the
    archives are read again from where they lay. without_removed: of what `stswatch retain` left alone, where slices
    have to be run again that need more. Raises StoreError where the folder holds no lake or these are gone, and
    what a run raises; what was published stays until the new one is.
    """
    from stswatch.pipeline.batch import HOUR
    from stswatch.pipeline.flow.row import Engine
    from stswatch.pipeline.flow.run import alone, run

    older = _archives_of_first_version(data)
    catalogue = Catalogue.read(data)
    if catalogue is None and not older:
        raise StoreError(f"{data}: holds no lake to rebuild from; `stswatch run PATH... --data {data}` makes one")
    slabs = set[int]()
    if catalogue is not None:
        with closing(catalogue):
            slabs = {entry.slab_us for entry in entries(catalogue).values()}
    with suppress(StoreError):
        area = area or database.area_of(data)
    with alone(data):
        discard(data / WORK.parent, data)
        for folder in ("lake", "slices") if catalogue is None else ():
            discard(data / folder, data)
        if without_removed and catalogue is not None:
            with closing(Catalogue.open(data)) as opened:
                forget_removed(opened)
    engine = Engine(max(slabs, default=24 * HOUR) / HOUR, steps=tuple(steps))
    return run(data, older, rules, area or "dprk", engine, tell)


def _archives_of_first_version(data: Path) -> list[Source]:
    """The archives that version 0.1 read, opened again; none where the snapshot is of a later one.

    Raises StoreError where one is gone, is another file now, or was of a spool; SourceError where it takes options.
    """
    from stswatch.pipeline.options import ReadOptions
    from stswatch.pipeline.readers.formats import open_sources

    known: list[tuple[str, str]] = []
    with suppress(StoreError):
        known = database.first_version_sources(data)
    gone = sorted({path for _, path in known if not Path(path).is_file()})
    asked = ReadOptions(day=datetime.now(UTC).date())
    made = [
        each for path in sorted({path for _, path in known} - set(gone)) for each in open_sources(path, asked).sources
    ]
    gone += sorted({path for source, path in known if source not in {each.source for each in made}} - set(gone))
    if gone:
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise StoreError(
            f"{data}: was made by version 0.1.0 of {gone[0]}{more}, not there as it was; remove the folder lake"
            f" and `stswatch run` all of it again"
        )
    return made
