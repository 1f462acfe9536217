"""Owns: what is on a topic of Kafka comes to the spool whole and is committed only then; through Kafka a watch finds
what a run finds; alerts and final events arrive under keys that are always the same."""

from __future__ import annotations

import gzip
import subprocess
from contextlib import closing, contextmanager
from threading import Event

import pytest

from stswatch.pipeline import api
from stswatch.pipeline.alerts import destinations
from stswatch.pipeline.alerts.alert import Alert, Message, Undelivered
from stswatch.pipeline.sources.address import Resume
from stswatch.pipeline.sources.kinds import parse, receive
from stswatch.pipeline.spool.clock import Clock
from stswatch.pipeline.spool.supervisor import run_sources
from tests.cluster.test_flink import STSWATCH
from tests.pipeline import seas
from tests.pipeline.live.test_law import events
from tests.pipeline.sources.listen import Listening, wait
from tests.pipeline.spool.spools import received
from tests.pipeline.test_stream import Watch
from tests.recording import RECORDING

pytestmark = pytest.mark.cluster

WATCH = Resume(client_id="stswatch0123456789ab")


@contextmanager
def spooling(data, *addresses, printed):
    """Sources that fill their spools in a folder."""
    data.mkdir(exist_ok=True)
    stop = Event()
    supervisor = run_sources(data, [parse(each) for each in addresses], Clock(), printed.append, stop, secrets={})
    try:
        yield supervisor
    finally:
        supervisor.close()
        supervisor.check()


def test_messages_of_every_kind_come_in_order_and_the_group_goes_on_behind_them(kafka):
    topic = kafka.topic("every-kind", 2)
    address = f"kafka://{kafka.brokers}/{topic}?group=floor"
    kafka.produce(topic, b"a", b"b\r\n", b"c\nd", None, b"", b"\xff\x00bad", partition=1)
    with Listening(address, resume=WATCH) as listening:
        listening.until(lambda it: it.came.count(b"\n") >= 5)
        assert listening.came == b"a\nb\r\nc\nd\n\xff\x00bad\n"
        wait(lambda: kafka.committed("floor", topic, 1) == 6)
    kafka.produce(topic, b"e")
    with Listening(address, resume=WATCH) as again:
        again.until(lambda it: it.came == b"e\n")
        assert again.losses == []
    with Listening(f"kafka://{kafka.brokers}/{topic}?group=new&from=end") as late:
        late.standing()
        wait(lambda: late.signs > 3)
        kafka.produce(topic, b"f")
        late.until(lambda it: it.came == b"f\n")


def test_nothing_is_committed_before_whoever_takes_it_says_that_the_disk_has_it(kafka):
    topic = kafka.topic("slow-disk")
    kafka.produce(topic, b"a", b"b")
    coming = receive(parse(f"kafka://{kafka.brokers}/{topic}?group=slow"), {}, Event(), WATCH)
    came = b""
    for data in coming:
        if data.startswith(b"# stswatch note kafka slow-disk 0:2"):
            break  # it waits here for the disk
        came += data
    assert came == b"a\nb\n"
    assert kafka.committed("slow", topic) < 0
    next(coming)
    wait(lambda: kafka.committed("slow", topic) == 2)
    del coming  # closes it


def test_messages_that_expired_unread_are_counted_and_what_the_group_forgot_is_in_the_spool(kafka):
    topic = kafka.topic("expiring")
    kafka.produce(topic, b"a", b"b", b"c", b"d", b"e")
    kafka.forget_before(topic, 3)
    noted = Resume(note=b"# stswatch note kafka expiring 0:1", client_id="stswatchba9876543210")
    with Listening(f"kafka://{kafka.brokers}/{topic}", resume=noted) as listening:
        listening.until(lambda it: it.came == b"d\ne\n")
        (loss,) = listening.losses
    assert (loss.messages, loss.why) == (
        2,
        "has dropped messages by age or size before this watch read them; raise the topic's retention",
    )


def test_no_topic_no_broker_and_a_broker_that_goes_away_are_a_sentence_each_and_lose_nothing(kafka, tmp_path):
    topic, printed = kafka.topic("going-away"), []
    address = f"sea=kafka://{kafka.brokers}/{topic}"
    with Listening(f"kafka://{kafka.brokers}/nowhere") as nowhere:
        wait(lambda: nowhere.ended)
        assert nowhere.lost == "the brokers have no topic nowhere; create it, or name another"
    kafka.produce(topic, b"before")
    with spooling(tmp_path / "data", address, printed=printed) as supervisor:
        wait(lambda: received(tmp_path / "data" / "spool" / "sea") == b"before\n")
        kafka.stop("kafka")
        wait(lambda: bool(printed), 60)
        assert printed == [
            f"sea: {address[4:]} the connection broke (no broker answers); trying again, at most every 60 s"
        ]
        assert not supervisor.state()["sea"].connected
        kafka.start("kafka")
        kafka.answers(kafka.brokers)
        wait(lambda: supervisor.state()["sea"].connected, 90)
        kafka.produce(topic, b"after")
        wait(lambda: received(tmp_path / "data" / "spool" / "sea").endswith(b"after\n"), 30)
    assert received(tmp_path / "data" / "spool" / "sea") in (b"before\nafter\n", b"before\nbefore\nafter\n")


