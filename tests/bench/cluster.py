"""What an archive costs on Apache Flink beside the local engine, how long a lead takes from Kafka to Kafka,
and an hour from Kafka to the files of its events.

    python -m tests.bench.cluster [--millions 4] [--rate 2000] [--minutes 3] [--hours 24] [--write]

The sea is that of tests.bench.run, the feed that of tests.bench.live, a message a sentence. Flink has a JobManager and
two TaskManagers of two slots, all on this machine, as deploy/flink/cluster starts them; a small run before warms
them up. CPU seconds and memory are summed over the parts of the cluster, their workers and the command, read ten times
a second. Nothing else should run beside it. Needs the jars: make cluster-jars.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from tests.bench.live import Pairs, Sent, latencies, write_feed
from tests.bench.run import put, table
from tests.cluster.standing import FLINK, JAR, QUIET, Standing
from tests.pipeline.live.replay import STAMP, in_order, lines
from tests.pipeline.sources.listen import wait
from tests.recording import RECORDING
from tests.simulators.density import density

BEGIN, END = "<!-- make bench: cluster -->", "<!-- end: cluster -->"
STSWATCH = [sys.executable, "-m", "stswatch.pipeline.cli"]
AFTER_S = 20  # for leads that are still on their way


class Watching:
    """CPU seconds and most memory of some parts, each a process with its children."""

    def __init__(self, parts: dict[str, int]) -> None:
        self.peak_mb = dict.fromkeys([*parts, "workers"], 0.0)
        self._parts, self._over = parts, threading.Event()
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        self._look(first=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def cpu_s(self) -> float:
        return sum(cpu_s - self._first.get(pid, 0.0) for pid, cpu_s in self._last.items())

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.1):
            self._look()

    def _look(self, first: bool = False) -> None:
        workers_mb = 0.0
        for name, pid in self._parts.items():
            with suppress(psutil.NoSuchProcess):
                main = psutil.Process(pid)
                own_mb = self._of(main, first)
                below_mb = sum(self._of(child, first) for child in main.children(recursive=True))
                if name == "command":
                    own_mb += below_mb
                else:
                    workers_mb += below_mb
                self.peak_mb[name] = max(self.peak_mb[name], own_mb)
        self.peak_mb["workers"] = max(self.peak_mb["workers"], workers_mb)

    def _of(self, process: psutil.Process, first: bool) -> float:
        try:
            times = process.cpu_times()
            self._last[process.pid] = times.user + times.system
            if first:
                self._first[process.pid] = times.user + times.system
            return process.memory_info().rss / 1e6
        except psutil.NoSuchProcess:
            return 0.0


def run(sea: Path, data: Path, cluster: Standing | None, workers: int) -> tuple[float, Watching]:
    """Run the command over a sea to its end; seconds, and what was seen of all that took part."""
    words = ["run", str(sea), "--data", str(data), "--area", "world", "--quiet", "--workers", str(workers)]
    if cluster:
        words += ["--engine", "flink", "--flink-master", cluster.master, "--job-server", cluster.job_server]
    parts = {name: cluster.pid(name) for name in (*FLINK, "jobserver")} if cluster else {}
    begun_s = time.monotonic()
    with psutil.Popen([*STSWATCH, *words]) as process:
        seen = Watching({**parts, "command": process.pid})
        code = process.wait()
    seen.end()
    assert code == 0, words
    shutil.rmtree(data)
    return time.monotonic() - begun_s, seen


def archives(millions: float, cluster: Standing, folder: Path) -> str:
    """The table of engines, and that of the memory of each part."""
    sea, data = folder / "sea", folder / "data"
    density(round(millions * 1e6), 1, sea)
    run(RECORDING, data, cluster, 2)
    rows, memory = [], []
    for name, where, workers in (
        ("local", None, 1),
        ("local", None, 2),
        ("Flink", cluster, 1),
        ("Flink", cluster, 2),
    ):
        wall_s, seen = run(sea, data, where, workers)
        per_us = seen.cpu_s / millions
        rate = f"{millions * 1e6 / wall_s:,.0f}"
        rows.append([name, str(workers), f"{wall_s:.1f}", rate, f"{seen.cpu_s:.1f}", f"{per_us:.2f}"])
        print(rows[-1], seen.peak_mb, flush=True)
        memory.append([f"{name}, {workers}", *(f"{seen.peak_mb.get(part, 0):,.0f}" for part in MEMORY)])
    head = ["engine", "tasks", "wall s", "positions a second", "CPU s", "CPU µs a position"]
    return "\n\n".join(
        [
            f"{millions:g} million positions:",
            table(head, rows),
            "Memory at most, MB:",
            table(["engine", *MEMORY], memory),
        ]
    )


MEMORY = ("command", "jobserver", *FLINK, "workers")


def latency(rate: int, minutes: float, cluster: Standing, folder: Path) -> str:
    """Seconds from a sentence on one topic to the lead on another, as a table."""
    seconds = round(minutes * 60)
    pairs = Pairs(max(1, min(72, (seconds - 40) // 5)))
    ends = write_feed(folder / "feed", rate, seconds, 30_000, pairs)
    sent, got, opened = Sent(), {}, []
    cluster.topic("feed")
    cluster.topic("leads")
    toml = f'[bench]\nkind = "kafka"\nbrokers = "{cluster.brokers}"\ntopic = "leads"\n'
    (folder / "alerts.toml").write_text(toml)
    words = [f"feed=kafka://{cluster.brokers}/feed", "--data", str(folder / "watched"), "--arrival", "recorded"]
    words += ["--alerts", str(folder / "alerts.toml"), "--alert-identities", "--health", "none", "--interval", "1"]
    over = threading.Event()

    def hear() -> None:
        consumer = Consumer({**QUIET, "bootstrap.servers": cluster.brokers, "group.id": "bench"})
        consumer.assign([TopicPartition("leads", 0, 0)])
        while not over.is_set():
            if (message := consumer.poll(0.1)) is not None and message.error() is None:
                alert = json.loads(message.value())["data"]
                if alert["change"] == "opened":
                    opened.append(alert)
                    got.setdefault(alert["id"], time.time())
        consumer.close()

    hearing = threading.Thread(target=hear, daemon=True)
    hearing.start()
    with psutil.Popen([*STSWATCH, "stream", *words, "--quiet"], env=dict(os.environ)) as watch:
        seen = Watching({"kafka": cluster.pid("kafka"), "command": watch.pid})
        time.sleep(5)
        _send(cluster, folder / "feed", ends, sent)
        time.sleep(AFTER_S)
        watch.terminate()
        watch.wait(60)
    seen.end()
    over.set()
    hearing.join()
    late_s = latencies(opened, got, sent)
    collected = ", ".join(f"{np.percentile(late_s, p):.1f}" for p in (50, 99)) if late_s else "-"
    rows = [
        ["sentences a second, a message each", f"{rate:,}"],
        ["leads told of", f"{len(late_s)} of {pairs.count}"],
        ["from Kafka to the lead on Kafka p50, p99, s", collected],
        ["memory at most, broker and watch, MB", f"{seen.peak_mb['kafka']:,.0f}, {seen.peak_mb['command']:,.0f}"],
    ]
    return table(["a watch from Kafka, `--interval 1`", ""], rows)


def long_job(hours: int, cluster: Standing, folder: Path) -> str:
    """Seconds from the message that ends an hour, to the files of its slice and to the published database; memory."""
    data = folder / "long"
    data.mkdir()
    topic, published = cluster.topic("hours"), data / "stswatch.duckdb"
    words = [f"sea=kafka://{cluster.brokers}/{topic}", "--data", str(data), "--arrival", "recorded", "--area", "world"]
    words += ["--engine", "flink", "--flink-master", cluster.master, "--job-server", cluster.job_server]
    whole_s: list[float] = []
    published_s: list[float] = []
    with psutil.Popen([*STSWATCH, "stream", *words, "--workers", "2", "--quiet"], stdout=subprocess.DEVNULL) as job:
        seen = Watching({**{name: cluster.pid(name) for name in (*FLINK, "jobserver", "kafka")}, "command": job.pid})
        text = in_order(lines(hours + 2))
        stamps_s = np.array([int(STAMP.search(line)[1]) for line in text])
        ends = np.flatnonzero(np.diff((stamps_s - 60) // 3600)) + 1
        begun = 0
        for end in ends.tolist():
            cluster.produce(topic, *text[begun:end])
            time.sleep(1.0)
            before = set(data.glob("stream/slices/*"))
            former = _inode(published)
            sent_s, begun = time.time(), end + 1
            cluster.produce(topic, text[end])
            wait(lambda before=before: set(data.glob("stream/slices/*")) > before, 120)
            whole_s.append(time.time() - sent_s)
            wait(lambda former=former: _inode(published) != former, 120)
            published_s.append(time.time() - sent_s)
        job.terminate()
        job.wait(120)
    seen.end()
    got = [", ".join(f"{np.percentile(each[2:], p):.1f}" for p in (50, 99)) for each in (whole_s, published_s)]
    rows = [
        ["hours, and messages in each", f"{len(whole_s)}, {len(text) // len(whole_s):,}"],
        ["from the message that ends an hour to the files of its events p50, p99, s", got[0]],
        ["the same to the published database p50, p99, s", got[1]],
        *([f"memory at most, {name}, MB", f"{peak:,.0f}"] for name, peak in seen.peak_mb.items()),
    ]
    return table(["a watch on Flink, `--workers 2`", ""], rows)


def _inode(path: Path) -> int:
    return os.stat(path).st_ino if path.exists() else 0


def _send(cluster: Standing, path: Path, ends: list[int], sent: Sent) -> None:
    """Produce a second of the feed each second."""
    producer = Producer({**QUIET, "bootstrap.servers": cluster.brokers, "linger.ms": 5})
    begun_s = time.time()
    with path.open("rb") as feed:
        for number, end in enumerate(ends):
            time.sleep(max(0.0, begun_s + number - time.time()))
            for line in feed.read(end - feed.tell()).splitlines():
                while True:
                    try:
                        producer.produce("feed", line)
                        break
                    except BufferError:
                        producer.poll(0.05)
            producer.flush(30)
            sent.wall_s.append(time.time())


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", type=float, default=4)
    parser.add_argument("--rate", type=int, default=2_000)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    given = parser.parse_args()
    if not JAR.exists():
        raise SystemExit("the jars are not there, so the cluster is not measured: make cluster-jars")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Standing(Path(folder) / "cluster")
        cluster.folder.mkdir()
        try:
            cluster.start(*FLINK, "jobserver")
            cluster.has_slots(4)
            cluster.answers(cluster.job_server)
            first = archives(given.millions, cluster, Path(folder))
            cluster.stop(*FLINK, "jobserver")
            cluster.start("kafka")
            cluster.answers(cluster.brokers)
            second = latency(given.rate, given.minutes, cluster, Path(folder))
            cluster.start(*FLINK, "jobserver")
            cluster.has_slots(4)
            third = long_job(given.hours, cluster, Path(folder))
        finally:
            cluster.stop()
    on = (
        f"{platform.machine()}, {psutil.cpu_count()} cores, Python {platform.python_version()}; the whole cluster on it"
    )
    text = "\n\n".join([on, first, second, third])
    print(text)
    if given.write:
        put(BEGIN, text, END)


if __name__ == "__main__":
    main()
