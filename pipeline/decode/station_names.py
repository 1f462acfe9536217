"""Names of stations to numbers: few different ones, on many sentences."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stswatch.pipeline.decode.lines import Bools, Ints
from stswatch.pipeline.decode.octets import Words
from stswatch.pipeline.decode.stamps import kind_of
from stswatch.pipeline.decode.units import NO_STATION, Names
from stswatch.pipeline.schema import RECEIVERS, TERRESTRIAL, UNKNOWN

_MIX = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio, odd
_SLOT, _SLOTS = np.uint64(48), 1 << 16  # bits that are left out, so that what is left is a slot


def stations(name: Words, by_suffix: Bools, names: Names) -> tuple[Ints, NDArray[np.int8]]:
    """The numbers of stations, NO_STATION for none, and the kinds of their receivers, (n,) each.

    name: (n, words), zeros for none; by_suffix: (n,) whether the suffix of the Coast Guard names it; names: numbers of
    stations, to which new ones are added.

    >>> name = np.frombuffer(b"S1      S2      S1      ".replace(b" ", b"\\0"), np.uint64)[:, None]
    >>> stations(name, np.zeros(3, np.bool_), Names())[0].tolist()
    [0, 1, 0]
    """
    n = len(name)
    station, receiver = np.full(n, NO_STATION, np.int64), np.full(n, UNKNOWN, np.int8)
    rows = np.flatnonzero(name[:, 0])
    if not len(rows):
        return station, receiver
    number, first = _distinct(name[rows])
    told = [each.tobytes().rstrip(b"\0").decode("ascii", "replace") for each in name[rows[first]]]
    station[rows] = np.array([names.station(each) for each in told])[number]
    receiver[rows] = np.array([RECEIVERS.index(kind_of(each)) for each in told], np.int8)[number]
    receiver[by_suffix] = TERRESTRIAL
    return station, receiver


def _distinct(name: Words) -> tuple[Ints, Ints]:
    """For each name (n, words) its number among the different ones, and for each of these a row that has it."""
    columns = [name[:, 0], *(column for column in name.T[1:] if column.any())]
    mixed = columns[0] * _MIX
    for column in columns[1:]:
        mixed = ((mixed ^ (mixed >> np.uint64(29))) + column) * _MIX
    slot = (mixed >> _SLOT).astype(np.int64)
    rows = np.arange(len(name))
    table = np.empty(_SLOTS, np.int64)  # only the slots that are met are ever touched
    table[slot[::-1]] = rows[::-1]
    first = table[slot]  # the first row of the same name, or of another one that mixes to the same
    if any((column != column[first]).any() for column in columns):
        return _distinct_by_hash(name)
    ones = np.flatnonzero(first == rows)
    table[slot[ones]] = rows[: len(ones)]
    return table[slot], ones


def _distinct_by_hash(name: Words) -> tuple[Ints, Ints]:
    """As `_distinct`, for so many names that two of them share a slot."""
    width = pa.binary(name.itemsize * name.shape[1])
    octets = pa.py_buffer(np.ascontiguousarray(name))
    found = pa.FixedSizeBinaryArray.from_buffers(width, len(name), [None, octets]).dictionary_encode()
    number = found.indices.to_numpy()
    first = np.empty(len(found.dictionary), np.int64)
    first[number[::-1]] = np.arange(len(name))[::-1]
    return number, first
