"""Committed slices: what the catalogue says they gave, whether it still is what was written, what becomes of damage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline.flow.slices import Slice, described
from stswatch.pipeline.store import entries
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.checksums import of_file, verify
from stswatch.pipeline.store.disk import DamagedFile, discard
from stswatch.pipeline.store.parts import Output


class DamagedSlice(StswatchError, ValueError):
    """A slice was damaged and is as if it had never been run; the message says which file and what to do."""


@dataclass(frozen=True)
class Committed:
    """What a committed slice gave for the store, and the CRC-32 of each state after it by its path in the folder."""

    output: Output
    states: Mapping[str, int]

    def folder(self, data: Path) -> Path:
        """Where it lies."""
        return data / "slices" / self.output.key

    def verify_states(self, data: Path) -> None:
        """Raise DamagedFile where a state after it is gone or no longer what was written."""
        verify(self.folder(data), self.states.items())


def committed(catalogue: Catalogue) -> dict[str, Committed]:
    """The committed slices by name, without those of which the folder is gone or what is known of them damaged."""
    found = catalogue.every("slices", _parsed)
    there = {path.name for path in (catalogue.data / "slices").glob("*")}
    return {key: told for key, told in found.items() if isinstance(told, Committed) and key in there}


def commit(catalogue: Catalogue, slice: Slice, told: Mapping[str, Any]) -> None:
    """Commit a slice of which the disk holds all files; told: what Flow.run_slice gave."""
    catalogue.put("slices", {slice.key: {"slice": described(slice), **told}})


def forget(catalogue: Catalogue, keys: Sequence[str]) -> None:
    """Have some slices be as if they had never been run, and remove their folders. Raises OSError."""
    catalogue.delete("slices", keys, durable=False)
    for key in keys:
        discard(catalogue.data / "slices" / key, catalogue.data / "slices")


def outputs(catalogue: Catalogue, row: Sequence[Slice]) -> list[Output]:
    """What each slice of a row that was run gave, for the store. Raises DamagedFile."""
    known = committed(catalogue)
    for s in row:
        if s.key not in known:
            raise DamagedFile(
                str(catalogue.data / "slices" / s.key), "is not there, or its row in the catalogue damaged"
            )
    return [known[s.key].output for s in row]


def checksums(folder: Path) -> dict[str, int]:
    """The CRC-32 of each file of a slice, by its path in the folder. Raises OSError."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): of_file(path) for path in sorted(files)}


@contextmanager
def healing(catalogue: Catalogue) -> Iterator[None]:
    """Make of a damaged file what is to be done about it.

    Raises CatalogueError for a file of the lake, which names the source to give again; DamagedSlice for one of a slice,
    which is removed, so that the next run of the row works it out again.
    """
    try:
        yield
    except DamagedFile as damaged:
        folder, *rest = Path(damaged.path).absolute().relative_to(catalogue.data.absolute()).parts
        if folder == "lake":
            raise entries.again(catalogue, damaged, entries.source_of(damaged.path)) from damaged
        if folder == "slices":
            forget(catalogue, rest[:1])
            raise DamagedSlice(f"{damaged}; run again to work it out again") from damaged
        raise


def _parsed(key: str, told: Mapping[str, Any]) -> Committed:
    within = f"slices/{key}"
    files, crcs = told["files"], told["checksums"]
    paths = {table: [f"{within}/{name}" for name in names] for table, names in files.items()}
    stored = {f"{within}/{name}": crcs[name] for names in files.values() for name in names}
    return Committed(Output(key, paths, stored), {name: crc for name, crc in crcs.items() if name.startswith("state/")})
