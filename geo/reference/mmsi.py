"""What the nine digits of an MMSI say: the kind of station and the state. A claim, not a proof.

Source: ITU-R M.585-9 (2022), Annexes 1 and 2, for the forms; the ITU Table of Maritime Identification Digits for the
states.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

# kind, its form (MID: three digits of 201 to 775, x: any digit), whether it can be a vessel; a later row overrules an
# earlier one. Nothing is a vessel that the form rules out; a number of no form may be one: often it is a ship's that
# was set wrongly or never was its own.
_FORMS = (
    ("unknown", "xxxxxxxxx", True),
    ("ship", "MIDxxxxxx", True),
    ("group", "0MIDxxxxx", False),  # a call to several ships at once
    ("coast_station", "00MIDxxxx", False),
    ("base_station", "00MID5xxx", False),  # AIS; the 5 is a choice, so many are numbered as any coast station
    ("sar_aircraft", "111MIDxxx", False),
    ("aid_to_navigation", "99MIDxxxx", False),
    ("auxiliary_craft", "98MIDxxxx", True),  # a boat that belongs to a ship
    ("handheld", "8MIDxxxxx", False),
    ("sart", "970xxxxxx", False),  # search and rescue transmitter
    ("mob", "972xxxxxx", False),  # man overboard
    ("epirb", "974xxxxxx", False),  # emergency beacon
    ("autonomous_device", "979xxxxxx", False),  # no vessel and no aid to navigation: net markers, drift buoys, divers
)
KINDS = tuple(kind for kind, _, _ in _FORMS)
_VESSELS = np.array([vessel for _, _, vessel in _FORMS])
_FIRST_MID, _LAST_MID = 201, 775
_LAST = 999_999_999
FIRST_NUMBERED = 2**30  # from here on numbers are none that AIS can send: given to ids that are no MMSI
_NO_NUMBER = 1_000_000  # the row of the tables for what has not one to nine digits


def kind_of(mmsi: ArrayLike) -> NDArray[np.str_]:
    """The kind of station, one of KINDS, that each MMSI (n,) has the form of.

    Numbers that fit no form, such as 123456789, those below 1 and those of ten digits are `unknown`. Takes whole
    numbers, raises TypeError for others.

    >>> kind_of([445123000, 2191000, 4405001, 111232506, 992351000, 974000123, 123456789]).tolist()
    ['ship', 'coast_station', 'base_station', 'sar_aircraft', 'aid_to_navigation', 'epirb', 'unknown']
    """
    return np.asarray(np.array(KINDS)[_kinds()[_prefix(mmsi)]])


def is_vessel(mmsi: ArrayLike) -> NDArray[np.bool_]:
    """Whether each MMSI (n,) can be a vessel's: ships, their boats, and unknown ones that have one to nine digits.

    Takes whole numbers, raises TypeError for others.

    >>> is_vessel([445123000, 982350001, 123456789, 0, 2191000]).tolist()
    [True, True, True, False, False]
    """
    return np.asarray(_vessels()[_prefix(mmsi)])


def flag_of(mmsi: ArrayLike) -> NDArray[np.object_]:
    """The state, ISO 3166 alpha-2, whose digits (MID) each MMSI (n,) carries, whatever its kind.

    None where it carries none, and where its digits are allocated to no state (as 200, 217 or 776). Beacons and
    autonomous devices carry none: their digits are their maker's. Takes whole numbers, raises TypeError for others.

    >>> flag_of([445123000, 982350001, 123456789, 217000000, 974445000]).tolist()
    ['KP', 'GB', None, None, None]
    """
    return np.asarray(_flags()[_mids()[_prefix(mmsi)]])


@cache
def country_names() -> dict[str, str]:
    """Name of each state of the table by ISO 3166 alpha-2.

    >>> country_names()["KP"]
    "Democratic People's Republic of Korea"
    """
    return {row["iso2"]: row["country"] for row in _rows()}


def _prefix(mmsi: ArrayLike) -> NDArray[np.integer]:
    """The first six of the nine digits, which hold all that a form says: a row of the tables."""
    number = np.asarray(mmsi)
    if number.dtype.kind not in "iu":
        if number.size:
            raise TypeError(f"MMSI must be whole numbers, not {number.dtype}; fill or drop what is missing first")
        number = number.astype(np.int64)
    in_range = (number > 0) & (number <= _LAST)
    return np.where(in_range, number // 1000, _NO_NUMBER)


@cache
def _kinds() -> NDArray[np.int8]:
    """Index into KINDS by the first six digits."""
    kinds = np.zeros(_NO_NUMBER + 1, np.int8)
    for index, (_, form, _) in enumerate(_FORMS[1:], 1):
        kinds[_fitting(form)] = index
    kinds.flags.writeable = False
    return kinds


@cache
def _vessels() -> NDArray[np.bool_]:
    """Whether it can be a vessel's by the first six digits."""
    vessels = _VESSELS[_kinds()]
    vessels[_NO_NUMBER] = False
    vessels.flags.writeable = False
    return np.asarray(vessels)


@cache
def _mids() -> NDArray[np.int16]:
    """MID by the first six digits, 0 where there is none."""
    mids = np.zeros(_NO_NUMBER + 1, np.int16)
    for _, form, _ in _FORMS[1:]:
        rows = _fitting(form)
        mids[rows] = np.arange(_FIRST_MID, _LAST_MID + 1)[:, None] if len(rows) > 1 else 0
    mids.flags.writeable = False
    return mids


def _fitting(form: str) -> NDArray[np.int64]:
    """The first six digits that fit a form: one row for each MID in order, or a single row for a form without."""
    before, mid, after = form[:6].partition("MID")
    digits, free = (after.rstrip("x"), after) if mid else (before.rstrip("x"), before)
    rest = 10 ** (len(free) - len(digits))
    first = np.array(int(digits or 0) * rest)
    if mid:
        first = first + (int(before or 0) * 1000 + np.arange(_FIRST_MID, _LAST_MID + 1)[:, None]) * 10 ** len(after)
    return np.atleast_2d(first + np.arange(rest))


@cache
def _flags() -> NDArray[np.object_]:
    flags = np.full(1000, None, dtype=object)
    for row in _rows():
        flags[int(row["mid"])] = row["iso2"]
    flags.flags.writeable = False
    return flags


def _rows() -> list[dict[str, str]]:
    text = (files("stswatch.geo") / "data" / "mid.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
