"""Storage through which driver and workers exchange files where they share no folder: whatever fsspec has a URL for.

A run has a folder of its own in it, gone at its end, so that a name in it stands for one content. Files have the names
there that they have in a data folder, and in the scratch folder that each worker process keeps of what it needed.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import json
import secrets
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline.flow.calls import CURRENT, SENT, Job, Parcel, Sent, ingest_chunk, read_by, run_shard, written_by
from stswatch.pipeline.readers.source import Chunk, Source, SourceError
from stswatch.pipeline.store.entries import RECEIPTS, receipt_name
from stswatch.pipeline.store.files import sync

ARCHIVES, _LAKE = "archives", "lake"  # folders there
_OF_THIS_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class StorageError(StswatchError, ValueError):
    """Storage that cannot be used: its URL, what was found, what to do. Picklable."""


@dataclass(frozen=True)
class Storage:
    """The folder of a run, by its URL. Each method raises StorageError, and OSError where the disk here is full."""

    url: str

    def put(self, root: Path, names: Iterable[str]) -> None:
        """Copy files of a folder there, each whole or not at all as far as the storage goes."""
        if wanted := sorted(set(names)):
            with self._asked("written"):
                fs, top = _opened(self.url)
                fs.put([str(root / name) for name in wanted], [f"{top}/{name}" for name in wanted])

    def fetch(self, root: Path, names: Iterable[str], anew: bool = False) -> None:
        """Copy files from there into a folder, each whole or not at all; anew: also those that it holds already."""
        wanted = sorted({name for name in names if anew or not (root / name).exists()})
        if any(name.startswith("/") or ".." in name.split("/") for name in wanted):  # somebody else writes there
            raise StorageError(f"{self.url}: holds files that are none of a run; give a prefix that nobody else has")
        if not wanted:
            return
        mark = f".{secrets.token_hex(4)}.part"
        for folder in {(root / name).parent for name in wanted}:
            folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._asked("read"):
                fs, top = _opened(self.url)
                fs.get([f"{top}/{name}" for name in wanted], [str(root / f"{name}{mark}") for name in wanted])
            for name in wanted:
                (root / f"{name}{mark}").replace(root / name)
        finally:
            for name in wanted:
                (root / f"{name}{mark}").unlink(missing_ok=True)

    def names(self, under: str) -> list[str]:
        """The files in a folder there and in those within it; none where there is no such folder."""
        with self._asked("read"):
            fs, top = _opened(self.url)
            fs.invalidate_cache()  # others write there too
            found = fs.find(f"{top}/{under}")
            return sorted(str(PurePosixPath(fs._strip_protocol(path)).relative_to(top)) for path in found)

    def remove(self, under: str = "") -> None:
        """Remove a folder there, or all of it; nothing where there is none."""
        with self._asked("written"), suppress(FileNotFoundError):
            fs, top = _opened(self.url)
            fs.invalidate_cache()
            fs.rm(f"{top}/{under}" if under else top, recursive=True)

    @contextmanager
    def _asked(self, done: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if isinstance(error, OSError) and error.errno in _OF_THIS_DISK:
                raise
            why = next((line.strip().rstrip(". ") for line in str(error).splitlines() if line.strip()), "")
            raise StorageError(
                f"{self.url}: cannot be {done} ({why or type(error).__name__}); see that this storage is up, and that"
                " driver and workers can log in to it"
            ) from None  # what is behind it may be of a library that a driver lacks

    def try_out(self) -> None:
        """Write a file, read it and remove it. Raises StorageError."""
        with tempfile.TemporaryDirectory(prefix="stswatch-storage-") as folder:
            path = Path(folder) / "tried"
            path.write_bytes(b"1")
            self.put(path.parent, [path.name])
            self.fetch(path.parent, [path.name], anew=True)
            self.remove(path.name)


@cache
def _opened(url: str) -> tuple[Any, str]:
    """The file system of fsspec behind a URL, and the path in it."""
    try:
        import fsspec
    except ImportError:
        raise ImportError("there is no fsspec here: pip install 'stswatch[s3]', or fsspec and what it needs") from None
    local = {"auto_mkdir": True} if fsspec.utils.get_protocol(url) == "file" else {}
    fs, path = fsspec.core.url_to_fs(url, **local)
    return fs, str(path).rstrip("/")


@contextmanager
def of_a_run(url: str | None) -> Iterator[Storage | None]:
    """The storage of one run, tried out, and emptied at the end; None where there is no URL. Raises StorageError."""
    if url is None:
        yield None
        return
    storage = Storage(f"{url.rstrip('/')}/stswatch-{secrets.token_hex(6)}")
    storage.try_out()
    try:
        yield storage
    finally:
        with suppress(StorageError):
            storage.remove()


# --------------------------------------------------------------------------------------------------- what a driver does


@contextmanager
def carried(storage: Storage | None, job: Job) -> Iterator[None]:
    """Have the storage hold what the calls of a slice read, and after the block the data folder what they wrote."""
    if storage is None:
        yield
        return
    before = [] if job.before is None else [f"{_folder(job.before)}/state/{p.name}" for p in _states(job.before)]
    lake = [part.path for part in job.slice.parts if not part.removed]
    there = {*storage.names(_LAKE), *(storage.names(_folder(job.before)) if job.before else ())}
    storage.put(job.data, [*(name for name in (*lake, *before) if name not in there), CURRENT])
    yield
    wrote = [name for name in storage.names(_folder(job.folder)) if f"/{SENT}/" not in name]
    storage.fetch(job.data, wrote, anew=True)
    storage.remove(f"{_folder(job.folder)}/{SENT}")
    if job.before is not None:
        storage.remove(_folder(job.before))


def _folder(slice_folder: Path) -> str:
    return f"{slice_folder.parent.name}/{slice_folder.name}"


def _states(slice_folder: Path) -> list[Path]:
    return sorted((slice_folder / "state").iterdir())


def put_archives(storage: Storage, chunks: Sequence[tuple[str, Chunk]]) -> list[tuple[str, Chunk]]:
    """Put the files of some chunks there, where they are not yet; gives the chunks with the names that these have."""
    there, moved = set(storage.names(ARCHIVES)), []
    for reading, chunk in chunks:
        path = Path(chunk.source.path)
        name = f"{ARCHIVES}/{chunk.source.sha256}/{path.name}"
        if name not in there:
            with tempfile.TemporaryDirectory(prefix="stswatch-archive-") as folder:
                (Path(folder) / name).parent.mkdir(parents=True)
                (Path(folder) / name).symlink_to(path.absolute())
                storage.put(Path(folder), [name])
            there.add(name)
        moved.append((reading, replace(chunk, source=replace(chunk.source, path=name))))
    return moved


def take_receipts(storage: Storage, data: Path) -> None:
    """Take the receipts that workers left there into the data folder, after the files of the lake that they tell of."""
    names = storage.names(RECEIPTS)
    with tempfile.TemporaryDirectory(prefix="receipts-", dir=data) as folder:
        storage.fetch(Path(folder), names)
        receipts = [json.loads((Path(folder) / name).read_text()) for name in names]
        lake = [part["path"] for receipt in receipts for part in receipt["parts"]]
        storage.fetch(data, lake, anew=True)
        sync((data / path for path in lake), data)
        (data / RECEIPTS).mkdir(exist_ok=True)
        for name in names:
            (Path(folder) / name).replace(data / name)
    storage.remove(RECEIPTS)


# --------------------------------------------------------------------------------------------------- what a worker does

_lock = threading.Lock()  # tasks of a worker are threads
_scratch: list[Any] = []  # its folder, and the file that is locked as long as this process lives


def scratch() -> Path:
    """The folder of this process for what it fetches and writes, made when it is first asked for."""
    with _lock:
        while not _scratch:
            _sweep()
            folder = Path(tempfile.mkdtemp(prefix="stswatch-worker-"))
            held = (folder / ".lock").open("w")
            fcntl.flock(held, fcntl.LOCK_EX)
            if (folder / ".lock").exists():  # nobody took it for one that was left behind
                _scratch[:] = folder, held
                atexit.register(leave)
        return Path(_scratch[0])


def leave() -> None:
    """Remove the folder of this process, if it has one."""
    if _scratch:
        shutil.rmtree(_scratch[0], ignore_errors=True)


def _sweep() -> None:
    """Remove what killed workers left on this machine."""
    for left in Path(tempfile.gettempdir()).glob("stswatch-worker-*"):
        with suppress(OSError), (left / ".lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)


def announced_there(storage: Storage) -> Path:
    """The scratch folder, with what the storage says of the slice that is to be run."""
    storage.fetch(scratch(), [CURRENT], anew=True)
    return scratch()


def run_shard_there(
    storage: Storage, job: Job, name: str, shard: int, given: Sequence[Parcel]
) -> tuple[list[Sent], int]:
    """`run_shard` in the scratch folder: what it reads is fetched before, and what it wrote is there after."""
    (job.folder / "state").mkdir(parents=True, exist_ok=True)
    storage.fetch(job.data, read_by(job, name, shard, given))
    sent, cpu_us = run_shard(job, name, shard, given)
    storage.put(job.data, written_by(job, name, shard, sent))
    return sent, cpu_us


def ingest_chunk_there(storage: Storage, reading: str, chunk: Chunk, slab_us: int) -> None:
    """`ingest_chunk` in the scratch folder, of a chunk that names its file in the storage, as `put_archives` did."""
    root, name = scratch(), chunk.source.path
    storage.fetch(root, [name])
    source: Source = replace(chunk.source, path=str(root / name))
    try:
        receipt = ingest_chunk(root, reading, replace(chunk, source=source), slab_us)
    except SourceError as error:
        raise SourceError(str(error).replace(source.path, Path(name).name)) from None
    storage.put(root, [part.path for part in receipt.parts])
    storage.put(root, [receipt_name(reading, chunk.start)])
