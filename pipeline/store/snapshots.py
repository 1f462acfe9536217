"""The snapshots of a data folder: where each lies, and whether it still is what was published.

DIR/stswatch.duckdb                   a link to the newest file for people
DIR/snapshots/000007.duckdb           for people and their programs
DIR/snapshots/pristine/000007.duckdb  the same bytes, for this program's own connections
DIR/snapshots/pristine/000007.json    what both were when they were published, and the lake files of their views

Nothing writes into either again; docs/decisions/0003 says why there are two.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from stswatch.pipeline import faults, schema
from stswatch.pipeline.store.files import descriptor, held, read_json, write_json

PUBLISHED = "stswatch.duckdb"
FOLDER = "snapshots"
# A DuckDB file begins with three headers of 4096 bytes. A checkpoint writes what changed into free blocks, and after
# them one of the last two headers: while the headers are the same, so is every row that they lead to.
# Source: src/include/duckdb/storage/storage_info.hpp and single_file_block_manager.hpp in github.com/duckdb/duckdb
_HEAD_BYTES = 3 * 4096
_NAME = re.compile(r"(\d{6,})\.(duckdb|json)")


@dataclass(frozen=True)
class Manifest:
    """What both files of a snapshot were: bytes, SHA-256 of their headers; lake table -> files that its view lists.

    left_out: source -> spans of which its view marks the rows `clock`. crc: CRC-32 of each of the files, None where
    nobody noted it; check: that of all the rest of the manifest.
    """

    size: int
    head: str
    lake_files: Mapping[str, Sequence[str]]
    left_out: Mapping[str, Sequence[Sequence[int]]] = field(default_factory=dict)
    crc: int | None = None
    check: int | None = None

    def summed(self) -> int:
        """The CRC-32 of all but `check`."""
        rest = {name: value for name, value in vars(self).items() if name != "check"}
        return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


@dataclass(frozen=True)
class Snapshot:
    """One publication, by its number; `folder` is DIR/snapshots."""

    folder: Path
    number: int

    @property
    def shown(self) -> Path:
        """The file for people."""
        return self.folder / f"{self.number:06d}.duckdb"

    @property
    def pristine(self) -> Path:
        """The file for this program."""
        return self.folder / "pristine" / self.shown.name

    @property
    def manifest(self) -> Path:
        """Where the manifest lies."""
        return self.pristine.with_suffix(".json")


def every(data: Path) -> list[Snapshot]:
    """Every snapshot of which anything is there, in the order of publication."""
    folder = data.resolve() / FOLDER
    names = [path.name for place in (folder, folder / "pristine") if place.is_dir() for path in place.iterdir()]
    numbers = {int(found[1]) for name in names if (found := _NAME.fullmatch(name))}
    return [Snapshot(folder, number) for number in sorted(numbers)]


def following(data: Path) -> Snapshot:
    """The snapshot to be published next."""
    return Snapshot(data.resolve() / FOLDER, 1 + max((found.number for found in every(data)), default=0))


def of(file: Path) -> Snapshot | None:
    """The snapshot that a file for people belongs to; None for one that was never published here."""
    found = _NAME.fullmatch(file.name)
    return Snapshot(file.parent, int(found[1])) if found and file.parent.name == FOLDER else None


def newest(data: Path) -> Snapshot | None:
    """The snapshot that DIR/stswatch.duckdb leads to."""
    return of((data / PUBLISHED).resolve())


def finalize(
    snapshot: Snapshot,
    made: Path,
    lake_files: Mapping[str, Sequence[str]],
    left_out: Mapping[str, Sequence[Sequence[int]]],
) -> None:
    """Give a database that was made beside them its place as both files of a snapshot. Raises OSError."""
    beside = snapshot.shown.with_name(made.name)
    copy(made, beside)
    for path in (made, beside):
        path.chmod(path.stat().st_mode & ~0o222)  # a session that would write, and so lock others out, cannot open it
    with made.open("rb") as file:
        size, head, spans = (
            made.stat().st_size,
            _head(file.fileno()),
            {k: list(map(list, v)) for k, v in left_out.items()},
        )
    manifest = Manifest(size, head, {table: list(files) for table, files in lake_files.items()}, spans, _crc(made))
    write_json(snapshot.manifest, vars(manifest) | {"check": manifest.summed()}, indent=None)
    made.replace(snapshot.pristine)
    faults.reach("snapshot_halved")
    beside.replace(snapshot.shown)


def read_manifest(snapshot: Snapshot) -> Manifest | None:
    """The manifest of a snapshot; None where it is not there or not whole."""
    try:
        return Manifest(**read_json(snapshot.manifest))
    except (OSError, ValueError, TypeError):
        return None


def as_published(file: Path, manifest: Manifest) -> bool:
    """Whether a file that DuckDB has open here to read still holds what was published.

    It was not where a log lies beside it, since that was taken in, where its headers differ, where it was cut off, and
    where it is gone: whoever clears it asked who holds it before it was opened. While it is held to read nobody can
    write into it, nor clear it.
    """
    if log(file).exists() or not file.exists():
        return False
    try:
        opened = descriptor(file)
    except OSError:
        opened = None
    if opened is None:
        return True  # a system that lets nobody look: there the file's mode has to do
    return os.fstat(opened).st_size >= manifest.size and _head(opened) == manifest.head


def damage(snapshot: Snapshot) -> Iterator[str]:
    """For both files of a snapshot, and its manifest, a sentence that says what is damaged, or nothing."""
    remedy = "`stswatch run` over any file of the data folder publishes it anew"
    manifest = read_manifest(snapshot)
    if manifest is None or manifest.check not in (None, manifest.summed()):
        yield f"{snapshot.manifest}: is damaged or not there; {remedy}"
        return
    yield ""
    for path in (snapshot.pristine, snapshot.shown):
        try:
            same = manifest.crc is None or _crc(path) == manifest.crc
            yield "" if same else f"{path}: is damaged (its checksum is not that of what was published); {remedy}"
        except OSError as error:
            yield f"{path}: cannot be read ({error.strerror}); {remedy}"


def log(file: Path) -> Path:
    """Where DuckDB keeps the changes of a session until it writes them into the file."""
    return file.with_name(file.name + ".wal")


def _head(opened: int) -> str:
    return hashlib.sha256(os.pread(opened, _HEAD_BYTES, 0)).hexdigest()


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            crc = zlib.crc32(piece, crc)
    return crc


def copy(source: Path, target: Path) -> None:
    """Copy a file; a file system that can share the blocks of two files does."""
    target.unlink(missing_ok=True)
    try:
        with source.open("rb") as given, target.open("xb") as out:
            while os.copy_file_range(given.fileno(), out.fileno(), 1 << 30):
                pass
    except (AttributeError, OSError):  # not on this system or not on this disk
        shutil.copyfile(source, target)


# ----------------------------------------------------------------------------------------------------------------
# What nobody needs any more goes: superseded snapshots that no process holds, and lake files that no list tells of

GRACE_S = 60.0  # from following the link to holding the file takes a reader milliseconds; a stalled machine, seconds
_ASIDE = ".going"
KEPT = 3  # superseded snapshots kept where nobody can tell who holds one


def clear(data: Path, lake_files: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Remove what nobody needs any more, after a publication, by whoever has the folder to himself.

    `lake_files` is what the catalogue lists: lake table -> paths within the data folder. Beside them stays what the
    manifest of a remaining snapshot lists. What cannot be removed is left for the next time: never raises OSError.
    """
    if not clear_snapshots(data, now):
        return  # nobody knows what is shown, so nobody knows what is not needed
    manifests = [read_manifest(snapshot) for snapshot in every(data)]
    known = [manifest.lake_files for manifest in manifests if manifest]
    if len(known) == len(manifests):  # else somebody may be reading what no list tells of
        for table in schema.LAKE:
            listed = {os.path.join(data, path) for files in (lake_files, *known) for path in files.get(table, ())}
            _clear_folder(data / "lake" / table, listed)


