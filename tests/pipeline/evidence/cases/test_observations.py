"""Owns: what others saw is read with its errors and grade, stands beside what is near it, and changes no score."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import pytest

from stswatch.pipeline import schema
from stswatch.pipeline.evidence import observations
from stswatch.pipeline.evidence.observations import ObservationError, observe
from stswatch.pipeline.store import case_log, case_queries
from tests.pipeline.evidence.cases.conftest import DARK, LEAD, tables
from tests.pipeline.store import build
from tests.pipeline.store.build import at

SEEN = """kind = "sar"
provider = "A radar satellite"
time = 2023-08-01T06:30:00Z
time_error_min = 1.0
lon = 124.81
lat = 38.41
error_km = 0.5
licence = "may be shown to recipients"
grade = "B2"
vessels = 2
"""


def seen(folder, name="seen.toml", text=SEEN, **more):
    path = folder / name
    path.write_text(text + "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items()))
    return path


def test_an_observation_is_kept_with_the_hash_of_what_is_attached(data, shown, tmp_path):
    (tmp_path / "scene.tif").write_bytes(b"pixels")
    path = seen(tmp_path, file="scene.tif", text=SEEN + 'text = "two hulls side by side"\n')
    first, again = observe(data, path, "Ann"), observe(data, path, "Bo")
    assert (first.new, again.new, again.entry) == (True, False, first.entry)
    row = build.rows(data, "FROM observations")[0]
    assert (row["file"], row["file_sha256"]) == ("scene.tif", hashlib.sha256(b"pixels").hexdigest())
    assert (row["reliability"], row["credibility"], row["time"]) == ("B", 2, at(6.5))
    assert (row["author"], row["names"], row["vessels"]) == ("Ann", [], 2)
    assert case_log.verified(data).finding is None


def test_toml_and_json_say_the_same(tmp_path):
    given = observations.read(seen(tmp_path))
    text = json.dumps({name: value for name, value in given.items() if value is not None})
    plain = json.loads(text) | {"grade": "B2"}
    for name in ("reliability", "credibility"):
        del plain[name]
    (tmp_path / "seen.json").write_text(json.dumps(plain))
    assert observations.read(tmp_path / "seen.json") == given


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("lon = 124.81", "lon = 224.81"), "lon = 224.81; degrees from -180 to 180"),
        (('grade = "B2"', 'grade = "B7"'), "grade = 'B7'; an Admiralty grade from A1 to F6"),
        (("06:30:00Z", "06:30:00"), "an ISO 8601 time with its zone"),
        (('kind = "sar"', 'kind = "rumour"'), "one of sighting, photograph"),
        (("error_km = 0.5\n", ""), "error_km lacks"),
        (("vessels = 2", "vessels = true"), "how many vessels"),
        (("vessels = 2", "ships = 2"), "no field ships"),
        (("vessels = 2", 'file = "absent.jpg"'), "cannot be read"),
        (("vessels = 2", 'file = "../seen.toml"'), "the name of a file beside this one"),
        (("vessels = 2", 'file = "/etc/hostname"'), "the name of a file beside this one"),
        (("vessels = 2", "mmsi = [1e99]"), "a list of numbers"),
        (("error_km = 0.5", "error_km = nan"), "error_km = nan"),
        ((SEEN, "kind = "), "is no toml"),
        ((SEEN, ""), "holds no observation"),
    ],
)
def test_what_is_no_observation_is_said(tmp_path, change, words):
    with pytest.raises(ObservationError, match=words):
        observations.read(seen(tmp_path, text=SEEN.replace(*change)))


def beside(data, **of):
    return [
        (row["case_id"], row["seq"], row["independent_indicator"])
        for row in case_queries.of_cases(data, "case_observations", **of)
    ]


def test_what_is_near_within_the_errors_stands_beside_the_event(data, tmp_path):
    observe(data, seen(tmp_path), "Ann")
    assert beside(data) == [(DARK, 1, True)]
    row = case_queries.of_cases(data, "case_observations")[0]
    assert row["apart_km"] == pytest.approx(1.41, abs=0.05)
    assert (row["apart_min"], row["named"]) == (0.0, False)
    far = SEEN.replace("lon = 124.81", "lon = 126.0")
    observe(data, seen(tmp_path, "far.toml", far), "Ann")
    late = SEEN.replace("06:30", "11:00")
    observe(data, seen(tmp_path, "late.toml", late), "Ann")
    assert beside(data) == [(DARK, 1, True)]
    observe(data, seen(tmp_path, "late2.toml", late.replace("time_error_min = 1.0", "time_error_min = 120.0")), "Ann")
    doubtful = SEEN.replace("B2", "F6").replace("sar", "sighting")
    observe(data, seen(tmp_path, "doubtful.toml", doubtful), "Ann")
    assert beside(data) == [(DARK, 1, True), (DARK, 4, True), (DARK, 5, False)]


def test_what_names_a_case_stands_beside_it_wherever_it_was(data, tmp_path):
    text = 'kind = "registry"\nprovider = "A register"\nlicence = "public"\ngrade = "A1"\n'
    observe(data, seen(tmp_path, text=text, cases=[LEAD], mmsi=[311000222]), "Ann")
    assert beside(data) == [(LEAD, 1, False)]
    assert case_queries.of_cases(data, "case_observations")[0]["names_vessel"] is True


def test_no_score_changes_and_the_case_says_so(data, shown, tmp_path, say):
    before = build.rows(data, "SELECT id, score, lead FROM dark_meetings")
    code, out, _ = say("observe", "add", seen(tmp_path), "--by", "Ann", "--data", data)
    assert (code, out[:30]) == (0, "entry 1: observation by Ann; h")
    assert build.rows(data, "SELECT id, score, lead FROM dark_meetings") == before
    for command in ("case", "explain"):
        page = say(command, DARK, "--data", data)[1]
        assert "An independent indicator stands beside this dark meeting. Its score does not change" in page
        assert "grade B2, 2 vessels" in page


def test_a_detection_near_which_nobody_was_heard_is_listed(data, tmp_path):
    fixes = [dict.fromkeys(schema.FIXES.names) | {
        "mmsi": 1, "time": at(6.6), "lon": 124.82, "lat": 38.42, "receiver": "terrestrial", "source": "s", "offset": 0,
        "length": 1}]  # fmt: skip
    build.write(data / "lake/fixes/2023-08-01T00/a.parquet", fixes, schema.FIXES)
    build.publish(data, build.output(data, "first", tables()), lake={"fixes": ["lake/fixes/2023-08-01T00/a.parquet"]})
    observe(data, seen(tmp_path), "Ann")
    observe(data, seen(tmp_path, "lone.toml", SEEN.replace("lat = 38.41", "lat = 38.0")), "Ann")
    found = case_queries.of_cases(data, "unmatched_detections")
    assert [(row["seq"], row["within_km"], row["within_min"]) for row in found] == [(2, 2.5, 16.0)]
    assert isinstance(found[0]["time"], datetime)
