"""Owns: one flipped bit in any file that an answer rests on is found and named by `verify --all`."""

from __future__ import annotations

import random
import shutil

import pytest

from stswatch.pipeline import api
from stswatch.pipeline.evidence import decisions
from stswatch.pipeline.evidence.upkeep import damage_of
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.writer import Limits, Spool
from stswatch.pipeline.store import case_log
from tests.pipeline.damage import flip
from tests.pipeline.live.replay import lines

KINDS = {
    "input": "../*.csv",
    "positions": "lake/fixes/*/*.parquet",
    "names": "lake/static_reports/*/*.parquet",
    "slices": "slices/*/*.parquet",
    "states": "slices/*/state/*.arrow",
    "database": "snapshots/*.duckdb",
    "pristine": "snapshots/pristine/*.duckdb",
    "manifest": "snapshots/pristine/*.json",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_named(kind, met, tmp_path):
    files, data = met
    shutil.copytree(data, tmp_path / "data", symlinks=True)
    rng = random.Random(kind)
    for seed in range(4):
        if kind == "input":
            whole = rng.choice(files)
        else:
            whole = rng.choice(sorted(path for path in (tmp_path / "data").glob(KINDS[kind]) if path.stat().st_size))
        before, mode = whole.read_bytes(), whole.stat().st_mode
        flip(whole, rng)
        try:
            if kind == "input":
                found = [api.verify(tmp_path / "data", every=True).first_fault()]
            else:
                found = [each.fault for each in damage_of(tmp_path / "data") if each.fault]
        finally:
            whole.chmod(0o644)
            whole.write_bytes(before)
            whole.chmod(mode)
        assert len(found) == 1, (seed, whole)
        assert whole.name in found[0]
    assert [each.fault for each in damage_of(tmp_path / "data") if each.fault] == []


def test_a_row_of_the_catalogue_that_changed_is_named(met, tmp_path):
    shutil.copytree(met[1], tmp_path / "data", symlinks=True)
    path = tmp_path / "data" / "catalogue.sqlite"
    content = path.read_bytes()
    at = content.index(b'"slab_us"') + 3
    path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    report = api.verify(tmp_path / "data", every=True)
    assert "catalogue.sqlite" in report.first_fault()
    assert not report.events


@pytest.mark.parametrize("packed", [True, False])
def test_a_flipped_bit_of_a_spool_is_named(packed, tmp_path, met):
    shutil.copytree(met[1], tmp_path / "data", symlinks=True)
    spool = Spool(tmp_path / "data" / "spool", "rec", "nmea", RecordedClock(), Limits(sync_s=0.0))
    text = lines(1.5)
    for at in range(0, len(text), 200):
        spool.append(b"".join(text[at : at + 200]))
        spool._packer.go()
    spool._packer.finish()
    ending = ".zst" if packed else ".nmea"
    segment = next(path for path in sorted(spool.folder.iterdir()) if path.name.endswith(ending))
    assert [each.fault for each in damage_of(tmp_path / "data") if each.fault] == []
    rng = random.Random(packed)
    for _ in range(6):
        before = segment.read_bytes()
        flip(segment, rng)
        found = [each.fault for each in damage_of(tmp_path / "data") if each.fault]
        segment.write_bytes(before)
        assert len(found) == 1
        assert segment.name in found[0]


def test_a_flipped_bit_of_the_log_of_decisions_is_named(met, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(met[1], data, symlinks=True)
    with api.connect(data) as db:
        (event,) = db.sql("SELECT id FROM encounters ORDER BY id LIMIT 1").fetchall()[0]
    for note in ("looked at", "looked at again"):
        decisions.decide(data, event, "watch", "A. Lee", note, (), (), None)
    log, rng = data / case_log.NAME, random.Random(3)
    for _ in range(6):
        before = log.read_bytes()
        flip(log, rng)
        found = [each.fault for each in damage_of(data) if each.fault]
        log.write_bytes(before)
        assert len(found) == 1
        assert case_log.NAME in found[0]
    assert [each.fault for each in damage_of(data) if each.fault] == []
