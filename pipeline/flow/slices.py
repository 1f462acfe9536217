"""The row of slices of a run: which spans of time, in which order, under which content address.

The address of a slice is a hash of all that its result depends on, the address of the slice before it included. So a
run finds by itself what of an earlier one still holds: after a kill, with more data, or with other rules.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import Step
from stswatch.pipeline.store.lake import Part, slab_name

EVER_US = 1 << 62
DECIDE_NOTHING = (
    *("alerts", "exports", "flow", "sources", "spool", "store", "trials", "watch"),
    *("api.py", "cli.py", "progress.py", "words.py", "evaluation.json"),
)


@dataclass(frozen=True)
class Slice:
    """One slice: its span, the frontier after it, whether the data ends there, its files in the lake, its address."""

    start_us: int
    end_us: int
    frontier_us: int
    final: bool
    parts: tuple[Part, ...]
    rows: int
    key: str = ""


def plan(
    parts: Sequence[Part], slab_us: int, span_us: tuple[int, int], rows_at_most: int, until_us: int | None = None
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
    busy = sorted(s for s, held in slabs.items() if first <= s <= last and any(p.table == "fixes" for p in held))
    if not busy:
        return []
    slices: list[Slice] = []
    for slab in busy:
        _pass_to(slab, slabs, slices)
        slices += _cut(slab, slab + slab_us, tuple(slabs[slab]), rows_at_most)
    if until_us is None:
        slices = [s for s in slices if s.start_us <= span_us[1]]
        late = _between(slabs, busy[-1] + slab_us, EVER_US)
        slices[-1] = _with(
            slices[-1], end_us=EVER_US, frontier_us=span_us[1], final=True, parts=slices[-1].parts + late
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
        told = _between(slabs, before, end_us)
        slices.append(Slice(before, end_us, end_us, False, told, sum(part.rows for part in told)))


def _between(slabs: Mapping[int, Sequence[Part]], start_us: int, end_us: int) -> tuple[Part, ...]:
    """The files of all slabs in a span."""
    return tuple(part for slab, held in sorted(slabs.items()) if start_us <= slab < end_us for part in held)


def _cut(start_us: int, end_us: int, parts: tuple[Part, ...], rows_at_most: int) -> list[Slice]:
    rows = sum(p.rows for p in parts)
    n = max(1, -(-rows // rows_at_most))
    edges = [start_us + (end_us - start_us) * k // n // 1000 * 1000 for k in range(n)] + [end_us]
    return [Slice(a, b, b, False, parts, rows // n) for a, b in pairwise(edges)]


def _with(given: Slice, **changes: object) -> Slice:
    return Slice(**{**given.__dict__, **changes})  # type: ignore[arg-type]


def addressed(
    slices: Sequence[Slice], rules: Rules, shards: int, code: str, model_id: str, readings: Mapping[str, str]
) -> list[Slice]:
    """The same slices with their addresses. readings: path of a file in the lake -> how its source was read."""
    before = hashlib.sha256(json.dumps([rules.fingerprint(), shards, code, model_id]).encode()).hexdigest()
    out = []
    for s in slices:
        files = sorted((part.path, readings[part.path], *part.left_out) for part in s.parts)
        told = [before, s.start_us, s.end_us, s.frontier_us, s.final, files]
        before = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        name = slab_name(s.start_us) if s.start_us > -EVER_US else "start"
        out.append(_with(s, key=f"{name}-{before[:16]}"))
    return out


def described(given: Slice) -> Mapping[str, object]:
    """What the catalogue keeps of a slice."""
    return {k: v for k, v in given.__dict__.items() if k != "parts"}


def code(steps: Sequence[Step]) -> str:
    """What the code that decides is: a hash of its sources, and the steps by name."""
    return json.dumps([sources_hash(("geo", "models", "pipeline")), [step.name for step in steps]])


@cache
def sources_hash(rooms: tuple[str, ...]) -> str:
    """SHA-256 of the code and data of some rooms that decide what is found: all but DECIDE_NOTHING."""
    digest = hashlib.sha256()
    for room in rooms:
        top = Path(str(files(f"stswatch.{room}")))
        for path in sorted(p for kind in ("*.py", "*.json", "*.csv", "*.geojson", "*.npz") for p in top.rglob(kind)):
            if path.relative_to(top).parts[0] not in DECIDE_NOTHING:
                digest.update(path.read_bytes())
    return digest.hexdigest()
