"""The payloads of a capture, found without the framing under test, and as the buffer that the decoder takes."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import reduce
from operator import xor
from pathlib import Path

import numpy as np

from stswatch.pipeline.decode.decoded_fields import fields
from stswatch.pipeline.decode.messages import Groups, grouped

_SENTENCE = re.compile(rb"!(..VD[MO],([1-9]),([1-9]),([0-9]?),([^,]*),([^,*\r\n]*),([0-5]))\*([0-9A-Fa-f]{2})")
_NO_CAPTURE = (".chk", ".json")

Payload = tuple[bytes, int]  # armoured, and its fill bits


def captures(real: Path) -> list[Path]:
    """The captures among the real data."""
    return [path for path in sorted((real / "nmea").iterdir()) if path.suffix not in _NO_CAPTURE]


def payloads(path: Path) -> list[Payload]:
    """Of every whole message of a capture, in order; parts belong together by number, channel and order."""
    data = path.read_bytes()
    text = gzip.decompress(data) if path.suffix == ".gz" else data
    text = b"\n".join(line for line in text.splitlines() if not line.startswith(b"#"))
    found: list[Payload] = []
    begun: dict[tuple[bytes, ...], list[bytes]] = {}
    for body, total, part, number, channel, payload, fill, check in _SENTENCE.findall(text):
        if reduce(xor, body) != int(check, 16):
            continue
        key = (total, number, channel)
        parts = begun.setdefault(key, []) if part != b"1" else begun.__setitem__(key, []) or begun[key]
        if len(parts) == int(part) - 1:
            parts.append(payload)
            if len(parts) == int(total):
                found.append((b"".join(begun.pop(key)), int(fill)))
    return found


def buffer(of: Sequence[Payload]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Data, start, end and fill bits, with what stands between payloads in a capture."""
    between = b",0*5C\r\n!AIVDM,1,1,,A,"
    size = np.array([len(payload) for payload, _ in of], np.int64)
    start = np.cumsum(size + len(between)) - size
    text = b"".join(between + payload for payload, _ in of)
    return np.frombuffer(text, np.uint8), start, start + size, np.array([fill for _, fill in of], np.int64)


def rows(of: Sequence[Payload]) -> tuple[Groups, dict[int, dict[str, object]]]:
    """What the decoder makes of payloads, and its fields by row as Python values."""
    found = grouped(*buffer(of))
    collected = {}
    for group in found.groups:
        columns = {name: column.to_pylist() for name, column in fields(group).items()}
        for at, row in enumerate(group.rows.tolist()):
            collected[row] = {name: column[at] for name, column in columns.items()}
    return found, collected
