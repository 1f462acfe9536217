"""Owns: no secret is shown or kept: a password in an address is no source, and what a watch knows stays with it.

What is sent to web hooks and brokers: tests/pipeline/alerts and tests/pipeline/sources.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest
import zstandard
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from stswatch.pipeline import cli
from stswatch.pipeline.sources.address import AddressError
from stswatch.pipeline.sources.kinds import SOURCES, parse, ready
from tests.pipeline.alerts.receiver import CLOSE, SECRET, receiving, until
from tests.pipeline.sources.brokers import Amqtt
from tests.pipeline.sources.listen import free_port
from tests.pipeline.test_stream import STSWATCH, Watch, lines, serving

WORD = "hunter2-x"


@pytest.mark.parametrize(
    "address",
    [
        *(f"{scheme}://me:{WORD}@h:1/t" for scheme in ("tcp", "udp", "ws", "wss", "mqtt", "mqtts", "TCP", "http")),
        f"roof=tcp://me:{WORD}@h:1",
        f"tcp://me:{WORD}@h",
        f"tcp://:{WORD}@h:1",
        f"tcp:// me:{WORD}@h:1",
        f"tcp://me:{WORD}@[::1",
        f"tcp://me:{WORD}@h:1#x",
        f"mqtts://me:{WORD}@h:99999/t",
        f"mqtts://me:%68{WORD[1:]}@h/t",
        f"ws://me@h:{WORD}/x",
        f"tcp:/me:{WORD}@h:1",
        f"tcp:me:{WORD}@h:1",
        f"//me:{WORD}@h:1",
        f"me:{WORD}@h:1",
        *(f"wss://h/x?{name}={WORD}" for name in ("apikey", "token", "password", "APIKey", "secret")),
        *(f"{place}?password={WORD}" for place in ("-", "x.nmea", "mqtt://h/t", "tcp://h:1", "tcp://h")),
    ],
)
def test_a_password_in_an_address_is_refused_and_shown_nowhere(address, tmp_path, capfd):
    with pytest.raises(AddressError) as refused:
        ready(parse(address), {})
    assert WORD not in str(refused.value)
    assert cli.main(["stream", address, "--data", str(tmp_path / "data"), "--health", "none"]) == 1
    out, err = capfd.readouterr()
    assert WORD not in out + err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------ a whole watch

HELD = {  # by variable of the environment
    "HOOK_SECRET": SECRET,
    "HOOK_TOKEN": "t0ken-of-the-web-hook",
    "HOOK_URL": "path-that-is-secret",
    "MQTT_PASSWORD": "p4ssword-of-the-broker",
    "KAFKA_PASSWORD": "p4ssword-of-the-cluster",
    "AISSTREAM_API_KEY": "k3y-of-the-stream",
    "RELAY_KEY": "k3y-of-the-relay",
}
ALERTS = """
[floor]
kind = "webhook"
url_env = "HOOK_URL"
secret_env = "HOOK_SECRET"
token_env = "HOOK_TOKEN"
per_hour = 0
"""


@contextmanager
def repeating():
    """A WebSocket server that says what it was sent: to the first as an error, to others as data; what it was sent."""
    asked = []

    def handle(connection):
        asked.append(json.loads(connection.recv()))
        printed = f"no such key: {asked[-1]['APIKey']}"
        connection.send(json.dumps({"error": printed} if len(asked) == 1 else {"MessageType": printed}))
        try:
            connection.recv()
        except ConnectionClosed:
            return

    with serve(handle, "127.0.0.1", 0, close_timeout=0.5) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.socket.getsockname()[1], asked
        server.shutdown()


def publish(port, text):
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("anna", HELD["MQTT_PASSWORD"])
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish("ais", text, 1).wait_for_publish(20)
    client.disconnect()
    client.loop_stop()


def shown_by(watch):
    """What a watch shows of itself while it runs, each with its name."""
    for path in ("/healthz", "/metrics", "/nowhere"):
        yield path, watch.asked(path)[1]
    for words in (["status"], ["leads"], ["stream", "tcp://127.0.0.1:1", "--health", "none"]):
        done = subprocess.run([*STSWATCH, *words, "--data", watch.data], capture_output=True, text=True)
        yield words[0], done.stdout + done.stderr
    process = psutil.Process(watch.process.pid)
    for each in (process, *process.children(recursive=True)):
        yield "arguments", " ".join(each.cmdline())


def kept_in(folder):
    """The content of each file, as it lies there and unpacked."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield str(path), content
            if path.suffix == ".zst":
                with path.open("rb") as file:
                    yield (
                        f"{path} unpacked",
                        zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True).read(),
                    )
            if path.suffix == ".gz":
                yield f"{path} unpacked", gzip.decompress(content)


