"""Owns: a watch as one long job on Flink finds the final events of the local engine, whatever is killed meanwhile, and
goes on from its savepoint with other parallelism; a partition is cut always in one way; what is amiss is a sentence."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from stswatch.errors import StswatchError
from stswatch.pipeline import api
from stswatch.pipeline.batch import HOUR, MINUTE, SECOND
from stswatch.pipeline.flow.cluster.topic import Cut, PartitionPosition, PartitionReader, TopicSpec
from stswatch.pipeline.live.events import Store, engine_of
from stswatch.pipeline.live.finalize import finalize
from stswatch.pipeline.sources.kinds import parse
from stswatch.pipeline.spool.clock import RecordedClock
from stswatch.pipeline.spool.writer import Spool
from stswatch.pipeline.store.catalogue import Catalogue
from stswatch.pipeline.store.files import read_json
from tests.cluster.standing import Standing
from tests.cluster.test_flink import STSWATCH
from tests.pipeline import seas
from tests.pipeline.live.replay import MEETINGS_FROM_H, STAMP, WORLD, in_order, lines
from tests.pipeline.live.test_law import events
from tests.pipeline.sources.listen import wait

pytestmark = pytest.mark.cluster

RULES = "[vessel]\ngap_terrestrial_h = 1.0\ngap_satellite_h = 1.0\n[encounter]\naround_h = 0.5\n"  # those of WORLD
LATENESS_US = 60 * SECOND
SATELLITE = re.compile(rb"\\[^\\]*s:satellite")


class Long:
    """The command, running, and what lies in its folder."""

    def __init__(self, cluster: Standing, topic: str, folder: Path, workers: int) -> None:
        self.data, self._errors = folder / "data", folder / "errors"
        (folder / "rules.toml").write_text(RULES)
        command = [
            *STSWATCH,
            "stream",
            f"sea=kafka://{cluster.brokers}/{topic}",
            "--data",
            self.data,
            "--area",
            "world",
        ]
        command += ["--arrival", "recorded", "--rules", folder / "rules.toml", "--workers", workers]
        command += ["--engine", "flink", "--flink-master", cluster.master, "--job-server", cluster.job_server]
        self.data.mkdir(exist_ok=True)
        with self._errors.open("ab") as errors:
            self.process = subprocess.Popen(
                list(map(str, command)),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored behind a shell's &
            )

    @property
    def whole(self) -> int:
        """How many slices are."""
        return len(list(self.data.glob("stream/slices/*.json")))

    def until(self, there) -> None:
        wait(lambda: self.process.poll() is not None or there(), 180)
        assert self.process.poll() is None, self.printed

    @property
    def printed(self) -> str:
        return self._errors.read_text()

    def end(self) -> None:
        """As Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(180) == 0, self.printed
        assert "the same command goes on from here" in self.printed


def recorded(hours: float) -> list[bytes]:
    """Some hours of the recording, as if none of its lines had come late: what is late a long job leaves aside."""
    return in_order(lines(hours, after_h=MEETINGS_FROM_H))


def by_local(text: list[bytes], data: Path, until_us: int):
    """What the local engine finalizes of these lines up to an hour, as a watch does."""
    data.mkdir()
    spool = Spool(data / "spool", "sea", "nmea", RecordedClock())
    for at in range(0, len(text), 1000):
        spool.append(b"".join(text[at : at + 1000]))
    spool.close()
    found = finalize(data, WORLD.rules, engine_of(WORLD), LATENESS_US, until_us)
    with Catalogue.open(data) as catalogue, closing(Store(catalogue, WORLD)) as store:
        store.finalize(found, None)
        store.publish()
    return events(data)


def produce(cluster: Standing, topic: str, text: list[bytes], *numbers: int) -> None:
    """Each station into one partition, as docs/cluster.md asks for; to those partitions alone."""
    for number in numbers or (0, 1):
        cluster.produce(topic, *(line for line in text if bool(SATELLITE.match(line)) == number), partition=number)


