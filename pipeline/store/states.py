"""Where the state of each step and shard lies between two slices.

A file begins with what it is: magic, the version of its form, and as JSON its step, shard, columns and rules. What does
not fit is refused, since a step would go on from it as if it were its own.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from stswatch.pipeline import faults
from stswatch.pipeline.batch import Tables, from_bytes, to_bytes
from stswatch.pipeline.store.files import DamagedFile

MAGIC, VERSION = b"stsstate", 1
_HEAD = struct.Struct("<8sII")  # magic, version, bytes of the JSON behind it, which is filled up to a multiple of 8


class StateStore(Protocol):
    """Keeps a state by step and shard; on a cluster a StateSpec of Beam can stand behind it."""

    def read(self, step: str, shard: int, kind: Mapping[str, pa.Schema]) -> Tables:
        """The state that was written; kind: the schema of each of its tables."""

    def write(self, step: str, shard: int, state: Tables) -> None:
        """Keep a state in place of the one before."""


class StateFiles:
    """A folder with a file for each step and shard, by these rules (their fingerprint)."""

    def __init__(self, folder: Path, rules: str) -> None:
        self._folder, self._rules = folder, rules

    def path(self, step: str, shard: int) -> Path:
        """Where the state of a shard lies."""
        return self._folder / f"{step}-{shard}.arrow"

    def write(self, step: str, shard: int, state: Tables) -> None:
        """Write a state whole or not at all. Raises OSError."""
        kind = {name: table.schema for name, table in state.items()}
        head = json.dumps(self._described(step, shard, kind)).encode()
        head = head.ljust(-(-len(head) // 8) * 8)
        path = self.path(step, shard)
        part = path.with_suffix(".part")
        part.write_bytes(_HEAD.pack(MAGIC, VERSION, len(head)) + head + to_bytes(state))
        faults.reach("state_part")
        part.replace(path)
        faults.reach("state_written")

    def read(self, step: str, shard: int, kind: Mapping[str, pa.Schema]) -> Tables:
        """The state of a shard. Raises DamagedFile where it is none, or of something else; OSError where it is gone."""
        path = self.path(step, shard)
        content = memoryview(path.read_bytes())
        if len(content) < _HEAD.size or (head := _HEAD.unpack_from(content))[0] != MAGIC:
            raise DamagedFile(str(path), "is no state of a step")
        if head[1] != VERSION:
            raise DamagedFile(str(path), f"has form {head[1]} of states, this version of stswatch reads form {VERSION}")
        begin = _HEAD.size + head[2]
        found = json.loads(bytes(content[_HEAD.size : begin]))
        for name, wanted in self._described(step, shard, kind).items():
            if found.get(name) != wanted:
                raise DamagedFile(str(path), f"is a state of other {name} ({found.get(name)}, not {wanted})")
        return from_bytes(bytes(content[begin:]))

    def _described(self, step: str, shard: int, kind: Mapping[str, pa.Schema]) -> dict[str, str]:
        columns = repr([(name, [(f.name, str(f.type)) for f in kind[name]]) for name in sorted(kind)])
        digest = hashlib.sha256(columns.encode()).hexdigest()[:12]
        return {"step": step, "shard": str(shard), "columns": digest, "rules": self._rules}
