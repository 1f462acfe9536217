"""Owns: in archives of lawful waters the default scorecard makes leads of next to nothing, and finds the lightering."""

from __future__ import annotations

import pytest

from stswatch.models import scorecard
from stswatch.pipeline import api
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import at_once

LIGHTERING = (241502000, 311000222)


def leads(real, name, columns=None):
    """Leads anywhere, of all encounters, by the card and the cut-off that a run uses unasked."""
    folder = real / "decoded"
    read = api.decode(folder / name, columns=folder / columns if columns else None)
    found = at_once(read.fixes, read.static_reports, Rules())["encounters"].to_pylist()
    return found, [row for row in found if row["score"] >= scorecard.load().cut_off.score]


@pytest.mark.parametrize(
    ("name", "columns", "encounters", "at_most"),
    [
        ("baltic_2018-04-01_renumbered.csv.gz", None, 20, 0),
        ("brest_2015-10_renumbered.csv.gz", "brest_columns.toml", 5, 1),
        ("noaa_2022-01-03_99999.csv.gz", None, 0, 0),
    ],
)
def test_moored_and_harbour_craft_are_no_leads(real, name, columns, encounters, at_most):
    found, flagged = leads(real, name, columns)
    assert len(found) >= encounters
    assert len(flagged) <= at_most


def test_the_lightering_in_the_gulf_is_the_one_lead_of_its_archive(real):
    _, flagged = leads(real, "gulf_mexico_2023-08-01_to_12.csv.gz")
    assert [(row["mmsi_a"], row["mmsi_b"]) for row in flagged] == [LIGHTERING]
