"""Owns: the form of an MMSI and its flag follow ITU-R M.585, and a number that fits no form is unknown."""

import csv
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stswatch.geo.reference import mmsi

MID = st.integers(201, 775)
FORMS = (  # the first that fits
    ("base_station", "00(MID)5..."), ("coast_station", "00(MID)...."), ("group", "0(MID)....."),
    ("sar_aircraft", "111(MID)..."), ("aid_to_navigation", "99(MID)...."), ("auxiliary_craft", "98(MID)...."),
    ("handheld", "8(MID)....."), ("sart", "970......"), ("mob", "972......"), ("epirb", "974......"),
    ("autonomous_device", "979......"), ("ship", "(MID)......"),
)  # fmt: skip


def by_digits(number):
    """Kind and MID read off the nine digits, one number at a time."""
    for kind, form in FORMS:
        found = re.fullmatch(form.replace("MID", "..."), f"{number:09d}")
        mid = int(found[1]) if found and found.groups() else None
        if found and (mid is None or 201 <= mid <= 775):
            return kind, mid
    return "unknown", None


@given(st.lists(st.one_of(st.integers(0, 999_999_999), st.integers(0, 99_999_999)), max_size=50))
def test_kinds_and_states_are_those_read_off_the_digits(numbers):
    read = [by_digits(n) for n in numbers]
    assert mmsi.kind_of(np.array(numbers, np.int64)).tolist() == [kind for kind, _ in read]
    states = [mmsi.flag_of([mid * 10**6])[0] if mid else None for _, mid in read]
    assert mmsi.flag_of(np.array(numbers, np.int64)).tolist() == states


@given(st.sampled_from(FORMS), MID, st.integers(0, 999_999))
def test_every_kind_is_read_off_its_own_form(form, mid, rest):
    kind, pattern = form
    digits = pattern.replace("(MID)", f"{mid}")
    digits = digits[: digits.find(".")] + f"{rest:06d}"[-digits.count(".") :]
    assert len(digits) == 9
    expected = "base_station" if kind == "coast_station" and digits[5] == "5" else kind
    assert mmsi.kind_of([int(digits)]).tolist() == [expected]
    assert by_digits(int(digits))[0] == expected


@given(MID, st.integers(0, 999))
def test_every_form_of_a_state_carries_its_flag(mid, rest):
    forms = [mid * 10**6 + rest, mid * 10**5 + rest, mid * 10**4 + rest, 111 * 10**6 + mid * 1000 + rest]
    forms += [
        99 * 10**7 + mid * 10**4 + rest,
        98 * 10**7 + mid * 10**4 + rest,
        8 * 10**8 + mid * 10**5 + rest,
    ]
    assert len(set(mmsi.flag_of(forms).tolist())) == 1
    kinds = set(mmsi.kind_of(forms).tolist())
    assert kinds >= {"ship", "group", "sar_aircraft", "aid_to_navigation", "auxiliary_craft", "handheld"}


@pytest.mark.parametrize(
    "number", [123456789, 999999999, 111111111, 800000000, 990000000, 1, 776000000, 200000001, 971000000, 9990000]
)
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
        4405001,
        970123456,
        972123456,
        974123456,
        979123456,
        823212345,
    ]
    assert mmsi.is_vessel(numbers).tolist() == [True] * 3 + [False] * 11


def test_a_mid_that_no_state_has_gives_no_flag():
    assert mmsi.flag_of([217000000, 445000000]).tolist() == [None, "KP"]
    assert mmsi.kind_of([217000000]).tolist() == ["ship"]


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint32])
def test_any_type_of_integer_passes(kind):
    assert mmsi.kind_of(np.array([999999999, 445000000], kind)).tolist() == ["unknown", "ship"]
    assert mmsi.is_vessel(np.array([445000000], kind)).dtype == bool
    for function in (mmsi.kind_of, mmsi.is_vessel, mmsi.flag_of):
        assert function(np.array([], kind)).shape == function([]).shape == (0,)
        assert function(np.array([[445000000], [1]], kind)).shape == (2, 1)


def test_what_has_not_one_to_nine_digits_is_no_vessel_and_has_no_state():
    numbers = [0, -445000000, -1, 1_000_000_000, 4_450_000_000, -(2**63), 2**63 - 1]
    assert mmsi.kind_of(numbers).tolist() == ["unknown"] * 7
    assert not mmsi.is_vessel(numbers).any()
    assert mmsi.flag_of(numbers).tolist() == [None] * 7


@pytest.mark.parametrize("bad", [[445000000.0], [np.nan], ["445000000"], [None]])
def test_what_is_no_whole_number_is_refused(bad):
    for function in (mmsi.kind_of, mmsi.is_vessel, mmsi.flag_of):
        with pytest.raises(TypeError, match="whole numbers"):
            function(bad)


def test_the_table_names_each_state_once():
    names = mmsi.country_names()
    assert all(len(code) == 2 and code.isupper() for code in names)
    assert len(set(names.values())) == len(names) > 200
    assert names["KP"] == "Democratic People's Republic of Korea"


RENAMED = {  # by MID: states that have changed their names or are written otherwise, and territories under their state
    208: "VA", 271: "TR", 274: "MK", 306: "CW", 501: "TF", 607: "TF", 608: "SH", 618: "TF", 619: "CI", 635: "TF",
    660: "RE", 669: "SZ",
}  # fmt: skip


@pytest.mark.real
def test_every_mid_of_an_independent_table_has_the_same_state(real):
    with (real / "geo" / "libais_mid.csv").open() as file:
        theirs = {int(row["prefix"]): row["country"].lower() for row in csv.DictReader(file)}
    assert len(theirs) > 280
    names = mmsi.country_names()
    for mid, country in theirs.items():
        flag = mmsi.flag_of([mid * 10**6])[0]
        assert flag == RENAMED[mid] if mid in RENAMED else names[flag].split()[0].lower()[:4] in country, (mid, flag)


def test_the_table_has_the_mids_allocated_since_too():
    assert sum(flag is not None for flag in mmsi.flag_of(np.arange(201, 776) * 10**6)) == 292
    assert mmsi.flag_of([374_000_000, 471_000_000, 550_000_000]).tolist() == ["PA", "AE", "TL"]
