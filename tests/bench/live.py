"""What a watch costs under load, and how long a lead takes from the sentence that decides it to a real web hook.

    python -m tests.bench.live [--rate 30000] [--minutes 5] [--vessels 60000] [--area dprk]

A made-up feed of class A positions from all over the world goes through TCP as time passes, with its times in tag
blocks; in it pairs of vessels off Chodo that have lain beside each other for half an hour, one after the other. CPU
and memory are those of the watch and its children, sender and receiver left out. Nothing else should run beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

from stswatch.sample_ais.reception import encode
from tests.pipeline.alerts.receiver import SECRET, receiving

BEGIN_S = (
    1_741_611_480  # 2025-03-10T12:58:00Z: three minutes later an hour is finalized, with two minutes of what is sent
)
HOUR_OVER_S = 120
APART_S = 5  # between two leads
AFTER_S = 30  # for what is still on its way
DECIDED_S = 1800  # after so long beside each other two vessels are a meeting
STATIONS = np.array(["BENCH-1", "BENCH-2", "BENCH-3"])
HOOK = '[floor]\nkind = "webhook"\nurl = "{}"\nsecret_env = "HOOK_SECRET"\nper_hour = 0\n'


def lines(mmsi, time_s, lon, lat, speed_kn) -> bytes:
    """A sentence for each fix."""
    n = len(time_s)
    if not n:
        return b""
    course, heading = np.zeros(n), np.full(n, np.nan)
    stations = STATIONS[np.arange(n) % len(STATIONS)].tolist()
    status = np.zeros(n, np.int64)
    made = encode.positions(mmsi, time_s, lon, lat, speed_kn, course, heading, stations, status)
    return b"\n".join(made) + b"\n"


@dataclass(frozen=True)
class Pairs:
    """Vessels that lie beside each other off Chodo; pair k is decided k * APART_S after the beginning and a bit."""

    count: int

    def fixes(self, second: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """MMSI, lon, lat of those that report in a second of the feed."""
        k = np.repeat(np.arange(self.count), 2)
        side = np.tile([0, 1], self.count)
        begun = BEGIN_S + self.decided_s(k) - DECIDED_S
        here = (second >= begun) & ((second - begun) % (10 if second >= BEGIN_S else 60) == 0)
        k, side = k[here], side[here]
        lon = 124.60 + 0.02 * (k % 12) + 0.0008 * side
        return 311_000_000 + 2 * k + side, lon, 38.40 + 0.02 * (k // 12)

    def decided_s(self, k):
        """When pair k is decided, seconds after the beginning."""
        return 20 + k * APART_S


def write_feed(path: Path, rate: int, seconds: int, vessels: int, pairs: Pairs) -> list[int]:
    """Write the feed; gives where each second of it ends, the first holding all that came before."""
    rng = np.random.default_rng(5)
    lon, lat = rng.uniform(-180, 180, vessels), rng.uniform(-50, 60, vessels)
    speed_kn = np.where(rng.random(vessels) < 0.5, 0.1, rng.uniform(6, 20, vessels))
    ends = []
    with path.open("wb") as out:
        history = [(second, *pairs.fixes(second)) for second in range(BEGIN_S - DECIDED_S, BEGIN_S)]
        for second, mmsi, x, y in history:
            out.write(lines(mmsi, np.full(len(mmsi), second), x, y, np.full(len(mmsi), 0.2)))
        for second in range(BEGIN_S, BEGIN_S + seconds):
            at = (np.arange(rate) + (second - BEGIN_S) * rate) % vessels
            east = lon[at] + speed_kn[at] * (second - BEGIN_S) / 3600 / 60
            wrapped = (east + 180) % 360 - 180
            out.write(lines(201_000_000 + at, np.full(rate, second), wrapped, lat[at], speed_kn[at]))
            mmsi, x, y = pairs.fixes(second)
            out.write(lines(mmsi, np.full(len(mmsi), second), x, y, np.full(len(mmsi), 0.2)))
            ends.append(out.tell())
    return ends


@dataclass
class Sent:
    """When each second of the feed was sent, by the wall clock."""

    wall_s: list[float] = field(default_factory=list)


def send(server: socket.socket, path: Path, ends: list[int], sent: Sent) -> None:
    """Send a second of the feed each second to whoever connects, then keep still."""
    peer, _ = server.accept()
    begun_s = time.time()
    with peer, path.open("rb") as feed:
        for number, end in enumerate(ends):
            time.sleep(max(0.0, begun_s + number - time.time()))
            peer.sendall(feed.read(end - feed.tell()))
            sent.wall_s.append(time.time())
        peer.recv(1)


@dataclass
class Seen:
    """What was seen of the watch from outside, once a second."""

    cpu_s: dict[int, float] = field(default_factory=dict)
    peak: int = 0
    status: list[tuple[float, float, float, bool]] = field(default_factory=list)  # second, lag, slice, finalizing

    def look(self, process: psutil.Process, data: Path, sent: Sent) -> None:
        """Look at its processes and at its status."""
        total = 0
        for each in (process, *process.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                times = each.cpu_times()
                self.cpu_s[each.pid] = times.user + times.system
                total += each.memory_info().rss
        self.peak = max(self.peak, total)
        with suppress(OSError, ValueError, TypeError, KeyError):
            last = json.loads((data / "live" / "status.json").read_text())["slice"]
            stamp_s = np.datetime64(last["arrival"].rstrip("Z"), "ms").astype(np.int64) / 1000
            second = len(sent.wall_s) - 1
            self.status.append((second, BEGIN_S + second - stamp_s, last["took_s"], last["finalizing"]))


def measure(rate: int, minutes: float, vessels: int, area: str, folder: Path) -> str:
    """Run the feed through a watch; what it cost, as a table."""
    seconds = round(minutes * 60)
    pairs = Pairs(max(1, min(72, (seconds - 40) // APART_S)))
    ends = write_feed(folder / "feed", rate, seconds, vessels, pairs)
    sent, seen, data = Sent(), Seen(), folder / "data"
    with receiving() as hook, socket.create_server(("127.0.0.1", 0)) as server:
        got: dict[str, float] = {}
        (folder / "alerts.toml").write_text(HOOK.format(hook.url))
        threading.Thread(target=send, args=(server, folder / "feed", ends, sent), daemon=True).start()
        words = [f"feed=tcp://127.0.0.1:{server.getsockname()[1]}", "--data", str(data), "--area", area]
        words += ["--arrival", "recorded", "--alerts", str(folder / "alerts.toml"), "--alert-identities"]
        command = [sys.executable, "-m", "stswatch.pipeline.cli", "stream", *words, "--health", "none"]
        with subprocess.Popen(command, env=os.environ | {"HOOK_SECRET": SECRET}) as watch:
            process = psutil.Process(watch.pid)
            until_s = time.time() + seconds + AFTER_S
            while time.time() < until_s and watch.poll() is None:
                seen.look(process, data, sent)
                for alert in hook.alerts()[len(got) :]:
                    got.setdefault(alert["id"], time.time())
                time.sleep(0.1)
            watch.terminate()
        opened = [a for a in hook.alerts() if a["change"] == "opened"]
    return table(rate, seconds, seen, latencies(opened, got, sent), pairs.count)


def latencies(opened, got, sent: Sent) -> list[float]:
    """Seconds from when the deciding second of a pair was sent to when the alert was there, for each that came."""
    found = []
    for alert in opened:
        pair = (alert["mmsi_a"] - 311_000_000) // 2
        at = Pairs(0).decided_s(pair)
        if 0 <= at < len(sent.wall_s):
            found.append(got[alert["id"]] - sent.wall_s[at])
    return found


def table(rate: int, seconds: int, seen: Seen, late_s: list[float], pairs: int) -> str:
    """The figures, a line each."""
    second, lag_s, took_s, finalizing = np.array(seen.status).T
    first, finalizing = second < seconds / 2, (finalizing == 1) & (second > HOUR_OVER_S)
    collected = ", ".join(f"{np.percentile(late_s, p):.1f}" for p in (50, 95)) if late_s else "-"
    rows = {
        "sentences a second": f"{rate:,}",
        "seconds": f"{seconds:,}",
        "CPU, cores": f"{sum(seen.cpu_s.values()) / seconds:.2f}",
        "memory at most, MB": f"{seen.peak / 1e6:,.0f}",
        "lag p50, first and second half, s": f"{np.median(lag_s[first]):.1f}, {np.median(lag_s[~first]):.1f}",
        "slice p50, p95, s": ", ".join(f"{np.percentile(took_s, p):.2f}" for p in (50, 95)),
        "leads told of": f"{len(late_s)} of {pairs}",
        "to the web hook p50, p95, s": collected,
    }
    if finalizing.any():
        rows |= {
            f"an hour with {rate * HOUR_OVER_S:,} sentences finalized, s": f"{np.ptp(second[finalizing]):.0f}",
            "lag meanwhile p50, p95, s": ", ".join(f"{np.percentile(lag_s[finalizing], p):.1f}" for p in (50, 95)),
        }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=int, default=30_000)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--vessels", type=int, default=60_000)
    parser.add_argument("--area", default="dprk")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(measure(given.rate, given.minutes, given.vessels, given.area, Path(folder)))


if __name__ == "__main__":
    main()
