"""Owns: what a broker has on a topic comes as lines; with qos=1 nothing is lost while nobody listens that it queued.

The brokers are real: amqtt everywhere; Mosquitto by `make services`, where it is installed (see brokers.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from stswatch.pipeline.sources.address import Resume
from stswatch.pipeline.sources.kinds import parse, receive
from tests.pipeline.sources.brokers import Amqtt, Broker, Mosquitto
from tests.pipeline.sources.listen import Listening, wait
from tests.pipeline.sources.tls import certificate

BROKERS = [
    pytest.param(Amqtt, id="amqtt"),
    pytest.param(Mosquitto, id="mosquitto", marks=pytest.mark.service("mosquitto")),
]
mosquitto_only = pytest.mark.service("mosquitto")
WATCH, OTHER = Resume(client_id="stswatch0123456789ab"), Resume(client_id="stswatchba9876543210")


@pytest.fixture(params=BROKERS)
def kind(request) -> type[Broker]:
    """Each kind of broker."""
    return request.param


@pytest.fixture
def broker(kind, tmp_path) -> Iterator[Broker]:
    running = kind(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def queueing(tmp_path) -> Iterator[Broker]:
    """A Mosquitto whose queues hold ten messages."""
    running = Mosquitto(tmp_path, settings="max_queued_messages 10\nmax_inflight_messages 10")
    yield running
    running.stop()


@pytest.fixture
def publishing(broker) -> Iterator[Client]:
    with_it = connected(broker)
    yield with_it
    with_it.disconnect()
    with_it.loop_stop()


def connected(broker: Broker) -> Client:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    return client


def publish(client: Client, topic: str, *messages: bytes, qos: int = 1) -> None:
    for message in messages:
        client.publish(topic, message, qos).wait_for_publish(20)


def lines(listening: Listening) -> bytes:
    """What came."""
    return listening.came


@pytest.mark.parametrize("qos", [0, 1])
def test_each_message_is_a_line_or_more(broker, publishing, qos):
    with Listening(f"mqtt://127.0.0.1:{broker.port}/ais/+/nmea/%23?qos={qos}", resume=WATCH) as listening:
        listening.standing()
        publish(publishing, "ais/busan/nmea", b"a", b"b\r\n", b"c\nd")
        publish(publishing, "other", b"not ours")
        publish(publishing, "ais/pohang/nmea/x", b"e")
        listening.until(lambda source: len(lines(source)) >= 11)
    assert lines(listening) == b"a\nb\r\nc\nd\ne\n"
    assert listening.lost is None


def test_many_are_taken_together(broker, publishing):
    with Listening(f"mqtt://127.0.0.1:{broker.port}/ais/#") as listening:
        listening.standing()
        for number in range(2000):
            publishing.publish("ais/x", b"%060d" % number)
        listening.until(lambda source: len(source.came) == 2000 * 61)
    assert [int(line) for line in listening.came.split()] == list(range(2000))
    assert sum(map(bool, listening.pieces)) < 200


def test_what_comes_while_nobody_listens(broker, publishing):
    where = f"mqtt://127.0.0.1:{broker.port}/ais?qos=1"
    with Listening(where, resume=WATCH) as listening:
        listening.standing()
    publish(publishing, "ais", b"meanwhile")
    with Listening(where, resume=WATCH) as listening:
        listening.until(lambda source: bool(lines(source)))
    assert lines(listening) == b"meanwhile\n"
    with Listening(where, resume=WATCH) as listening:
        listening.standing()
        publish(publishing, "ais", b"later")
        listening.until(lambda source: bool(lines(source)))
    assert lines(listening) == b"later\n", "what was taken is not sent again"


@mosquitto_only  # amqtt forgets what it has sent
def test_what_was_not_taken_is_sent_again(queueing):
    """A watch that dies before a message is written gets it again."""
    where = f"mqtt://127.0.0.1:{queueing.port}/ais?qos=1"
    address, client = parse(where), connected(queueing)
    with Listening(where, resume=WATCH) as listening:
        listening.standing()
    publish(client, "ais", b"once")
    client.disconnect()
    for _ in range(3):
        coming: Any = receive(address, {}, Event(), WATCH)
        wait(lambda coming=coming: b"once\n" in next(coming))
        coming.close()  # it was given, and is not asked for more: nobody has written it


def test_two_watches_do_not_share_a_session(broker, publishing):
    where = f"mqtt://127.0.0.1:{broker.port}/ais?qos=1"
    with Listening(where, resume=WATCH) as one, Listening(where, resume=OTHER) as two:
        one.standing()
        two.standing()
        publish(publishing, "ais", b"a", b"b")
        for each in (one, two):
            each.until(lambda source: lines(source) == b"a\nb\n")
    assert (one.lost, two.lost) == (None, None)


def test_a_session_that_another_takes_over(broker):
    """As the watch over a copy of a data folder does: it is said, and another try comes late."""
    where = f"mqtt://127.0.0.1:{broker.port}/ais?qos=1"
    with Listening(where, resume=WATCH) as one:
        one.standing()
        with Listening(where, resume=WATCH) as two:
            two.standing()
            wait(lambda: one.ended)
    assert one.lost is not None
    assert "another client" in one.lost
    assert WATCH.client_id in one.lost
    assert one.patient


@pytest.mark.parametrize("format", ["nmea", "json"])
def test_a_session_that_the_broker_forgot(kind, tmp_path, format):
    running = kind(tmp_path)
    where = f"mqtt://127.0.0.1:{running.port}/ais?qos=1&format={format}"
    with Listening(where, resume=WATCH) as before:
        before.standing()
    running.stop()
    running.start()  # with nothing kept on disk
    note = before.note
    assert note, "JSON or not"
    with Listening(where, resume=Resume(note, WATCH.client_id)) as after:
        after.standing()
    running.stop()
    assert [loss.why for loss in after.losses] == ["has kept no session: what came while nobody listened is lost"]


@mosquitto_only
def test_what_the_queue_of_the_broker_did_not_hold(queueing):
    where = f"mqtt://127.0.0.1:{queueing.port}/ais?qos=1"
    with Listening(where, resume=WATCH) as before:
        before.standing()
    client = connected(queueing)
    publish(client, "ais", *(b"%d" % number for number in range(50)))
    client.disconnect()
    with Listening(where, resume=Resume(before.note, WATCH.client_id)) as after:
        after.until(lambda source: bool(source.losses) and lines(source).count(b"\n") > 0)
    kept = lines(after).count(b"\n")
    assert 0 < kept < 50
    assert sum(loss.messages for loss in after.losses) == 50 - kept
    assert "max_queued_messages" in after.losses[0].why
    with Listening(where, resume=Resume(after.note, WATCH.client_id)) as again:
        again.standing()
    assert again.losses == [], "it is told once"


def test_a_broker_that_goes_away(broker):
    with Listening(f"mqtt://127.0.0.1:{broker.port}/ais") as listening:
        listening.standing()
        broker.stop()
        wait(lambda: listening.ended)
        assert listening.lost is not None
        assert listening.lost.startswith("the connection broke (")
    with Listening(f"mqtt://127.0.0.1:{broker.port}/ais") as listening:
        wait(lambda: listening.ended)
    assert listening.lost == "cannot be reached (Connection refused)"
    broker.start()
    with Listening(f"mqtt://127.0.0.1:{broker.port}/ais") as listening:
        listening.standing()


def test_a_password(kind, tmp_path):
    running = kind(tmp_path, people={"anna": "s3cret"})
    where = f"mqtt://anna@127.0.0.1:{running.port}/ais"
    try:
        with Listening(where, {"MQTT_PASSWORD": "s3cret"}) as listening:
            listening.standing()
        with Listening(where, {"MQTT_PASSWORD": "wrong"}) as listening:
            wait(lambda: listening.ended)
        assert listening.lost is not None
        assert listening.lost.startswith("the broker refuses the connection (")
        assert "wrong" not in listening.lost
    finally:
        running.stop()


def test_tls_is_checked(kind, tmp_path, monkeypatch):
    """The password goes to nobody whose certificate is not trusted."""
    whole, key = certificate(tmp_path)
    running = kind(tmp_path, tls=(whole, key))
    where, secrets = f"mqtts://anna@127.0.0.1:{running.port}/ais", {"MQTT_PASSWORD": "s3cret"}
    try:
        with Listening(where, secrets) as listening:
            wait(lambda: listening.ended)
        assert listening.lost is not None
        assert "certificate verify failed" in listening.lost
        monkeypatch.setenv("SSL_CERT_FILE", str(whole))
        with Listening(where, secrets) as listening:
            listening.standing()
    finally:
        running.stop()
