"""What each vessel said of itself last."""

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import MINUTE
from stswatch.pipeline.tracks.fixes import valid
from stswatch.pipeline.tracks.vessel import STATIC_FIELDS, known
from tests.pipeline import seas

NOON = seas.NOON_US


def reports(*rows):
    """Static reports from (mmsi, minute, words)."""
    collected = [
        {"mmsi": m, "time": NOON + t * MINUTE, "source": "0" * 16, "offset": k, "length": 1, **words}
        for k, (m, t, words) in enumerate(rows)
    ]
    columns = {f.name: pa.array([row.get(f.name) for row in collected]).cast(f.type) for f in schema.STATIC_REPORTS}
    return pa.table(columns, schema=schema.STATIC_REPORTS)


def heard(*rows):
    table = seas.fixes([m for m, _ in rows], NOON + np.array([t for _, t in rows]) * MINUTE, 0.0, 0.0)
    return seas.in_order(valid(table), ("mmsi", "time"))


def test_of_each_word_the_one_told_last_and_when():
    collected = reports(
        (1, 5, {"name": "B", "imo": 2}),
        (1, 9, {"imo": 3}),
        (1, 1, {"name": "Z", "destination": "NAMPO"}),
        (2, 4, {"name": "C"}),
    )
    one, two = known(heard((1, 0), (1, 30)), collected).to_pylist()
    minute = {name: (one[f"{name}_time"].timestamp() * 1e6 - NOON) / MINUTE for name in ("name", "imo", "destination")}
    assert (one["name"], one["imo"], one["destination"]) == ("B", 3, "NAMPO")
    assert minute == {"name": 5, "imo": 9, "destination": 1}
    assert (one["fixes"], one["draught_m"], one["draught_m_time"]) == (2, None, None)
    assert (two["name"], two["fixes"], two["first_seen"], two["last_seen"]) == ("C", 0, None, None)


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_of_two_words_at_one_time_the_greater_whatever_the_order(order):
    collected = reports((1, 0, {"name": "A", "draught_m": 4.5}), (1, 0, {"name": "B", "draught_m": 4.0})).take(order)
    (row,) = known(heard(), collected).to_pylist()
    assert (row["name"], row["draught_m"]) == ("B", 4.5)


def test_flag_first_and_last_fix():
    (row,) = known(heard((445_123_456, 7), (445_123_456, 3)), schema.empty("static_reports")).to_pylist()
    assert row["flag"] == "KP"
    assert [(row[n].timestamp() * 1e6 - NOON) / MINUTE for n in ("first_seen", "last_seen")] == [3, 7]


def test_no_word_is_left_out():
    """Every column of a static report that the vessels table has is told."""
    assert {n for n in schema.VESSELS.names if f"{n}_time" in schema.VESSELS.names} == set(STATIC_FIELDS)
    assert known(heard(), schema.empty("static_reports")).schema == schema.VESSELS
