"""The slices of a run: which spans of time under which content address, what was committed, and the states after it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from stswatch.errors import StswatchError
from stswatch.pipeline import schema
from stswatch.pipeline.batch import Tables, concat, grouped
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store import entries
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.files import DamagedFile, discard, of_file, verify
from stswatch.pipeline.store.lake import Part, Span, slab_name
from stswatch.pipeline.store.loader import Output
from stswatch.pipeline.store.states import StateFiles

# ----------------------- The row of slices of a run: which spans of time, in which order, under which content address
# The address of a slice is a hash of all that its result depends on, the address of the slice before it included. So a
# run finds by itself what of an earlier one still holds: after a kill, with more data, or with other rules.

EVER_US = 1 << 62


@dataclass(frozen=True)
class Slice:
    """One slice: its span, the watermark after it, whether the data ends there, its files in the lake, its address.

    lost: spans that begin in it and of which something that arrived is damaged.
    """

    start_us: int
    end_us: int
    watermark_us: int
    final: bool
    parts: tuple[Part, ...]
    rows: int
    key: str = ""
    lost: tuple[Span, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What `from_json` takes."""
        return vars(self) | {"parts": [vars(part) for part in self.parts]}

    @staticmethod
    def from_json(fields: Mapping[str, Any]) -> Slice:
        """The slice that `to_json` wrote, read as JSON."""
        parts = ({**part, "left_out": tuple((a, b) for a, b in part["left_out"])} for part in fields["parts"])
        lost = tuple((a, b) for a, b in fields["lost"])
        return Slice(**{**fields, "parts": tuple(Part(**part) for part in parts), "lost": lost})


