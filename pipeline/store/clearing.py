"""What nobody needs any more goes: superseded snapshots that no process holds, and lake files that no list tells of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from stswatch.pipeline import schema
from stswatch.pipeline.store import snapshots
from stswatch.pipeline.store.holders import held
from stswatch.pipeline.store.snapshots import Snapshot

GRACE_S = 60.0  # from following the link to holding the file takes a reader milliseconds; a stalled machine, seconds
KEPT = 3  # superseded snapshots kept where nobody can tell who holds one


def clear(data: Path, lake_files: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Remove what nobody needs any more, after a publication, by whoever has the folder to himself.

    `lake_files` is what the catalogue lists: lake table -> paths within the data folder. Beside them stays what the
    manifest of a remaining snapshot lists. What cannot be removed is left for the next time: never raises OSError.
    """
    if not clear_snapshots(data, now):
        return  # nobody knows what is shown, so nobody knows what is not needed
    manifests = [snapshots.read_manifest(snapshot) for snapshot in snapshots.every(data)]
    known = [manifest.lake_files for manifest in manifests if manifest]
    if len(known) == len(manifests):  # else somebody may be reading what no list tells of
        for table in schema.LAKE:
            listed = {os.path.join(data, path) for files in (lake_files, *known) for path in files.get(table, ())}
            _clear_folder(data / "lake" / table, listed)


def clear_snapshots(data: Path, now: datetime) -> bool:
    """Remove the snapshots that nobody needs; whether one is shown. Never raises OSError."""
    newest = snapshots.newest(data)
    if newest is None:
        return False
    for snapshot in _superseded(snapshots.every(data), newest, now):
        with suppress(OSError):
            _remove(snapshot)
    return True


def _superseded(every: Sequence[Snapshot], newest: Snapshot, now: datetime) -> list[Snapshot]:
    """The snapshots that nobody needs."""
    older = [snapshot for snapshot in every if snapshot.number < newest.number]
    gone: list[Snapshot] = []
    unknown: list[Snapshot] = []
    for snapshot, next_one in pairwise([*older, newest]):
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
    for path in (snapshot.shown, snapshot.pristine):
        path.unlink(missing_ok=True)
        snapshots.log(path).unlink(missing_ok=True)
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
