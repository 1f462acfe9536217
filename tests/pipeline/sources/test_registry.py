"""Owns: every kind of source keeps the contract, and an address that cannot be used is told in one sentence."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from stswatch.pipeline.sources.address import AddressError
from stswatch.pipeline.sources.kinds import COMMON, SOURCES, kind_of, parse, parse_all, ready


def test_every_kind_keeps_the_contract():
    assert len({kind.scheme for kind in SOURCES}) == len(SOURCES) >= 8
    for kind in SOURCES:
        assert kind.help.endswith(".")
        assert kind.help.count(".") >= 1
        assert kind.receive.__doc__
        assert not set(kind.options or {}) & set(COMMON)
        assert kind_of(kind.scheme) is kind


EXAMPLES = {
    "tcp://ais.example.org:10110": ("tcp", "tcp-ais.example.org-10110", "nmea"),
    "tcp://[2001:db8::1]:10110": ("tcp", "tcp-2001-db8-1-10110", "nmea"),
    "busan=tcp://10.0.0.1:5631?receiver=terrestrial&licence=our+own": ("tcp", "busan", "nmea"),
    "relay=tcp://10.0.0.1:5631?format=json": ("tcp", "relay", "json"),
    "udp://0.0.0.0:10110": ("udp", "udp-0.0.0.0-10110", "nmea"),
    "udp://239.192.0.4:60004?interface=10.0.0.2": ("udp", "udp-239.192.0.4-60004", "nmea"),
    "mqtt://broker/ais/+/nmea/#": ("mqtt", "mqtt-broker-1883", "nmea"),
    "mqtts://anna@broker:9999/ais?qos=1": ("mqtts", "mqtts-broker-9999", "nmea"),
    "kafka://one:9093,two/ais?group=floor": ("kafka", "kafka-one-9093", "nmea"),
    "kafkas://anna@one,two/ais?format=json": ("kafkas", "kafkas-one-9092", "json"),
    "wss://stream.aisstream.io/v0/stream?box=117,30,143,46": ("wss", "wss-stream.aisstream.io-443", "json"),
    "ws://127.0.0.1:8080/?format=nmea": ("ws", "ws-127.0.0.1-8080", "nmea"),
    "-": ("stdin", "stdin", "nmea"),
    "pipe=-?receiver=satellite": ("stdin", "pipe", "nmea"),
    "/var/log/ais.nmea": ("file", "file-ais", "nmea"),
    "file:///var/log/the%20log.txt?from=end": ("file", "file-the-log", "nmea"),
    "here.nmea": ("file", "file-here", "nmea"),
}


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_an_address_says(text):
    address = parse(text)
    assert (address.scheme, address.name, address.format) == EXAMPLES[text]


def test_the_parts_of_an_address():
    address = parse("a=mqtts://anna@broker:9999/ais/+/#?qos=1&receiver=satellite&licence=CC+BY+4.0")
    assert (address.user, address.host, address.port, address.path) == ("anna", "broker", 9999, "ais/+/#")
    assert (address.receiver, address.licence, address.one("qos", "0")) == ("satellite", "CC BY 4.0", "1")
    assert parse("file:///var/log/the%20log.txt").path == "/var/log/the log.txt"


WRONG = {
    "tcp://ais.example.org": "names no port; write it as tcp://HOST:PORT",
    "tcp://:10110": "names no host",
    "tcp://a:port": "write it as tcp://HOST:PORT",
    "tcp://a:99999": "write it as tcp://HOST:PORT",
    "tcp://a:1?reciever=satellite": "reciever is no option of this kind of source; use receiver, licence, format",
    "tcp://a:1?receiver=moon": "receiver=moon is not known; use one of unknown, terrestrial, satellite",
    "tcp://a:1?format=csv": "format=csv is not known; use one of nmea, json",
    "tcp://a:1?licence=" + "x" * 501: "the licence is longer than 500 letters; name it in short",
    "udp://ais.example.org:10110": "is no IP address; give the one to listen on",
    "udp://239.1.1.1:10?interface=eth0": "'eth0' is no IP address",
    "mqtt://broker": "names no topic",
    "mqtt://broker/a?qos=2": "qos=2 is not known; use 0 or 1",
    "mqtt://anna:s3cret@broker/a": "set it in the environment as MQTT_PASSWORD",
    "wss://stream/a?box=1,2,3": "box=1,2,3 is none",
    "wss://stream/a?box=1,50,3,40": "box=1,50,3,40 is none",
    "wss://stream/a?box=0,0,181,1": "is none",
    "/tmp": "is a folder",
    "a.nmea?from=here": "from=here is not known; use start or end",
    "amqp://broker/topic": "is no kind of source; use tcp://HOST:PORT, udp://HOST:PORT",
    "kafka://broker": "names no topic; end it with one",
    "kafka://broker/a/b": "its topic has more than letters, digits, dots, _ and -",
    "kafka://broker:/t": "its brokers cannot be read",
    "kafka://one,:9092/t": "its brokers cannot be read",
    "kafka://anna:s3cret@broker/t": "set it in the environment as KAFKA_PASSWORD",
    "kafkas://one,anna:s3cret@two/t": "its brokers cannot be read; write it as kafkas://[USER@]BROKER[,BROKER]/TOPIC",
    "kafka://broker/t?from=here": "from=here is not known; use start or end",
    "kafka://broker/t?group=a+b": "the group has more than letters",
    "kafka://broker/t?mechanism=GSSAPI": "mechanism=GSSAPI is not known; use SCRAM-SHA-512 or SCRAM-SHA-256 or PLAIN",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_used_is_told_in_one_sentence(text):
    with pytest.raises(AddressError) as collected:
        parse(text)
    assert WRONG[text] in str(collected.value)
    assert re.fullmatch(r"[^\n]+[^.\n]", str(collected.value))
    assert "s3cret" not in str(collected.value)


def test_two_sources_of_one_name():
    assert [each.name for each in parse_all(["tcp://a:1", "b=tcp://a:1"])] == ["tcp-a-1", "b"]
    with pytest.raises(AddressError, match="tcp://a:1: is called tcp-a-1, as tcp://a:1 is; name it: NAME=tcp://a:1"):
        parse_all(["tcp://a:1", "tcp://a:1"])


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("wss://stream.aisstream.io/v0/stream", "AISSTREAM_API_KEY"),
        ("wss://stream.aisstream.io/v0/stream?secret=OUR_KEY", "OUR_KEY"),
        ("mqtt://anna@broker/a", "MQTT_PASSWORD"),
        ("kafkas://anna@broker/a", "KAFKA_PASSWORD"),
        ("mqtt://anna@broker/a?secret=OUR_KEY", "OUR_KEY"),
    ],
)
def test_a_secret_that_is_missing_is_told_before_anything_begins(text, variable):
    with pytest.raises(AddressError, match=f"set it in the environment as {variable}$"):
        ready(parse(text), {})
    ready(parse(text), {variable: "x"})


@pytest.mark.parametrize("text", ["tcp://a:1", "mqtt://broker/a", "ws://a/?format=nmea", "-"])
def test_what_needs_no_secret(text):
    ready(parse(text), {})


def test_a_library_that_is_missing_is_told():
    script = (
        "import sys; sys.modules['paho'] = None; sys.modules['websockets'] = None\n"
        "from stswatch.pipeline.sources.kinds import parse, ready\n"
        "for text in ('tcp://a:1', 'mqtt://broker/a', 'wss://a/b?secret=HOME'):\n"
        "    try: ready(parse(text), {'HOME': 'x'}); print('ready')\n"
        "    except ValueError as told: print(told)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    first, *others = done.stdout.splitlines()
    assert first == "ready"
    assert len(others) == 2
    for line in others:
        assert "pip install 'stswatch[live]'" in line
