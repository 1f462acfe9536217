"""Sentences with tag blocks round payloads, whole columns at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

PART = 60  # characters of payload in the first sentence of two; a sentence may have 82 in all (NMEA 0183)


def checksums(bodies: Sequence[bytes]) -> list[str]:
    """Exclusive or of the bytes of each body (n), two hex digits.

    >>> checksums([b"AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0"])
    ['5C']
    """
    if not bodies:
        return []
    table = np.array(bodies, dtype=np.bytes_)  # shorter ones end in zero bytes, which change no exclusive or
    xor = np.bitwise_xor.reduce(table.view(np.uint8).reshape(len(bodies), -1), axis=1)
    return [f"{value:02X}" for value in xor.tolist()]


def lines(
    payloads: NDArray[np.bytes_],
    fill: int,
    time_s: NDArray[np.int64],
    stations: Sequence[str],
    first_group: int,
) -> list[bytes]:
    """One element a message: its line, or its two lines joined by a line end where it needs two.

    Args:
        payloads: (n,) armoured payloads of one length.
        fill: fill bits of the last sentence.
        time_s: (n,) whole seconds since 1970, for the tag block.
        stations: (n,) names of the receiving stations.
        first_group: number of the first group; messages in two sentences count up from it.

    Never raises.
    """
    text = [p.decode() for p in payloads.tolist()]
    tags = [f"s:{s},c:{t}" for s, t in zip(stations, time_s.tolist(), strict=True)]
    channels = ["AB"[k % 2] for k in range(len(text))]
    if payloads.dtype.itemsize <= PART:
        bodies = [f"AIVDM,1,1,,{c},{p},{fill}" for c, p in zip(channels, text, strict=True)]
        return _join(tags, bodies)
    groups = range(first_group, first_group + len(text))
    first = [f"AIVDM,2,1,{g % 10},{c},{p[:PART]},0" for g, c, p in zip(groups, channels, text, strict=True)]
    second = [f"AIVDM,2,2,{g % 10},{c},{p[PART:]},{fill}" for g, c, p in zip(groups, channels, text, strict=True)]
    heads = _join([f"g:1-2-{g},{t}" for g, t in zip(groups, tags, strict=True)], first)
    tails = _join([f"g:2-2-{g},{t}" for g, t in zip(groups, tags, strict=True)], second)
    return [a + b"\n" + b for a, b in zip(heads, tails, strict=True)]


def _join(tags: list[str], bodies: list[str]) -> list[bytes]:
    tag_sums = checksums([t.encode() for t in tags])
    body_sums = checksums([b.encode() for b in bodies])
    parts = zip(tags, tag_sums, bodies, body_sums, strict=True)
    return [f"\\{tag}*{tag_sum}\\!{body}*{body_sum}".encode() for tag, tag_sum, body, body_sum in parts]
