"""The committed recording is what the generator writes, is plainly simulated, and agrees with its truth."""

import csv
import gzip
import itertools
import json
import os
from pathlib import Path

import numpy as np
import pyais
import pytest

import stswatch.sample_ais
from stswatch.geo.sphere import haversine_m
from stswatch.sample_ais import generator, sea

HERE = Path(stswatch.sample_ais.__path__[0])
START_S = sea.START_S


@pytest.fixture(scope="module")
def truth():
    return json.loads((HERE / generator.TRUTH).read_text())


@pytest.fixture(scope="module")
def text():
    return gzip.decompress((HERE / generator.RECORDING).read_bytes())


@pytest.fixture(scope="module")
def messages(text):
    """(tag time, message) of every line, decoded by pyais with checksums held."""
    found = []
    lines = iter(text.splitlines())
    for line in lines:
        tag, sentence = line[1:].split(b"\\")
        assert f"{np.bitwise_xor.reduce(np.frombuffer(tag[:-3], np.uint8)):02X}".encode() == tag[-2:]
        parts = [sentence]
        if sentence.startswith(b"!AIVDM,2,1"):
            parts.append(next(lines).rsplit(b"\\", 1)[1])
        time_s = int(tag.split(b"c:")[1][:10])
        found.append((time_s, pyais.decode(*parts, error_if_checksum_invalid=True)))
    return found


@pytest.fixture(scope="module")
def tracks(messages):
    """Fixes (n, 3) of each MMSI: time, lon, lat."""
    rows = sorted((m.mmsi, t, m.lon, m.lat) for t, m in messages if m.msg_type in (1, 3, 18))
    return {k: np.array([r[1:] for r in g]) for k, g in itertools.groupby(rows, key=lambda r: r[0])}


def seconds(stamp):
    return np.datetime64(stamp.removesuffix("Z"), "s").astype(int)


def test_committed_is_what_the_generator_writes(text, tmp_path):
    # the text, not the gzip: builds of zlib may compress the same text in different ways
    recording, truth, table = generator.write(tmp_path, seed=1)
    assert gzip.decompress(recording.read_bytes()) == text
    assert truth.read_bytes() == (HERE / generator.TRUTH).read_bytes()
    assert table.read_bytes() == (HERE / generator.TABLE).read_bytes()
    again, *_ = generator.write(tmp_path / "again", seed=1)
    assert again.read_bytes() == recording.read_bytes()
    assert (HERE / generator.RECORDING).stat().st_size < 1_500_000


def test_the_table_holds_positions_of_the_recording(tracks):
    assert (HERE / generator.TABLE).stat().st_size < 300_000
    rows = list(csv.DictReader((HERE / generator.TABLE).read_text().splitlines()))
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert all(row["name"].startswith("SIM ") for row in rows)
    assert {int(row["mmsi"]) for row in rows} == set(tracks)
    assert len(rows) > 3_000
    for row in rows:
        fixes = tracks[int(row["mmsi"])]
        then = fixes[fixes[:, 0] == seconds(row["time"])]
        assert np.abs(then[:, 1:] - [float(row["lon"]), float(row["lat"])]).max(axis=1).min() < 6e-6


def test_another_seed_is_another_sea(text):
    assert generator.recording(sea.build(2), 2) != text


def test_everything_is_plainly_simulated(messages, truth):
    with (HERE / "flags.csv").open() as lines:
        flags = {row["mid"]: row for row in csv.DictReader(lines)}
    assert sum("DPRK" in row["role"] for row in flags.values()) == 1
    assert {str(m.mmsi)[:3] for _, m in messages} <= set(flags)
    names = {m.shipname for _, m in messages if m.msg_type == 5 or (m.msg_type == 24 and m.partno == 0)}
    assert len(names) >= 30
    assert all(name.startswith("SIM ") for name in names)
    calls = {m.callsign for _, m in messages if m.msg_type == 5 or (m.msg_type == 24 and m.partno == 1)}
    assert all(call.startswith("1S") for call in calls)
    assert all(m.imo < 5_000_000 for _, m in messages if m.msg_type == 5)
    assert truth["simulated"] is True
    assert truth["seed"] == 1


@pytest.mark.real
@pytest.mark.skipif("STSWATCH_REAL_DATA" not in os.environ, reason="STSWATCH_REAL_DATA does not name the real data")
def test_country_digits_belong_to_nobody(tracks):
    with (Path(os.environ["STSWATCH_REAL_DATA"]) / "geo" / "libais_mid.csv").open() as lines:
        given = {row["prefix"] for row in csv.DictReader(lines)}
    assert len(given) > 250
    assert not {str(mmsi)[:3] for mmsi in tracks} & given


def test_recording_is_in_time_order_but_for_delivery(messages):
    time_s = np.array([t for t, _ in messages])
    assert (time_s >= START_S).all()
    assert (time_s < START_S + 86_400).all()
    assert (np.diff(time_s) < 0).any()
    assert (np.maximum.accumulate(time_s) - time_s).max() <= 3
    kinds = {m.msg_type for _, m in messages}
    assert kinds == {1, 3, 5, 18, 24}


def test_meetings_of_the_truth_show_in_the_fixes(truth, tracks):
    shared = {row["mmsi"] for row in truth["shared_mmsi"]}
    seen = 0
    for meeting in truth["meetings"]:
        if meeting["silent_min"] or set(meeting["mmsi"]) & shared:
            continue
        grid = np.arange(seconds(meeting["start"]) + 180, seconds(meeting["end"]) - 180, 60)
        places = [[np.interp(grid, t[:, 0], t[:, k]) for k in (1, 2)] for t in (tracks[m] for m in meeting["mmsi"])]
        apart_m = haversine_m(*places[0], *places[1])
        assert np.median(apart_m) == pytest.approx(meeting["median_distance_m"], abs=25)
        assert (apart_m < 560).all()
        seen += 1
    assert seen >= 15


def test_the_sea_holds_what_it_promises(truth):
    assert 30 <= len({ship["mmsi"] for ship in truth["ships"]}) <= 40
    transfers = [m for m in truth["meetings"] if m["kind"] == "transfer"]
    assert len({m["scenario"] for m in transfers}) >= 6
    assert any(m["begun_before"] for m in transfers)
    assert any(m["goes_on_after"] for m in transfers)
    assert {"bunkering", "pilot", "tow", "pair_trawl", "anchorage", "moored"} <= {
        m["scenario"] for m in truth["meetings"] if m["kind"] == "look_alike"
    }
    assert {gap["cause"] for gap in truth["silences"]} == {"switched_off", "out_of_range", "equipment"}
    assert len(truth["shared_mmsi"]) == 1


def test_silences_of_the_truth_are_silent(truth, tracks):
    for gap in truth["silences"]:
        time_s = tracks[gap["mmsi"]][:, 0]
        end_s = seconds(gap["end"]) if gap["end"] else START_S + 86_400
        assert not ((time_s > seconds(gap["start"])) & (time_s < end_s)).any()
        assert (time_s <= seconds(gap["start"])).any()


def test_nobody_hops_but_the_two_hulls(truth, tracks):
    shared = {row["mmsi"] for row in truth["shared_mmsi"]}
    for mmsi, track in tracks.items():
        step_m = haversine_m(track[:-1, 1], track[:-1, 2], track[1:, 1], track[1:, 2])
        fastest_kn = (np.maximum(step_m - 50, 0) / np.diff(track[:, 0]).clip(1) * 3600 / 1852).max()
        assert (fastest_kn > 60) == (mmsi in shared), mmsi