def clear_snapshots(data: Path, now: datetime) -> bool:
    """Remove the snapshots that nobody needs; whether one is shown. Never raises OSError."""
    last = newest(data)
    if last is None:
        return False
    for snapshot in _superseded(every(data), last, now):
        with suppress(OSError):
            _remove(snapshot)
    return True


def _superseded(every: Sequence[Snapshot], last: Snapshot, now: datetime) -> list[Snapshot]:
    """The snapshots that nobody needs."""
    older = [snapshot for snapshot in every if snapshot.number < last.number]
    gone: list[Snapshot] = []
    unknown: list[Snapshot] = []
    for snapshot, next_one in pairwise([*older, last]):
        if now.timestamp() - _published_s(next_one) < GRACE_S:
            continue
        by_whom = [held(snapshot.pristine), held(snapshot.shown)]
        if True not in by_whom:
            (unknown if None in by_whom else gone).append(snapshot)
    return gone + unknown[:-KEPT]


def _published_s(snapshot: Snapshot) -> float:
    for path in (snapshot.manifest, snapshot.shown):
        if path.exists():
            return path.stat().st_mtime
    return 0.0


def _remove(snapshot: Snapshot) -> None:
    """Remove a snapshot, unless somebody opened it meanwhile: first out of the way, so that nobody else can."""
    aside = {path: path.with_suffix(_ASIDE) for path in (snapshot.shown, snapshot.pristine)}
    for path, away in aside.items():
        with suppress(FileNotFoundError):
            path.rename(away)
    if any(held(away) for away in aside.values()):
        for path, away in aside.items():
            with suppress(FileNotFoundError):
                away.rename(path)
        return
    for path, away in aside.items():
        away.unlink(missing_ok=True)
        log(path).unlink(missing_ok=True)
        shutil.rmtree(path.with_name(path.name + ".tmp"), ignore_errors=True)
    snapshot.manifest.unlink(missing_ok=True)  # last: without it nobody could tell which lake files the others list


def _clear_folder(folder: Path, keep: Set[str]) -> None:
    """Remove files by their path, and folders that are empty then. A year has a hundred thousand: no Path for each."""
    for place, folders, files in os.walk(folder, topdown=False):
        gone = [path for name in files if (path := os.path.join(place, name)) not in keep]
        for path in gone:
            with suppress(OSError):
                os.unlink(path)
        if len(gone) == len(files) and not folders and place != str(folder):
            with suppress(OSError):
                os.rmdir(place)