def test_the_sample_gives_the_events_of_the_local_engine_through_kills_and_a_savepoint(flink, kafka, tmp_path):
    """A worker of one TaskManager and the other TaskManager are killed, by -9; then 2 tasks become 4."""
    topic, text = kafka.topic("long", 2), recorded(9)
    third = len(text) // 3
    produce(kafka, topic, text[:third])
    watch = Long(flink, topic, tmp_path, 2)
    try:
        watch.until(lambda: watch.whole >= 1)
        produce(kafka, topic, text[third : 2 * third])
        watch.until(lambda: watch.whole >= 3)
        dying = psutil.Process(flink.pid("taskmanager1"))
        others = [worker for worker in flink.workers() if dying not in worker.parents()]
        max(others, key=lambda worker: sum(worker.cpu_times()[:2])).kill()
        dying.kill()
        dying.wait(20)
        flink.start("taskmanager1")
        watch.until(lambda: watch.whole >= 5)
        produce(kafka, topic, text[2 * third :], 0)  # which waits for the other in the savepoint
        wait(lambda: len(list(watch.data.glob("spool/sea-0/*"))) > len(list(watch.data.glob("spool/sea-1/*"))) + 1, 60)
        watch.end()
        flink.has_slots(4)
        produce(kafka, topic, [*text[2 * third :], b"!AIVDM,1,1,,A,poisoned,0*00\n", b"\x00\xfe" * 50], 1)
        watch = Long(flink, topic, tmp_path, 4)
        last_us = (int(STAMP.search(text[-1])[1]) * SECOND - LATENESS_US) // HOUR * HOUR
        watch.until(lambda: ends(watch.data)[-1] == last_us)
        watch.end()
    finally:
        watch.process.kill()
        watch.process.wait()
    assert "Traceback" not in watch.printed
    local = by_local(text, tmp_path / "local", ends(watch.data)[-1])
    assert local["encounters"].num_rows >= 8
    seas.assert_same(local, events(watch.data))
    with closing(api.connect(watch.data)) as db:
        count = "SELECT count(*), count(DISTINCT (mmsi_a, mmsi_b, start_time)) FROM flagged_encounters"
        leads, distinct = db.sql(count).fetchall()[0]
    assert leads == distinct >= 3


@pytest.mark.soak
def test_a_broker_that_goes_away_and_a_full_disk_for_checkpoints_are_a_sentence_each(flink, kafka, tmp_path):
    topic, text = kafka.topic("away", 2), recorded(6)
    half = len(text) // 2
    checkpoints = tmp_path / "data" / "stream" / "checkpoints"
    checkpoints.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "none", checkpoints], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    produce(kafka, topic, text[:half])
    watch = Long(flink, topic, tmp_path, 2)
    try:
        watch.until(lambda: watch.whole >= 2 and "checkpoints: no checkpoint can be written (" in watch.printed)
        subprocess.run(["mount", "-o", "remount,size=100m", checkpoints], check=True)
        watch.until(lambda: "a checkpoint is written again" in watch.printed)
        kafka.stop("kafka")
        watch.until(lambda: f"/{topic}: no broker answers; trying again" in watch.printed)
        time.sleep(60)
        kafka.start("kafka")
        kafka.answers(kafka.brokers)
        produce(kafka, topic, text[half:])
        watch.until(lambda: watch.whole >= 5 and f"/{topic}: goes on" in watch.printed)
        watch.end()
    finally:
        watch.process.kill()
        watch.process.wait()
        subprocess.run(["umount", "-l", checkpoints], check=True)
    seas.assert_same(by_local(text, tmp_path / "local", ends(watch.data)[-1]), events(watch.data))


def ends(data: Path) -> list[int]:
    """The ends of the slices that are whole."""
    return sorted(read_json(path)["end_us"] for path in data.glob("stream/slices/*.json"))


# ------------------------------------------------------------------------------------------- a partition, without Flink


def spec(cluster: Standing, topic: str, data: Path, recorded: bool = True) -> TopicSpec:
    return TopicSpec(str(data), parse(f"sea=kafka://{cluster.brokers}/{topic}"), LATENESS_US, recorded)


