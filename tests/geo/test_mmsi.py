"""Owns: the form of an MMSI and its flag follow ITU-R M.585, and a number that fits no form is unknown."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo import mmsi

MID = st.integers(201, 775)


def by_digits(number):
    """The same rules read off the nine digits, one number at a time."""
    text = f"{number:09d}"
    forms = (("ship", ""), ("group", "0"), ("coast_station", "00"), ("sar_aircraft", "111"))
    forms += (("aid_to_navigation", "99"), ("auxiliary_craft", "98"), ("handheld", "8"))
    if text[:3] in ("970", "972", "974"):
        return "sart_mob_epirb"
    return next(
        (k for k, p in forms if text.startswith(p) and 201 <= int(text[len(p) : len(p) + 3]) <= 775),
        "unknown",
    )


@given(st.lists(st.one_of(st.integers(0, 999_999_999), st.integers(0, 99_999_999)), max_size=50))
def test_kinds_are_those_read_off_the_digits(numbers):
    assert mmsi.kind_of(np.array(numbers, np.int64)).tolist() == [by_digits(n) for n in numbers]


@given(MID, st.integers(0, 999))
def test_every_form_of_a_state_carries_its_flag(mid, rest):
    forms = [mid * 10**6 + rest, mid * 10**5 + rest, mid * 10**4 + rest, 111 * 10**6 + mid * 1000 + rest]
    forms += [
        99 * 10**7 + mid * 10**4 + rest,
        98 * 10**7 + mid * 10**4 + rest,
        8 * 10**8 + mid * 10**5 + rest,
    ]
    assert len(set(mmsi.flag_of(forms).tolist())) == 1
    assert mmsi.kind_of(forms).tolist() == list(mmsi.KINDS[1:8])


@pytest.mark.parametrize("number", [123456789, 999999999, 111111111, 800000000, 990000000, 1, 776000000, 200000001])
def test_a_number_of_no_form_is_unknown_and_may_be_a_vessel(number):
    assert mmsi.kind_of([number]).tolist() == ["unknown"]
    assert mmsi.is_vessel([number]).tolist() == [True]
    assert mmsi.flag_of([number]).tolist() == [None]


def test_only_ships_their_craft_and_unknown_numbers_are_vessels():
    numbers = [
        445123000,
        983661234,
        123456789,
        0,
        44512300,
        2191000,
        111232506,
        992351000,
        972123456,
        823212345,
    ]
    assert mmsi.is_vessel(numbers).tolist() == [True] * 3 + [False] * 7


def test_a_mid_that_no_state_has_gives_no_flag():
    assert mmsi.flag_of([217000000, 445000000]).tolist() == [None, "KP"]
    assert mmsi.kind_of([217000000]).tolist() == ["ship"]


def test_shapes_and_types_of_integers_pass():
    assert mmsi.kind_of(np.array([], np.int32)).shape == mmsi.flag_of([]).shape == (0,)
    assert mmsi.kind_of(np.array([999999999], np.int32)).tolist() == ["unknown"]
    assert mmsi.is_vessel(np.array([445000000], np.int32)).dtype == bool


def test_the_table_names_each_state_once():
    names = mmsi.country_names()
    assert all(len(code) == 2 and code.isupper() for code in names)
    assert len(set(names.values())) == len(names) > 200
    assert names["KP"] == "Democratic People's Republic of Korea"


@pytest.mark.real
@pytest.mark.skipif("STSWATCH_REAL_DATA" not in os.environ, reason="STSWATCH_REAL_DATA names no folder of real data")
def test_every_mid_of_an_independent_table_has_a_flag():
    with (Path(os.environ["STSWATCH_REAL_DATA"]) / "geo" / "libais_mid.csv").open() as file:
        theirs = {int(row["prefix"]): row["country"] for row in csv.DictReader(file)}
    assert len(theirs) > 280
    flags = mmsi.flag_of([mid * 10**6 for mid in theirs]).tolist()
    assert None not in flags
    names = mmsi.country_names()
    same = [
        names[f].split()[0].lower()[:4] in country.lower() for f, country in zip(flags, theirs.values(), strict=True)
    ]
    assert sum(same) / len(same) > 0.95  # the rest are renamed states and overseas territories
