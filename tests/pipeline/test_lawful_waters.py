"""Owns: in archives of lawful waters no scorecard makes a lead of anything, and the lightering is found."""

from __future__ import annotations

import pyarrow as pa
import pytest

from stswatch.models import scorecard
from stswatch.pipeline import api
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import at_once
from tests.pipeline import seas

LIGHTERING = (241502000, 311000222)


def leads(real, name, columns=None):
    """Leads anywhere by each card and its own cut-off, and all encounters."""
    folder = real / "decoded"
    read = api.decode(folder / name, columns=folder / columns if columns else None)
    found = seas.with_context(at_once(read.fixes, read.static_reports, Rules()))
    flagged = {}
    for name in scorecard.NAMES:
        card = scorecard.chosen(name)
        flagged[name] = found.filter(pa.array(card.score(found)[0] >= card.cut_off.score)).to_pylist()
    return found.num_rows, flagged


@pytest.mark.parametrize(
    ("name", "columns", "encounters"),
    [
        ("baltic_2018-04-01_renumbered.csv.gz", None, 20),
        ("brest_2015-10_renumbered.csv.gz", "brest_columns.toml", 2),
        ("noaa_2022-01-03_99999.csv.gz", None, 0),
    ],
)
def test_moored_and_harbour_craft_are_no_leads(real, name, columns, encounters):
    found, flagged = leads(real, name, columns)
    assert found >= encounters
    assert flagged == {card: [] for card in scorecard.NAMES}


def test_the_lightering_in_the_gulf_is_the_one_lead_of_its_archive(real):
    _, flagged = leads(real, "gulf_mexico_2023-08-01_to_12.csv.gz")
    for rows in flagged.values():
        assert [(row["mmsi_a"], row["mmsi_b"]) for row in rows] == [LIGHTERING]
