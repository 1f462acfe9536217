"""One run at a time over a data folder."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stswatch.pipeline.flow.run import FolderInUse, alone

pytestmark = pytest.mark.e2e

HOLD = """
import sys
from pathlib import Path
from stswatch.pipeline.flow.run import alone

with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_run_is_told_and_a_killed_one_leaves_the_folder_free(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FolderInUse, match="another run works in this folder"), alone(tmp_path):
            pass
        other.kill()
        other.wait()
    with alone(tmp_path):
        pass
