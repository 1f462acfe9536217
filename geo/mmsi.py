"""What the nine digits of an MMSI say: the kind of station and the state. A claim, not a proof.

Source: ITU-R M.585-9 (2022), Annex 1, for the forms; ITU Table of Maritime Identification Digits for the
states.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import ArrayLike, NDArray

KINDS = (
    "unknown",  # no form fits: often a ship with a number that was never its own
    "ship",  # MIDxxxxxx
    "group",  # 0MIDxxxxx
    "coast_station",  # 00MIDxxxx
    "sar_aircraft",  # 111MIDxxx
    "aid_to_navigation",  # 99MIDxxxx
    "auxiliary_craft",  # 98MIDxxxx
    "handheld",  # 8MIDxxxxx
    "sart_mob_epirb",  # 970, 972, 974
)
_UNKNOWN, _SHIP, _GROUP, _COAST, _AIRCRAFT, _ATON, _AUXILIARY, _HANDHELD, _BEACON = range(len(KINDS))
_FIRST_MID, _LAST_MID = 201, 775

# kind, what precedes the MID, how many digits follow it; nothing fits twice
_FORMS = (
    (_SHIP, 0, 6),
    (_GROUP, 0, 5),
    (_COAST, 0, 4),
    (_AIRCRAFT, 111, 3),
    (_ATON, 99, 4),
    (_AUXILIARY, 98, 4),
    (_HANDHELD, 8, 5),
)
_BEACONS = (970, 972, 974)


def kind_of(mmsi: ArrayLike) -> NDArray[np.str_]:
    """The kind of station, one of KINDS, that each MMSI (n,) has the form of; never raises.

    >>> kind_of([445123000, 2191000, 111232506, 992351000, 123456789]).tolist()
    ['ship', 'coast_station', 'sar_aircraft', 'aid_to_navigation', 'unknown']
    """
    return np.array(KINDS)[_kind_and_mid(mmsi)[0]]


def is_vessel(mmsi: ArrayLike) -> NDArray[np.bool_]:
    """Whether each MMSI (n,) can be a vessel's: ships, their craft, unknown ones but not 0; never raises.

    >>> is_vessel([445123000, 982350001, 123456789, 0, 2191000]).tolist()
    [True, True, True, False, False]
    """
    kind = _kind_and_mid(mmsi)[0]
    return np.asarray(np.isin(kind, (_SHIP, _AUXILIARY, _UNKNOWN)) & (np.asarray(mmsi) != 0))


def flag_of(mmsi: ArrayLike) -> NDArray[np.object_]:
    """The state, ISO 3166 alpha-2, whose digits each MMSI (n,) carries, None for no state; never raises.

    >>> flag_of([445123000, 982350001, 123456789]).tolist()
    ['KP', 'GB', None]
    """
    return _flags()[_kind_and_mid(mmsi)[1]]


@cache
def country_names() -> dict[str, str]:
    """Name of each state of the table by ISO 3166 alpha-2."""
    return {row["iso2"]: row["country"] for row in _rows()}


def _kind_and_mid(mmsi: ArrayLike) -> tuple[NDArray[np.int8], NDArray[np.int64]]:
    """Index into KINDS and the MID, 0 where there is none."""
    number = np.asarray(mmsi, np.int64)
    kind, mid = np.zeros(number.shape, np.int8), np.zeros(number.shape, np.int64)
    for form, before, after in _FORMS:
        candidate = number // 10**after - before * 1000
        fits = (candidate >= _FIRST_MID) & (candidate <= _LAST_MID)
        kind, mid = np.where(fits, np.int8(form), kind), np.where(fits, candidate, mid)
    return np.where(np.isin(number // 10**6, _BEACONS), np.int8(_BEACON), kind), mid


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
