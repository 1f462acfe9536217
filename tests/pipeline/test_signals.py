"""Owns: a signal that asks a command to end is obeyed, said, and leaves nothing of it behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.pipeline.alerts.receiver import until
from tests.recording import RECORDING

pytestmark = pytest.mark.e2e

STSWATCH = [sys.executable, "-m", "stswatch.pipeline.cli"]


def begun(folder, *words, **given):
    """A command in a process group of its own, and the file of what it says."""
    printed = folder / "printed"
    with printed.open("wb") as errors:
        command = [*STSWATCH, *map(str, words), "--data", folder / "data"]
        return subprocess.Popen(command, stderr=errors, start_new_session=True, **given), printed


def semaphores(pid):
    """The files of those that a process has."""
    held = {int(number) for number in re.findall(r" (\d+) +/dev/shm/sem\.", Path(f"/proc/{pid}/maps").read_text())}
    found = set()
    for path in Path("/dev/shm").glob("sem.mp-*"):
        with suppress(OSError):  # another program's, gone meanwhile
            found |= {path} if path.stat().st_ino in held else set()
    return found


@pytest.mark.parametrize("number", [signal.SIGHUP, pytest.param(signal.SIGTERM, marks=pytest.mark.soak)])
def test_a_run_with_workers_says_that_it_stopped_and_leaves_nothing(number, tmp_path):
    """The whole group gets the signal, as from a terminal that is closed."""
    process, printed = begun(tmp_path, "run", RECORDING, "--workers", 2)
    try:
        workers = lambda: len(psutil.Process(process.pid).children(recursive=True)) >= 4  # noqa: E731
        until(workers, 60)
        until(lambda: (tmp_path / "data" / "lake").is_dir() or process.poll() is not None, 60)
        held = semaphores(process.pid)
        children = psutil.Process(process.pid).children(recursive=True)
        assert held
        if number == signal.SIGHUP:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        assert process.wait(60) == 128 + number
    finally:
        process.kill()
    psutil.wait_procs(children, 10)
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not [name for name in held if name.exists()]
    text = printed.read_text()
    assert text.splitlines()[-1] == "stswatch: stopped; the same command goes on from the last finished slice", text
    assert "Traceback" not in text


def test_a_watch_says_that_it_stopped(tmp_path):
    """SIGTERM and Ctrl-C are tried on whole watches in test_stream.py."""
    words = ("stream", "-?receiver=satellite", "--health", "none", "--interval", "0.5")
    process, printed = begun(tmp_path, *words, stdin=subprocess.PIPE)
    try:
        until((tmp_path / "data" / "live" / "status.json").exists, 60)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.stdin.close()
    text = printed.read_text()
    assert text.startswith("stswatch: watching stdin from -?receiver=satellite; ")
    assert text.endswith("stswatch: stopped; the same command goes on from here\n")


@pytest.mark.soak
def test_what_was_begun_with_nohup_lives_on(tmp_path):
    ignoring = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)  # noqa: E731
    process, printed = begun(
        tmp_path, "stream", "-", "--health", "none", "--interval", "0.5", stdin=subprocess.PIPE, preexec_fn=ignoring
    )
    try:
        until((tmp_path / "data" / "live" / "status.json").exists, 60)
        process.send_signal(signal.SIGHUP)
        time.sleep(1)
        assert process.poll() is None
        process.terminate()
        assert process.wait(60) == 0
    finally:
        process.kill()
        with suppress(OSError):
            process.stdin.close()
    assert printed.read_text().endswith("stswatch: stopped; the same command goes on from here\n")


ENDING = """
import atexit, threading, time
from stswatch.pipeline import terminal
from stswatch.pipeline.store import database
asked = threading.Event()
def ask():
    while True:
        asked.set()
        terminal._interrupt_queries()
threading.Thread(target=ask, daemon=True).start()
asked.wait()
atexit.register(time.sleep, 0.5)  # the main thread is in no code of Python for so long
"""


def test_queries_are_interrupted_until_the_program_ends_without_a_word():
    done = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