def cuts(of: TopicSpec, position: PartitionPosition, count: int, now_us: int = 0) -> list[Cut]:
    """The next so many, by a reader that is then gone."""
    reader, found = PartitionReader(of, 0, position, lambda: now_us), []

    def enough() -> bool:
        found.extend(cut for cut in [reader.take()] if cut is not None)
        return len(found) >= count

    wait(enough, 60)
    reader.close()
    return found


def content(data: Path) -> dict[str, bytes]:
    return {str(path.relative_to(data)): path.read_bytes() for path in (data / "spool").rglob("*.zst")}


def test_whoever_reads_a_partition_again_from_any_position_cuts_the_same_segments(kafka, tmp_path):
    """With several lines in a message, and a message in two parts of which one comes after the hour."""
    text = recorded(4)
    first = next(at for at, line in enumerate(text) if b"VDM,2,1," in line)
    later = next(at for at, line in enumerate(text) if int(STAMP.search(line)[1]) % 3600 >= 60 and at > first + 5000)
    text.insert(later + 1, text.pop(first + 1))
    text.insert(later - 1, text.pop(first))
    topic = kafka.topic("cut-always-so")
    kafka.produce(topic, *(b"".join(text[at : at + 3]) for at in range(0, len(text), 3)))
    once = cuts(spec(kafka, topic, tmp_path / "once"), PartitionPosition(), 5)
    assert [cut.end_us % HOUR for cut in once] == [0] * 5
    assert all(cut.over and cut.segment is not None for cut in once)
    before = content(tmp_path / "once")
    shutil.copytree(tmp_path / "once", tmp_path / "again")
    for cut, after in pairwise(once[1:]):
        shutil.rmtree(tmp_path / "again" / "spool")
        (again,) = cuts(spec(kafka, topic, tmp_path / "again"), cut.after, 1)
        assert again.after == after.after
        ((name, written),) = content(tmp_path / "again").items()
        assert written == before[name]


def test_silence_ends_an_hour_by_the_clock_once_and_for_all(kafka, tmp_path):
    topic = kafka.topic("silent")
    kafka.produce(topic, b"!AIVDM,a", b"!AIVDM,b")
    of = spec(kafka, topic, tmp_path / "data", recorded=False)
    now_us = time.time_ns() // 1000
    later_us = (now_us // HOUR + 1) * HOUR + 2 * MINUTE
    (first,) = cuts(of, PartitionPosition(), 1, later_us)
    assert first.over
    assert first.after.offset == 2
    assert first.end_us == of.slice_of(now_us)
    kafka.produce(topic, b"!AIVDM,c")  # as if before the hour was over: it was not there yet
    (again,) = cuts(of, PartitionPosition(), 1, later_us + 3 * HOUR)
    assert again == first
    (then,) = cuts(of, first.after, 1, later_us + HOUR)
    assert then.after.offset == 3
    assert then.end_us > first.end_us


def test_messages_that_expired_unread_are_a_sentence_and_reading_goes_on(kafka, tmp_path):
    topic = kafka.topic("gone")
    kafka.produce(topic, b"a", b"b", b"c", b"d", b"e")
    kafka.forget_before(topic, 3)
    of = spec(kafka, topic, tmp_path / "data", recorded=False)
    _, cut = cuts(of, PartitionPosition(offset=1, arrival_us=2 * HOUR), 2, time.time_ns() // 1000 + 2 * HOUR)
    assert cut.after.offset == 5
    (note,) = (tmp_path / "data" / "stream" / "notes").glob("*-lost-*.json")
    assert read_json(note).endswith(
        "has dropped 2 messages by age or size before this job read them; raise the topic's retention"
    )


def test_a_topic_that_is_missing_and_a_source_that_is_none_are_a_sentence(kafka, tmp_path):
    for source, words in (
        (f"kafka://{kafka.brokers}/missing", "the brokers have no topic missing; create it, or name another"),
        ("tcp://127.0.0.1:1", "a watch on Flink reads one topic: give kafka://BROKER/TOPIC, and nothing beside it"),
    ):
        with pytest.raises(StswatchError) as error:
            api.stream(source, tmp_path / "data", engine="flink", flink_master="127.0.0.1:1", health="none")
        assert str(error.value).endswith(words)
