"""Owns: a spool is read as it is written, each line once and with its arrival, from any position and in any pieces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stswatch.pipeline.spool.closing import Keep, forget, settle
from stswatch.pipeline.spool.segments import Position, reading, segment_of, segments, sources_of
from stswatch.pipeline.spool.tail import Piece, Tail
from tests.pipeline.spool.spools import NOON_US, ByHand, bare, collected, everything, spool


def arrivals_of(piece: Piece) -> list[tuple[bytes, int | None]]:
    """Each line of the source with its arrival."""
    lines = piece.text.splitlines(keepends=True)
    starts = piece.base + np.cumsum([0, *map(len, lines)])[:-1]
    return list(zip(lines, piece.arrivals.at(starts).tolist(), strict=True))


CALLS = st.lists(
    st.one_of(
        st.integers(1, 400).map(lambda n: ("lines", n)),
        st.integers(0, 20_000).map(lambda n: ("read", n)),
        st.sampled_from([("rotate", 0), ("pack", 0), ("anew", 0), ("let go", 0)]),
    ),
    max_size=30,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS)
def test_every_line_is_read_once_with_its_arrival(tmp_path_factory, calls):
    clock, written, found = ByHand(), [], []
    spooled = spool(tmp_path_factory.mktemp("spool"), clock, sync_s=0.0)
    tail = Tail(spooled.folder)
    for call, number in calls:
        if call == "lines":
            clock.pass_s(0.25)
            lines = collected(range(1_700_000_000 + len(written), 1_700_000_000 + len(written) + number))
            spooled.append(lines)
            written += [(line, clock.us) for line in lines.splitlines(keepends=True)]
        elif call == "read":
            if (piece := tail.read(spooled.acknowledged, number)) is not None:
                found += arrivals_of(piece)
                assert piece.after == tail.position <= spooled.acknowledged
        elif call == "rotate":
            spooled.rotate()
        elif call == "pack":
            spooled._packer.finish()
        elif call == "anew":
            tail = Tail(spooled.folder, tail.position)
        else:
            tail.close()
    for piece in tail.all(spooled.acknowledged):
        found += arrivals_of(piece)
    assert found == written
    assert tail.read(spooled.acknowledged) is None


def test_pieces_are_bounded(tmp_path):
    spooled = spool(tmp_path)
    spooled.append(bare(2000))
    spooled.close()
    pieces = list(Tail(spooled.folder).all(at_most=20_000))
    assert max(len(piece.text) for piece in pieces) <= 20_000
    assert len(pieces) >= 5
    assert b"".join(piece.text for piece in pieces) == everything(spooled.folder)


def test_a_segment_that_is_gone_is_passed_over(tmp_path):
    clock = ByHand()
    spooled = spool(tmp_path, clock)
    for _ in range(4):
        spooled.append(collected([clock.us // 1_000_000]))
        clock.pass_s(3600.0)
    spooled.close()
    names = [segment_of(path) for path in segments(spooled.folder)]
    tail = Tail(spooled.folder, Position(names[0], 10))
    assert forget(spooled.folder, set(names[:2]), Keep(age_us=1), clock.us, clock.us) == names[:2]
    (third, fourth) = tail.all()
    assert (third.segment, third.base, fourth.segment) == (names[2], 0, names[3])
    assert third.header.previous == names[1]


def test_what_is_packed_while_it_is_looked_at_is_there_all_the_time(tmp_path):
    """Between finding the name of a file and opening it there is time for it to be packed, and for us to lose it."""
    clock = ByHand()
    spooled = spool(tmp_path, clock, sync_s=0.0)
    spooled.append(collected([clock.us // 1_000_000]))
    over = Event()

    def rotate() -> None:
        while not over.is_set():
            clock.pass_s(1.0)
            spooled.append(collected([clock.us // 1_000_000]))
            spooled.rotate()
            spooled._packer.finish()

    with ThreadPoolExecutor(1) as beside:
        rotating = beside.submit(rotate)
        tail, read = Tail(spooled.folder), 0
        try:
            while read < 100 and not rotating.done():
                assert [each.name for each in sources_of(tmp_path / "spool")] == ["busan"]
                for piece in tail.all(spooled.acknowledged):
                    read += len(arrivals_of(piece))
        finally:
            over.set()
        rotating.result()
    read += sum(len(arrivals_of(piece)) for piece in tail.all(spooled.acknowledged))
    assert read == spooled.counts().lines


def test_what_is_being_begun_is_waited_for(tmp_path):
    folder = tmp_path / "spool" / "busan"
    folder.mkdir(parents=True)
    tail = Tail(folder)
    assert tail.read() is None
    path = folder / "20251125T120000.000Z.nmea"
    path.write_bytes(b"")
    assert tail.read() is None
    path.unlink()
    spooled = spool(tmp_path, ByHand(NOON_US), sync_s=0.0)
    spooled.append(bare(1))
    piece = tail.read()
    assert piece is not None
    assert piece.arrivals.time_us.tolist() == [NOON_US]


def test_a_spool_that_nobody_writes_can_be_settled_and_read(tmp_path):
    spooled = spool(tmp_path, sync_s=0.0)
    spooled.append(bare(5))
    path = segments(spooled.folder)[0]
    whole = everything(spooled.folder)
    with path.open("ab") as file:
        file.write(b"!AIVDM,half a li")
    settle(spooled.folder)
    assert [each.name for each in segments(spooled.folder)] == [path.name + ".zst"]
    with reading(segments(spooled.folder)[0]) as packed:
        assert packed.read() == whole


def test_many_arrivals_that_went_to_the_disk_at_once_are_read(tmp_path):
    """Their entry is longer than what is read of an index at a time."""
    clock = ByHand()
    spooled, tail = spool(tmp_path, clock), Tail(tmp_path / "spool" / "busan")
    for _ in range(6000):
        clock.us += 1000
        spooled.append(b"a\n")
    clock.pass_s(1.0)
    spooled.append(b"b\n")
    pieces = list(tail.all(spooled.acknowledged))
    assert sum(len(arrivals_of(piece)) for piece in pieces) == 6001
    assert pieces[-1].last_us == clock.us
