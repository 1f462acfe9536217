"""Committed slices: what their manifests say they gave, and whether it still is what was written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from stswatch.pipeline.flow.slices import MANIFEST
from stswatch.pipeline.store.checksums import of_file, verify
from stswatch.pipeline.store.disk import DamagedFile, read_json
from stswatch.pipeline.store.parts import Output

_read: dict[Path, Manifest] = {}  # a year has thousands, which are asked for with each hour that is sealed


@dataclass(frozen=True)
class Manifest:
    """What a committed slice gave for the store, and the CRC-32 of each state after it by its path in the folder."""

    output: Output
    states: Mapping[str, int]


def committed(folder: Path) -> bool:
    """Whether the slice of this folder is there, with a manifest that still is what was written."""
    if not (folder / MANIFEST).exists():
        return False
    with suppress(DamagedFile):
        return manifest(folder) is not None
    return False


def manifest(folder: Path) -> Manifest:
    """What the manifest of a slice says; read once. Raises DamagedFile where it is damaged, or of version 0.1.0."""
    if folder not in _read:
        told = read_json(folder / MANIFEST)
        try:
            _read[folder] = _parsed(folder.name, told["files"], told["checksums"])
        except (KeyError, TypeError, AttributeError) as error:
            raise DamagedFile(str(folder / MANIFEST), "is damaged (it holds no manifest)") from error
    return _read[folder]


def _parsed(key: str, files: Mapping[str, list[str]], crcs: Mapping[str, int]) -> Manifest:
    within = f"slices/{key}"
    paths = {table: [f"{within}/{name}" for name in names] for table, names in files.items()}
    stored = {f"{within}/{name}": crcs[name] for names in files.values() for name in names}
    return Manifest(Output(key, paths, stored), {name: crc for name, crc in crcs.items() if name.startswith("state/")})


def forget(folder: Path) -> None:
    """Read the manifest of a slice again when it is asked for next: the slice was run again."""
    _read.pop(folder, None)


def checksums(folder: Path) -> dict[str, int]:
    """The CRC-32 of each file of a slice, by its path in the folder. Raises OSError."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): of_file(path) for path in sorted(files)}


def verify_states(folder: Path) -> None:
    """Raise DamagedFile where a state after a committed slice is gone or no longer what was written."""
    verify(folder, manifest(folder).states.items())
