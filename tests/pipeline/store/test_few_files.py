"""Owns: where too few files may be opened that is said, in one sentence; DuckDB does not end the process."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from tests.pipeline import damage
from tests.pipeline.flow import archive

pytestmark = pytest.mark.e2e

PROGRAM = """
import json, os, resource, sys, threading
from pathlib import Path
from stswatch.pipeline import api
from stswatch.pipeline.flow import engine, run  # noqa: F401  what no file may be left for
from stswatch.pipeline.readers import formats  # noqa: F401
from stswatch.pipeline.store import queries  # noqa: F401

data, archive = map(Path, sys.argv[1:])
ends = {}

def connect():
    for _ in range(5):
        with api.connect(data) as db:
            db.sql("SELECT count(*) FROM encounters").fetchall()

def connect_at_once(told):
    def one():
        try:
            connect()
        except Exception as error:
            told.append(str(error))
    threads = [threading.Thread(target=one) for _ in range(8)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]

def run_again(told):
    try:
        api.run(archive, data, area="world", slice_h=6.0)
    except Exception as error:
        told.append(str(error))

for work, allowed in ((connect_at_once, range(0, 20, 4)), (run_again, (1, 9, 17, 22))):
    for files in allowed:
        said, saying = os.pipe()
        if not (child := os.fork()):
            told = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) - 1 + files,) * 2)
            work(told)
            os.write(saying, json.dumps(told[:3]).encode())
            os._exit(0)
        os.close(saying)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ends[f"{work.__name__} {files}"] = code, json.loads(os.read(said, 65536) or b"[]")
print(json.dumps(ends))
"""


def test_many_that_open_at_once_with_few_files_are_refused_and_live(tmp_path):
    files = damage.archives(tmp_path)
    archive.run(tmp_path / "data", files[:2], slice_h=6.0)
    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path / "data", files[2]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ends = json.loads(done.stdout.splitlines()[-1])
    assert {code for code, _ in ends.values()} == {0}, ends
    collected = [sentence for _, collected in ends.values() for sentence in collected]
    assert len(collected) >= 10
    fits = re.compile(r".+: .*(too many files are open|Too many open files)\b.*; raise the limit \(ulimit -n\).*")
    assert [sentence for sentence in collected if not fits.fullmatch(sentence)] == []
    assert archive.run(tmp_path / "data", files, slice_h=6.0)["encounters"].num_rows