def plan(
    parts: Sequence[Part],
    slab_us: int,
    span_us: tuple[int, int],
    rows_at_most: int,
    until_us: int | None = None,
    rows_joined: int = 0,
) -> list[Slice]:
    """The slices that cover all time, in order, without addresses yet.

    parts: the files of the lake. span_us: first and last valid fix. rows_at_most: a slab with more rows is cut into
    equal spans. until_us: the end of a slab, where the data go on: the slices end there, without a final one, and what
    lies beyond waits; None where they end with the last fix. Silence between two slabs with fixes is one slice, since
    it only has to pass; static reports may lie in it, as they may before the first fix and after the last.
    """
    slabs: dict[int, list[Part]] = {}
    for part in parts:
        if part.slab_us is not None and (until_us is None or part.slab_us < until_us):
            slabs.setdefault(part.slab_us, []).append(part)
    first, last = (t // slab_us * slab_us for t in span_us)
    busy = sorted(s for s, held in slabs.items() if first <= s <= last and any(p.moves_time for p in held))
    if not busy:
        return []
    slices: list[Slice] = []
    for slab in busy:
        _pass_to(slab, slabs, slices)
        slices += _cut(slab, slab + slab_us, tuple(slabs[slab]), rows_at_most)
    slices = _joined(slices, min(rows_joined, rows_at_most))
    if until_us is None:
        slices = [s for s in slices if s.start_us <= span_us[1]]
        late = _between(slabs, busy[-1] + slab_us, EVER_US)
        slices[-1] = _with(
            slices[-1], end_us=EVER_US, watermark_us=span_us[1], final=True, parts=slices[-1].parts + late
        )
    else:
        _pass_to(until_us, slabs, slices)
    early = _between(slabs, -EVER_US, busy[0])
    slices[0] = _with(slices[0], start_us=-EVER_US, parts=slices[0].parts + early)
    return slices


def _pass_to(end_us: int, slabs: Mapping[int, Sequence[Part]], slices: list[Slice]) -> None:
    """Add the slice of the silence up to a time, where there is one."""
    before = slices[-1].end_us if slices else end_us
    if before < end_us:
        parts = _between(slabs, before, end_us)
        slices.append(Slice(before, end_us, end_us, False, parts, sum(part.rows for part in parts)))


def _between(slabs: Mapping[int, Sequence[Part]], start_us: int, end_us: int) -> tuple[Part, ...]:
    """The files of all slabs in a span."""
    return tuple(part for slab, held in sorted(slabs.items()) if start_us <= slab < end_us for part in held)


def _cut(start_us: int, end_us: int, parts: tuple[Part, ...], rows_at_most: int) -> list[Slice]:
    rows = sum(p.rows for p in parts)
    n = max(1, -(-rows // rows_at_most))
    edges = [start_us + (end_us - start_us) * k // n // 1000 * 1000 for k in range(n)] + [end_us]
    return [Slice(a, b, b, False, parts, rows // n) for a, b in pairwise(edges)]


def _joined(slices: Sequence[Slice], rows: int) -> list[Slice]:
    """Slices with their followers as long as they hold fewer rows together; never two pieces of one slab."""
    out: list[Slice] = []
    for s in slices:
        together = out[-1].rows + s.rows if out else rows
        if together < rows:
            last = out.pop()
            s = _with(last, end_us=s.end_us, watermark_us=s.end_us, parts=last.parts + s.parts, rows=together)
        out.append(s)
    return out


def with_lost(row: Sequence[Slice], lost: Iterable[Span]) -> list[Slice]:
    """The same slices, each with those of the spans that begin in it."""
    spans = sorted(set(lost))
    return [_with(s, lost=tuple(span for span in spans if s.start_us <= span[0] < s.end_us)) for s in row]


def _with(given: Slice, **changes: object) -> Slice:
    return Slice(**{**given.__dict__, **changes})  # type: ignore[arg-type]


def addressed(
    slices: Sequence[Slice], rules: Rules, shards: int, code: str, model_id: str, readings: Mapping[str, str]
) -> list[Slice]:
    """The same slices with their addresses. readings: path of a file in the lake -> how its source was read."""
    before = hashlib.sha256(json.dumps([rules.events_fingerprint(), shards, code, model_id]).encode()).hexdigest()
    out = []
    for s in slices:
        files = sorted((part.path, readings[part.path], *part.left_out) for part in s.parts)
        identity = [before, s.start_us, s.end_us, s.watermark_us, s.final, files, s.lost]
        before = hashlib.sha256(json.dumps(identity).encode()).hexdigest()
        name = slab_name(s.start_us) if s.start_us > -EVER_US else "start"
        out.append(_with(s, key=f"{name}-{before[:16]}"))
    return out


def described(given: Slice) -> Mapping[str, object]:
    """What the catalogue keeps of a slice."""
    return {k: v for k, v in given.__dict__.items() if k != "parts"}


def code(steps: Sequence[Step]) -> str:
    """What the code that decides is: all that the steps import, and the steps by name and version."""
    return json.dumps([hash_of(modules_of(steps)), [[step.name, step.version] for step in steps]])


# ----------------------------------------------------------------------------------------------------------------
# What code decides a result: the sources of some modules, of all that these import, and the data beside them
# What a command, a picture or an engine does is not among what steps import: a change there runs nothing again.

_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([\w.]+))", re.M)
_OURS = "stswatch."
_DATA = ("geo", "models")  # the rooms with data that steps read
_KINDS = ("*.json", "*.csv", "*.geojson", "*.npz")
_NO_INPUT = "evaluation.json"  # figures about a scorecard, which nothing reads to decide


def modules_of(steps: Sequence[Step]) -> tuple[str, ...]:
    """The modules of the functions of some steps, and that of their table."""
    found = {"stswatch.pipeline.steps"}
    for step in steps:
        for function in (step.run, *step.takes.values()):
            found.add((function.func if isinstance(function, partial) else function).__module__)
    return tuple(sorted(found))


@cache
def hash_of(modules: tuple[str, ...]) -> str:
    """SHA-256 of the sources of these modules, of all of this program that they import, and of its data."""
    found = closure(modules)
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + found[name])
    for room in _DATA:
        top = Path(str(files(f"stswatch.{room}")))
        for path in sorted(p for kind in _KINDS for p in top.rglob(kind) if p.name != _NO_INPUT):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def closure(modules: Iterable[str]) -> dict[str, bytes]:
    """The source of these modules and of all of this program that they import, by name; imports in functions too."""
    found: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name not in found and (path := _file(name)) is not None:
            found[name] = path.read_bytes()
            waiting += _imported(found[name].decode())
    return found


def _imported(source: str) -> Iterator[str]:
    """The modules of this program that a source may import: `from a import b` may mean a.b."""
    for base, names, plain in _IMPORT.findall(source):
        yield from (name for name in (base, plain) if name.startswith(_OURS))
        if base.startswith((_OURS, "stswatch")):
            yield from (f"{base}.{name}" for name in re.findall(r"\w+", names))


def _file(name: str) -> Path | None:
    """The file of a module; None where the name is no module, or it has no file."""
    if not name.startswith(_OURS):
        path = getattr(sys.modules.get(name), "__file__", None)
        return Path(path) if path else None
    _, room, *rest = name.split(".")
    try:
        top = Path(str(files(f"stswatch.{room}")))
    except (ModuleNotFoundError, TypeError):
        return None
    path = top.joinpath(*rest)
    for candidate in (path / "__init__.py", path.with_suffix(".py")):
        if candidate.is_file():
            return candidate
    return None


# ----------------------------------------------------------------------------------------------------------------
# Committed slices: what the catalogue says they gave, whether it still is what was written, what becomes of damage


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
    return {key: entry for key, entry in found.items() if isinstance(entry, Committed) and key in there}


def commit(catalogue: Catalogue, slice: Slice, fields: Mapping[str, Any]) -> None:
    """Commit a slice of which the disk holds all files; told: what Flow.run_slice gave."""
    catalogue.put("slices", {slice.key: {"slice": described(slice), **fields}})


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


def stored_files(folder: Path) -> dict[str, list[str]]:
    """The stored files of a slice by table, as paths within its folder."""
    files: dict[str, list[str]] = {table: [] for table in schema.EVENT_TABLES.values()}
    for path in sorted(folder.glob("*.parquet")):
        files[path.name.rpartition("-")[0]].append(path.name)
    return files


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


def _parsed(key: str, fields: Mapping[str, Any]) -> Committed:
    within = f"slices/{key}"
    files, crcs = fields["files"], fields["checksums"]
    paths = {table: [f"{within}/{name}" for name in names] for table, names in files.items()}
    stored = {f"{within}/{name}": crcs[name] for names in files.values() for name in names}
    return Committed(Output(key, paths, stored), {name: crc for name, crc in crcs.items() if name.startswith("state/")})


# ------------- The states after a committed slice, taken into memory: of all shards in one


def none_yet(steps: Sequence[Step]) -> dict[str, Tables]:
    """The states before the first slice."""
    return {step.name: step.no_state() for step in steps}


def after(data: Path, last: Committed, steps: Sequence[Step], shards: int, rules: Rules) -> dict[str, Tables]:
    """The states that a slice of a data folder left, each of all shards. Raises DamagedFile where one is no longer what
    was written or gone."""
    last.verify_states(data)
    files = StateFiles(last.folder(data) / "state", rules.events_fingerprint())
    found = {}
    for step in steps:
        parts = [files.read(step.name, k, step.state) for k in range(step.shards(shards))] if step.state else []
        found[step.name] = {name: _once(concat([p[name] for p in parts], kind)) for name, kind in step.state.items()}
    return found


def _once(rows: pa.Table) -> pa.Table:
    """Each row once: several shards keep what lies at the edge of their cells."""
    plain = [field.name for field in rows.schema if not pa.types.is_nested(field.type)]
    numbered = rows.select(plain).append_column("row", pa.array(np.arange(rows.num_rows)))
    first = grouped(numbered, plain).aggregate([("row", "min")])["row_min"]
    if len(first) == rows.num_rows:
        return rows
    return rows.take(pa.array(np.sort(np.asarray(first)))).combine_chunks()
