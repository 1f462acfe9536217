"""What is not available is null, what cannot be used says why, and nothing else is touched."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stswatch.pipeline import schema
from stswatch.pipeline.decode.reports import (
    CHECKS,
    Claims,
    Evidence,
    Positions,
    fixes_table,
    further_parts,
    statics_table,
)

SHIP = 431000123


def table(**columns):
    n = len(next(iter(columns.values())))
    given_ = {"mmsi": np.full(n, SHIP, np.int32), "time_us": np.full(n, 10**15), "lon": np.ones(n), "lat": np.ones(n)}
    given_ |= {name: np.array(values) for name, values in columns.items()}
    evidence = Evidence("0" * 16, np.arange(n), np.ones(n, np.int32))
    return fixes_table(Positions(**given_), evidence, "unknown")


def test_the_values_of_the_standard_for_not_available_are_null():
    rows = table(
        lon=[181.0, 1.0], lat=[1.0, 91.0], sog_kn=[102.3, 63.0], cog_deg=[360.0, 511.0], heading_deg=[511.0, np.nan],
        status=[15.0, np.nan],
    )  # fmt: skip
    for name in ("sog_kn", "cog_deg", "heading_deg", "status"):
        assert rows[name].to_pylist() == [None, None]
    assert (rows["lon"][0].as_py(), rows["lat"][1].as_py()) == (None, None)
    assert rows["invalid_reason"].to_pylist() == ["no_position", "no_position"]


def test_the_last_values_that_are_available_stay():
    rows = table(sog_kn=[102.2], cog_deg=[359.9], heading_deg=[359.0], status=[14.0], lon=[-180.0], lat=[90.0])
    assert rows["heading_deg"].to_pylist() + rows["status"].to_pylist() == [359, 14]
    assert abs(rows["sog_kn"][0].as_py() - 102.2) < 1e-4
    assert (rows["lon"][0].as_py(), rows["lat"][0].as_py(), rows["invalid_reason"][0].as_py()) == (-180.0, 90.0, None)


def test_each_reason_is_told():
    rows = table(
        mmsi=np.array([0, 2191000, SHIP, SHIP, SHIP, SHIP, 1_073_741_823], np.int32),
        lon=[1.0, 1.0, np.nan, 200.0, 0.0, 0.0, 1.0],
        lat=[1.0, 1.0, 1.0, 1.0, 0.0, 5.0, 1.0],
    )
    printed = ["bad_mmsi", "not_a_vessel", "no_position", "out_of_range", "null_island", None, "bad_mmsi"]
    assert rows["invalid_reason"].to_pylist() == printed
    assert {check.__name__ for check in CHECKS} == set(filter(None, printed))


def test_a_check_is_a_named_sentence_of_plain_columns():
    mmsi, lon, lat = np.array([SHIP, 0], np.int32), np.array([0.0, np.nan]), np.array([0.0, 1.0])
    for column in (mmsi, lon, lat):
        column.flags.writeable = False
    for check in CHECKS:
        assert check.__doc__.endswith(".")
        assert check(mmsi, lon, lat).shape == (2,)
        assert check(mmsi[:0], lon[:0], lat[:0]).shape == (0,)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1))
def test_no_number_makes_it_raise(values):
    rows = table(lon=values, lat=values, sog_kn=values, cog_deg=values, heading_deg=values, status=values)
    rows.validate(full=True)
    assert rows.schema.equals(schema.FIXES, check_metadata=True)


def test_parts_after_the_first_are_kept_as_evidence():
    more = further_parts(np.array([1]), np.array([150]), np.array([20], np.int32), 3)
    evidence = Evidence("0" * 16, np.array([5, 90, 200]), np.ones(3, np.int32), more)
    rows = evidence.take(np.array([1, 2]))
    assert rows.columns()[3].to_pylist() == [[{"offset": 150, "length": 20}], None]


def test_dimensions_of_zero_are_null_unless_the_antenna_is_at_the_edge():
    evidence = Evidence("0" * 16, np.arange(2), np.ones(2, np.int32))
    sides = {"to_bow_m": [0.0, 0.0], "to_stern_m": [0.0, 30.0], "to_port_m": [0.0, 4.0], "to_starboard_m": [0.0, 4.0]}
    claims = Claims(np.full(2, SHIP, np.int32), np.full(2, 10**15), imo=np.array([0.0, 9187629.0]),
                    **{name: np.array(value) for name, value in sides.items()})  # fmt: skip
    rows = statics_table(claims, evidence)
    assert rows["length_m"].to_pylist() == [None, 30.0]
    assert rows["to_bow_m"].to_pylist() == [None, 0]
    assert rows["imo"].to_pylist() == [None, 9187629]
    assert rows.schema.equals(schema.STATIC_REPORTS, check_metadata=True)