@pytest.mark.e2e
def test_a_watch_over_every_kind_of_source_keeps_and_shows_no_secret(tmp_path, monkeypatch):
    """Its sources and its web hook fail first, since errors say most; the WebSocket says the key again."""
    ais = lines(3)
    line = next(one for one in ais.splitlines() if one.startswith(b"\\") and b"VDM,1,1" in one) + b"\n"
    (tmp_path / "alerts.toml").write_text(ALERTS)
    (tmp_path / "growing.nmea").write_bytes(line)
    (tmp_path / "broker").mkdir()
    with ExitStack() as stack:
        broker = Amqtt(tmp_path / "broker", people={"anna": HELD["MQTT_PASSWORD"]})
        stack.callback(broker.stop)
        receiver = stack.enter_context(receiving(answers=lambda content, before: [500, CLOSE, 200][min(before, 2)]))
        port, asked = stack.enter_context(repeating())
        for name, value in (HELD | {"HOOK_URL": f"{receiver.url}/{HELD['HOOK_URL']}"}).items():
            monkeypatch.setenv(name, value)
        sources = {
            "tcp": f"tcp://127.0.0.1:{stack.enter_context(serving(ais))}",
            "udp": f"udp://127.0.0.1:{free_port()}",
            "mqtt": f"mqtt://anna@127.0.0.1:{broker.port}/ais",
            "mqtts": f"mqtts://anna@127.0.0.1:{broker.port}/ais",  # it speaks no TLS
            "kafka": f"kafka://anna@127.0.0.1:{free_port()}/ais",  # nobody is there
            "kafkas": f"kafkas://anna@127.0.0.1:{broker.port}/ais",  # nor is that one of Kafka
            "ws": f"ws://127.0.0.1:{port}/x?secret=RELAY_KEY",
            "wss": f"wss://127.0.0.1:{port}/x",  # it speaks none either
            "file": tmp_path / "growing.nmea",
            "stdin": "-",
        }
        assert set(sources) == {kind.scheme for kind in SOURCES}
        named = [f"{name}={source}" for name, source in sources.items()]
        watch = Watch(tmp_path, *named, "--area", "world", "--alerts", tmp_path / "alerts.toml", stdin=subprocess.PIPE)
        stack.callback(watch.process.kill)
        watch.process.stdin.write(line)
        watch.process.stdin.flush()
        until(lambda: (watch.metric("source_lines_total") or 0) >= 1 and len(asked) >= 2, 120, every_s=0.3)
        publish(broker.port, line)
        until(lambda: bool(receiver.alerts()), 120, every_s=0.3)
        shown = list(shown_by(watch))
        assert asked[-1]["APIKey"] == HELD["RELAY_KEY"]
        assert receiver.got[-1][1]["authorization"] == f"Bearer {HELD['HOOK_TOKEN']}"
        code, out = watch.end()
        assert code == 0
    printed = watch.errors.read_text()
    for words in ("the server says: no such key: ****", "mqtts: ", "wss: ", "alerts to "):
        assert words in printed
    found = dict(kept_in(watch.data))
    assert any(b"no such key: ****" in content for content in found.values())
    assert {Path(place).parent.name for place in found if "/spool/" in place} >= {"tcp", "mqtt", "ws", "file", "stdin"}
    everything = [*((name, text.encode()) for name, text in [*shown, ("log", printed), ("out", out)]), *found.items()]
    for name, secret in HELD.items():
        assert [place for place, content in everything if secret.encode() in content] == [], name