def test_by_tls_only_a_broker_that_is_trusted_is_read_and_by_the_right_password(kafka, monkeypatch):
    topic = kafka.topic("safe", 1)
    kafka.produce(topic, b"a")
    address = f"kafkas://watch@{kafka.safe_brokers}/{topic}?mechanism=PLAIN"
    right = {"KAFKA_PASSWORD": "of the floor"}
    with Listening(address, right, WATCH) as unknown:
        wait(lambda: unknown.ended)
        assert unknown.lost == "cannot be read (no TLS with a certificate that is trusted here)"
    monkeypatch.setenv("SSL_CERT_FILE", str(kafka.trusted))
    with Listening(address, {"KAFKA_PASSWORD": "of nobody"}, WATCH) as refused:
        wait(lambda: refused.ended)
        assert refused.lost == "cannot be read (user or password is refused)"
    with Listening(address, right, WATCH) as listening:
        listening.until(lambda it: it.came == b"a\n")


TOML = '[floor]\nkind = "kafka"\nbrokers = "{}"\ntopic = "leads"\nfinal_topic = "final"\n'


def test_the_sample_through_kafka_gives_the_final_events_of_the_file(kafka, tmp_path):
    """The watch is killed midway by -9, and goes on from what its group has committed."""
    with gzip.open(RECORDING) as file:
        lines = file.read().splitlines()[:36_000]
    topic = kafka.topic("sample", 1)
    kafka.topic("leads")
    kafka.topic("final")
    (tmp_path / "alerts.toml").write_text(TOML.format(kafka.brokers))
    words = [f"sea=kafka://{kafka.brokers}/{topic}", "--area", "world", "--alerts", tmp_path / "alerts.toml"]
    kafka.produce(topic, *lines[:24_000])
    watch = Watch(tmp_path, *words)
    try:
        wait(lambda: (watch.metric("source_lines_total") or 0) >= 15_000, 60)
        watch.process.kill()
        watch.process.wait()
        kafka.produce(topic, *lines[24_000:], b"!AIVDM,1,1,,A,poisoned,0*00", b"\x00\xfe" * 50)
        watch = Watch(tmp_path, *words)
        quiet = {"behind_bytes": 0, "lag_seconds": 0, "finalizing": 0}
        end = len(lines) + 2
        name = group_of(watch.data)
        wait(lambda: kafka.committed(name, topic) == end, 90)
        wait(lambda: all(watch.metric(each) == value for each, value in quiet.items()), 120)
        assert watch.end()[0] == 0
        done = subprocess.run(
            [*STSWATCH, "reconcile", "--data", watch.data, "--area", "world"], capture_output=True, text=True
        )
        assert done.stdout.startswith("reconciled: "), done
        found = events(watch.data)
        watch = Watch(tmp_path, *words)  # tells what that changed
        wait(lambda: watch.metric("finalized_time_seconds") is not None, 60)
        wait(lambda: watch.metric("alerts_waiting") == 0, 30)
        assert watch.end()[0] == 0
    finally:
        watch.process.kill()
        watch.process.wait()
    (tmp_path / "capture.nmea.gz").write_bytes(gzip.compress(b"\n".join([*lines, b""]), 1))
    api.run(tmp_path / "capture.nmea.gz", tmp_path / "run", area="world", slice_h=1.0)
    by_file = events(tmp_path / "run")
    assert by_file["encounters"].num_rows >= 8
    seas.assert_same(by_file, found)
    warned_of(kafka, watch.data)


def group_of(data) -> str:
    from stswatch.pipeline.spool.supervisor import client_id, identity_of

    return client_id(identity_of(data / "live"), "sea")


def warned_of(kafka, data):
    """What lies on the topics of leads and of final events is what the database holds."""
    with closing(api.connect(data)) as db:
        final = dict(db.sql("SELECT id, revision FROM encounters WHERE status = 'current'").fetchall())
        leads = dict(db.sql("SELECT id, revision FROM flagged_encounters").fetchall())
    last = {}
    for event, key, value in kafka.records("final", 100_000):
        assert value["type"] == f"encounter.{value['data']['status']}"
        assert key == f"{event}:{value['data']['revision']}:{value['data']['status']}"
        assert "mmsi_a" not in value["data"]
        last[event] = value["data"]
    assert {event: row["revision"] for event, row in last.items() if row["status"] == "current"} == final
    last = {event: value["data"] for event, _, value in kafka.records("leads", 100_000)}
    # a revision that says the same as the one before is told to nobody
    assert {event for event, row in last.items() if row["change"] != "retracted"} == set(leads)
    assert all(row["revision"] <= leads.get(event, row["revision"]) for event, row in last.items())
    assert len(leads) >= 3


def test_an_alert_has_its_key_and_a_topic_that_is_missing_is_a_sentence(kafka, tmp_path):
    kafka.topic("alerts")
    (tmp_path / "a.toml").write_text(TOML.format(kafka.brokers).replace("leads", "alerts"))
    floor, final = destinations.load(tmp_path / "a.toml", {})
    assert (floor.name, floor.where, floor.final) == ("floor", f"{kafka.brokers}/alerts", False)
    assert (final.name, final.final) == ("floor.final", True)
    alerts = tuple(Alert(f"E1:{k}", "E1", "2025-03-10T00:00:00.000Z", {"change": "opened", "k": k}) for k in range(2))
    floor.deliver(Message(alerts))
    found = kafka.records("alerts", 2)
    assert [(event, key) for event, key, _ in found] == [("E1", "E1:0"), ("E1", "E1:1")]
    assert found[0][2] == {"type": "lead.opened", "timestamp": "2025-03-10T00:00:00.000Z", "data": dict(alerts[0].data)}
    (tmp_path / "a.toml").write_text(TOML.format(kafka.brokers).replace("leads", "missing"))
    missing, _ = destinations.load(tmp_path / "a.toml", {})
    with pytest.raises(Undelivered, match="no topic missing; create it, or name another"):
        missing.deliver(Message(alerts[:1]))
