"""Owns: whatever is written under a temporary name is gone after Ctrl-C, what was there before stays.

The signal comes when the file is there, and finds it half written: there are a hundred megabytes of it. A run and its
folder: flow/test_ctrl_c.py.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import zlib
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from stswatch.pipeline.evaluation import seas
from stswatch.pipeline.pictures import image_file
from stswatch.pipeline.readers import nmea_messages
from stswatch.pipeline.store import files


@cache
def much():
    return np.random.default_rng(1).bytes(100 << 20)


def a_picture(path):
    image_file.write(path, much())


def a_sea(path):
    seas.save(seas.Watched(pa.table({"a": np.frombuffer(much())}), 1.0, 1.0), path)


def a_json_file(path):
    files.write_json(path, much().hex())


def messages(path):
    with nmea_messages.sink("jsonl", path, pa.schema([])):
        time.sleep(10)


WRITERS = [
    (a_picture, "a.svg", ".picture-{}"),
    (a_sea, "a.parquet", "a.part"),
    (a_json_file, "a.json", "a.part"),
    (messages, "a" * 249 + ".jsonl", f".{zlib.crc32(b'a' * 249 + b'.jsonl'):08x}-{{}}"),
]


def send_ctrl_c(beside):
    """Ctrl-C to the main thread, as soon as there is a file of this name."""
    while not beside.exists():
        time.sleep(0.001)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


@pytest.mark.parametrize(("write", "name", "beside"), WRITERS)
def test_ctrl_c_leaves_what_was_there_and_nothing_else(write, name, beside, tmp_path, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored behind a shell's &
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    path = tmp_path / name
    path.write_bytes(b"old")
    ctrl_c = threading.Thread(target=send_ctrl_c, args=(tmp_path / beside.format(os.getpid()),), daemon=True)
    ctrl_c.start()
    with pytest.raises(KeyboardInterrupt):
        write(path)
    ctrl_c.join(10)
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == [name]
