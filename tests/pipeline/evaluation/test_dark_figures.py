"""Dark meetings beside a truth: which true ones count, which rows are theirs, how leads that are none are counted."""

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.evaluation.dark_figures import dark_figures, dark_text
from tests.pipeline.meetings.test_dark import BEGIN, found, guest, plain, traffic, wait

HOST, GUEST, OTHER = 273_000_001, 445_000_001, 440_000_001


def truth(*rows):
    """Rows of (mmsi_a, mmsi_b, start hour, end hour, kind)."""
    a, b, start, end, kind = zip(*rows, strict=True)
    times = {
        name: pa.array(BEGIN + (np.array(hours) * HOUR).astype(np.int64)).cast(schema.UTC)
        for name, hours in (("start", start), ("end", end))
    }
    return pa.table({"mmsi_a": pa.array(a, pa.int32()), "mmsi_b": pa.array(b, pa.int32()), **times, "kind": kind})


def sea(*silences, waits=None):
    """The tables of a sea of which so much fell silent."""
    judged = plain(traffic(20, 1), *silences)
    loitering = waits or schema.empty("loitering")
    return {"judged_gaps": judged, "loitering": loitering, "dark_meetings": found(judged, loitering)}


def test_a_guest_in_the_dark_is_found_and_a_lead():
    tables = sea(guest(), waits=wait())
    figures = dark_figures(tables, truth((HOST, GUEST, 604, 608, "transfer")), 4000)
    assert figures["one_dark"] == {"number": 1, "silenced": 1, "found": 1, "leads": 1}
    assert (figures["leads"], figures["false_leads"], figures["vessel_days"]) == (1, 0, 4000)
    assert figures["leads_a_day"] == {"1000": 0.25, "2000": 0.5}


@pytest.mark.parametrize(
    "meeting",
    [(HOST, GUEST, 604, 605.5, "transfer"), (HOST, GUEST, 604, 608, "look_alike"), (HOST, GUEST, 598, 608, "transfer")],
)
def test_what_is_too_short_lawful_or_not_within_the_silence_does_not_count(meeting):
    assert "one_dark" not in dark_figures(sea(guest(), waits=wait()), truth(meeting), 4000)


def test_a_lead_of_others_than_met_is_none():
    figures = dark_figures(sea(guest(), waits=wait()), truth((HOST, OTHER, 604, 608, "transfer")), 1000)
    assert (figures["leads"], figures["false_leads"], figures["false_per_2000"]) == (1, 1, 2.0)


def test_two_in_the_dark_are_found_as_candidates():
    tables = sea(guest(), guest(mmsi=OTHER, km=30.0))
    figures = dark_figures(tables, truth((OTHER, GUEST, 604, 608, "transfer")), 4000)
    assert figures["both_dark"] == {"number": 1, "silenced": 1, "found": 1, "leads": 0}


def test_the_table_has_a_line_for_each_sea():
    figures = dark_figures(sea(guest(), waits=wait()), truth((HOST, GUEST, 604, 608, "transfer")), 4000)
    text = dark_text([{"sea": "ordinary", "seed": 7, "days": 35.0} | figures])
    assert text.splitlines()[-1] == "| ordinary | 7 | 1 | 1 | 1 | 1 | 0 | 0 | 0 | 0 | 4,000 | 0 | 0.00 | 0.25 | 0.50 |"
    assert dark_text(None) == ""
