"""Owns: `stswatch explain --picture` draws an encounter of a real run, and says in a sentence what is amiss."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from stswatch.pipeline import api
from stswatch.pipeline.batch import HOUR
from stswatch.pipeline.pictures import image_file
from stswatch.pipeline.pictures.courses import needed_us
from stswatch.pipeline.pictures.image_file import PictureError
from stswatch.pipeline.rule_files import from_json
from stswatch.pipeline.rules import Rules
from stswatch.pipeline.store import queries
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The folder of a run over a small sea."""
    folder = tmp_path_factory.mktemp("sea")
    rows = archive.fleet(hours=6.0, pairs=6, anchored=2, fast=0)
    api.run([archive.write(folder / "a.csv", rows)], folder / "data", area="world")
    return folder / "data"


def test_explain_draws_the_encounter_beside_its_words(data, say, tmp_path):
    lead = api.leads(data, 1)[0]["id"]
    target = tmp_path / "lead.png"
    code, words, error = say("explain", lead, "--data", data, "--picture", target)
    assert (code, error) == (0, "")
    assert words == say("explain", lead, "--data", data)[1] + f"picture of {lead}: {target}\n"
    assert Image.open(io.BytesIO(target.read_bytes())).size == (1753, 1240)
    assert [path.name for path in tmp_path.iterdir()] == ["lead.png"], "nothing else is left behind"


def test_without_an_id_it_is_the_first_lead_and_quiet_says_where_the_picture_lies(data, say, tmp_path):
    lead, target = api.leads(data, 1)[0]["id"], tmp_path / "first.pdf"
    code, words, _ = say("explain", "--data", data, "--picture", target, "--quiet")
    assert (code, words) == (0, f"picture of {lead}: {target}\n")
    assert target.read_bytes().startswith(b"%PDF")
    assert say("explain", "--data", data)[1].startswith(lead)


def test_what_is_amiss_is_said_in_one_sentence(data, say, tmp_path):
    (tmp_path / "folder.png").mkdir()
    for words, code, printed in (
        (["--picture", tmp_path / "a.jpg"], 2, "a.jpg: is no name for a picture; end it with .png, .svg or .pdf"),
        (["--picture", tmp_path / "none"], 2, "none: is no name for a picture"),
        (["--picture", tmp_path / "no" / "a.png"], 1, "a.png: cannot be written (no folder "),
        (["--picture", tmp_path / "folder.png"], 1, "folder.png: cannot be written (is a folder); give a file in"),
        (["X", "--picture", tmp_path / "a.png"], 1, "no encounter 'X'"),
    ):
        found, out, error = say("explain", "--data", data, "--quiet", *words)
        assert (found, out) == (code, "")
        assert printed in error
        assert "Traceback" not in error
        assert error.count("\n") == (1 if code == 1 else 2)
    with pytest.raises(PictureError, match=r"a.png: cannot be written \(File name too long\); give"):
        image_file.write(tmp_path / ("x" * 300 + "a.png"), b"")
    assert [path.name for path in tmp_path.iterdir()] == ["folder.png"]
    assert not list((tmp_path / "folder.png").iterdir())


def test_a_picture_that_cannot_be_made_leaves_the_old_one(data, tmp_path):
    target = tmp_path / "lead.png"
    target.write_bytes(b"old")
    with pytest.raises(ValueError, match="no encounter"):
        api.draw_encounter(target, data, "X")
    with pytest.raises(PictureError, match="no name for a picture"):
        api.draw_encounter(tmp_path / "lead.txt", data)
    assert target.read_bytes() == b"old"


def test_tracks_are_the_fixes_of_two_vessels_in_a_span(data):
    row = api.encounter(data)
    rules = from_json(row["run"]["rules"])
    assert rules == replace(Rules(), lead=rules.lead)  # of which the cut-off is the card's
    first_us, last_us = needed_us(row, rules)
    middle_us = (first_us + last_us) // 2
    with closing(api.connect(data)) as db:
        every = db.sql("SELECT mmsi, epoch_us(time) AS us, lon, lat FROM fixes").fetchnumpy()
    for span in ((first_us, last_us), (middle_us, middle_us + HOUR)):
        found = queries.tracks(data, [row["mmsi_a"], row["mmsi_b"]], span)
        wanted = np.isin(every["mmsi"], [row["mmsi_a"], row["mmsi_b"]])
        wanted &= (every["us"] >= span[0]) & (every["us"] <= span[1])
        assert found.num_rows == wanted.sum() > 10
        assert np.sort(np.asarray(found["lon"])).tolist() == np.sort(every["lon"][wanted]).tolist()
    assert queries.tracks(data, [1], (first_us, last_us)).num_rows == 0


def test_a_lake_that_is_gone_is_said(data, say, tmp_path):
    other = tmp_path / "data"
    other.mkdir()
    for path in data.rglob("*"):
        if path.is_file() and "fixes" not in path.parts:
            (other / path.relative_to(data)).parent.mkdir(parents=True, exist_ok=True)
            (other / path.relative_to(data)).write_bytes(path.read_bytes())
    code, _, error = say("explain", "--data", other, "--picture", tmp_path / "a.png", "--quiet")
    assert code == 1
    assert "its lake cannot be read" in error
    assert error.count("\n") == 1
