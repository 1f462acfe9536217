"""Owns: what is damaged of a segment that was never packed is blanked, kept beside, and said; no more is touched."""

from __future__ import annotations

import random

from stswatch.pipeline.spool.closing import recover, settle
from stswatch.pipeline.spool.segments import header_of, segments
from stswatch.pipeline.spool.sums import beside
from tests.pipeline.damage import flip
from tests.pipeline.spool.spools import ByHand, bare, everything, spool


def killed(tmp_path):
    """A spool that was killed in the middle of a segment; gives the segment."""
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    for _ in range(20):
        spooled.append(bare(40))
        clock.pass_s(1.0)
        spooled.tick()
    (path,) = segments(spooled.folder)
    return path


def test_what_nobody_damaged_is_left_alone(tmp_path):
    path = killed(tmp_path)
    whole = path.read_bytes()
    assert beside(path).exists()
    assert recover(path.parent) == []
    assert path.read_bytes() == whole


def test_a_flipped_bit_costs_a_named_stretch(tmp_path):
    path = killed(tmp_path)
    whole, header, rng, named = path.read_bytes(), header_of(path), random.Random(1), 0
    for _ in range(60):
        flip(path, rng)
        spoilt = path.read_bytes()
        told, found = recover(path.parent), path.read_bytes()
        if told:
            named += 1
            assert len(found) == len(whole)
            wrong = [at for at in range(len(whole)) if found[at] != whole[at]]
            assert wrong[-1] - wrong[0] < 3 * len(whole) / 20
            assert not found[wrong[0] : wrong[-1] + 1].strip()
            assert str(path) in told[0]
            assert path.with_name(path.name + ".damaged").read_bytes() == spoilt
        assert header_of(path) == header
        path.write_bytes(whole)
    assert named > 50


def test_a_flipped_bit_in_the_checksums_spoils_nothing(tmp_path):
    path = killed(tmp_path)
    whole, sums, rng = path.read_bytes(), beside(path).read_bytes(), random.Random(1)
    for _ in range(60):
        flip(beside(path), rng)
        assert recover(path.parent) == []
        assert path.read_bytes() == whole
        beside(path).write_bytes(sums)


def test_they_go_with_the_plain_segment(tmp_path):
    path = killed(tmp_path)
    whole = everything(path.parent)
    settle(path.parent)
    assert [each.suffix for each in path.parent.iterdir()] == [".zst"]
    assert everything(path.parent) == whole
