"""Owns: what a broker has on a topic comes as lines; with qos=1 nothing is lost while nobody listens.

The broker is real: mosquitto 2, `apt-get install mosquitto` on Debian and Ubuntu.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from stswatch.pipeline.sources.registry import parse, receive
from tests.pipeline.sources.listen import Listening, wait
from tests.pipeline.sources.tls import certificate

BROKER = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
INSTALL = "mosquitto is not installed; run: apt-get install mosquitto"


class Broker:
    """A broker on a port of its own, which can be stopped and started."""

    def __init__(self, folder: Path, settings: str) -> None:
        assert BROKER is not None, INSTALL
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\n{settings}")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([BROKER, "-c", self._config], stderr=subprocess.DEVNULL)
        wait(self._answers)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the broker did not start"
        with socket.socket() as trying:
            return trying.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def broker(tmp_path) -> Iterator[Broker]:
    running = Broker(tmp_path, "allow_anonymous true\n")
    yield running
    running.stop()


@pytest.fixture
def publishing(broker) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    yield client
    client.disconnect()
    client.loop_stop()


def publish(client: Client, topic: str, *messages: bytes, qos: int = 1) -> None:
    for message in messages:
        client.publish(topic, message, qos).wait_for_publish(20)


@pytest.mark.parametrize("qos", [0, 1])
def test_each_message_is_a_line_or_more(broker, publishing, qos):
    with Listening(f"q{qos}=mqtt://127.0.0.1:{broker.port}/ais/+/nmea/%23?qos={qos}") as listening:
        listening.standing()
        publish(publishing, "ais/busan/nmea", b"a", b"b\r\n", b"c\nd")
        publish(publishing, "other", b"not ours")
        publish(publishing, "ais/pohang/nmea/x", b"e")
        listening.until(lambda source: len(source.came) >= 11)
    assert listening.came == b"a\nb\r\nc\nd\ne\n"
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
    where = f"keeps=mqtt://127.0.0.1:{broker.port}/ais?qos=1"
    with Listening(where) as listening:
        listening.standing()
    publish(publishing, "ais", b"meanwhile")
    with Listening(where) as listening:
        assert listening.until(lambda source: bool(source.came)) == b"meanwhile\n"
    with Listening(where) as listening:
        listening.standing()
        publish(publishing, "ais", b"later")
        assert listening.until(lambda source: bool(source.came)) == b"later\n", "what was taken is not sent again"


def test_what_was_not_taken_is_sent_again(broker, publishing):
    """A watch that dies before a message is written gets it again."""
    address = parse(f"keeps=mqtt://127.0.0.1:{broker.port}/ais?qos=1")
    with Listening(f"keeps=mqtt://127.0.0.1:{broker.port}/ais?qos=1") as listening:
        listening.standing()
    publish(publishing, "ais", b"once")
    for _ in range(3):
        coming = receive(address, {}, Event())
        wait(lambda coming=coming: b"once\n" in next(coming))
        coming.close()  # it was given, and is not asked for more: nobody has written it


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


def test_a_password(tmp_path):
    assert BROKER is not None, INSTALL
    passwords = tmp_path / "passwords"
    create = shutil.which("mosquitto_passwd", path=f"{os.environ.get('PATH', '')}:/usr/bin")
    assert create is not None, INSTALL
    subprocess.run([create, "-b", "-c", passwords, "anna", "s3cret"], check=True, capture_output=True)
    passwords.chmod(0o644)
    tmp_path.chmod(0o755)
    running = Broker(tmp_path, f"allow_anonymous false\npassword_file {passwords}\nuser root\n")
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


def test_tls_is_checked(tmp_path, monkeypatch):
    """The password goes to nobody whose certificate is not trusted."""
    whole, key = certificate(tmp_path)
    running = Broker(tmp_path, f"certfile {whole}\nkeyfile {key}\nallow_anonymous true\nuser root\n")
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
