"""Ids that are no MMSI: hashed, or numbers of a table's own. With `--ids any` each is a vessel under a number of ours.

A whole number below 2**24 is told apart by itself, any other id by a hash of its letters; the numbers given lie from
2**30 on, where no MMSI is and none that a message of AIS could hold (30 bits). So an id has the same number in every
file. Two ids of one hash are told apart among the files that are read together: the later one in the order of letters
is hashed anew. What an id is, is kept as the vessel's name, or behind it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stswatch.geo.mmsi import FIRST_NUMBERED
from stswatch.pipeline.decode.lines import Bools
from stswatch.pipeline.readers.base import Place, SourceError
from stswatch.pipeline.readers.values import flat, words

NOTE = "ids numbered from 1,073,741,824 on: flag and kind of station are not judged"
_OWN = 2**24  # numbers below it are told apart by themselves
_HASHED = 2**30 - _OWN
_WHOLE = re.compile(r"(0|[1-9]\d{0,8})(?:\.0*)?")
_LEAST_MMSI = 1_000_000  # no form of an MMSI has fewer digits
_FEW = 0.5  # share of possible MMSI below which a column is said to hold none


@dataclass(frozen=True)
class Numbering:
    """How ids are numbered; picklable. anew: ids of one hash with another, and their numbers."""

    anew: tuple[tuple[str, int], ...] = ()

    def number(self, text: str) -> int:
        """The number of an id, FIRST_NUMBERED or more.

        >>> Numbering().number("12"), Numbering().number("vessel_12") == Numbering().number("vessel_12")
        (1073741836, True)
        """
        known = dict(self.anew).get(text)
        return known if known is not None else _number(text, 0)

    def numbers(self, column: pa.Array) -> tuple[NDArray[np.int32], Bools]:
        """The numbers of ids, and where there is one; 0 elsewhere. Never raises."""
        coded = texts(column).dictionary_encode()
        told = [self.number(text) for text in coded.dictionary.to_pylist()]
        table = np.array([*told, 0], np.int64).astype(np.int32)
        found = table[np.asarray(coded.indices.fill_null(len(told)).to_numpy(zero_copy_only=False), np.int64)]
        return found, found > 0


def _number(text: str, again: int) -> int:
    whole = _WHOLE.fullmatch(text)
    if whole and int(whole[1]) < _OWN:
        return FIRST_NUMBERED + int(whole[1])
    letters = hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16, salt=again.to_bytes(8, "big")).digest()
    return FIRST_NUMBERED + _OWN + int.from_bytes(letters, "big") % _HASHED


def numbering_of(ids: Iterable[str]) -> Numbering:
    """The numbering of ids that are read together: no two have one number, whatever their order.

    >>> numbering_of(["b", "a"]) == numbering_of(["a", "b"]) == Numbering()
    True
    """
    anew: list[tuple[str, int]] = []
    taken: dict[int, str] = {}
    for text in sorted(set(ids)):
        again = 0
        while taken.setdefault(_number(text, again), text) not in (text, _same(text)):
            again += 1
        if again:
            anew.append((text, _number(text, again)))
    return Numbering(tuple(anew))


def _same(text: str) -> str:
    """The id as a whole number is written, which is the same id.

    >>> _same("7.0"), _same("x7")
    ('7', 'x7')
    """
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole and int(whole[1]) < _OWN else text


def texts(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Ids as words without blanks round them, null where there is none; whole numbers without a fraction.

    Never raises, whatever the type of the column.
    """
    column = flat(column)
    if pa.types.is_floating(column.type):
        whole = column.cast(pa.int64(), safe=False)
        same = pc.equal(whole.cast(column.type, safe=False), column)
        column = pc.if_else(same, whole.cast(pa.string()), column.cast(pa.string()))
    column = pc.utf8_trim_whitespace(flat(words(column)))
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def check(place: Place, name: str, column: pa.Array) -> None:
    """Raise SourceError where most of the ids of a table are no MMSI; column: those of some of its rows.

    >>> check(Place("a.csv"), "mmsi", pa.array(["431000001", "x", "412000001"]))
    """
    ids = pc.unique(texts(column).drop_null()).to_pylist()
    strange = [text for text in ids if not _may_be_mmsi(text)]
    if len(ids) > 1 and len(ids) - len(strange) < _FEW * len(ids):
        shown = ", ".join(repr(text[:40]) for text in strange[:2])
        raise SourceError(
            f"{place}: what stands in {name[:60]!r} is no MMSI ({shown}); if these are ids of another kind, give"
            " `ids=any`: each is then a vessel, and flag and kind of station are not judged"
        )


def _may_be_mmsi(text: str) -> bool:
    whole = re.fullmatch(r"0*(\d{1,9})(?:\.0*)?", text)
    return whole is not None and int(whole[1]) >= _LEAST_MMSI
