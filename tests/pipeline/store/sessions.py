"""Other programs that open a database, each in a process of its own: who reads, writes, dies or stays."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What an analyst may type. Nobody but root can open what is published to write; the others have to want it.
_SESSION = """
import os, sys
import duckdb
path, does = sys.argv[1:]
if does != "read":
    os.chmod(path, 0o644)
db = duckdb.connect(path, read_only=does == "read")
if does != "read":
    db.execute("CREATE TABLE notes AS SELECT range AS line FROM range(1000)")
    db.execute("DELETE FROM gaps")
if does == "write":
    db.close()
print("ready", flush=True)
for _ in sys.stdin:
    print(db.execute("SELECT count(*) FROM gaps").fetchall()[0][0], flush=True)
"""
_OURS = """
import sys
from pathlib import Path
from stswatch.pipeline.store.database import connect
db = connect(Path(sys.argv[1]))
print("ready", flush=True)
for query in sys.stdin:
    print(db.execute(query).fetchall()[0][0], flush=True)
"""


class Session:
    """A program that has opened a database and waits."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program
        assert self._answer() == "ready"

    def ask(self, query: str = "SELECT count(*) FROM gaps") -> str:
        """What a query gives there now."""
        assert self._program.stdin is not None
        self._program.stdin.write(query + "\n")
        self._program.stdin.flush()
        return self._answer()

    def kill(self) -> None:
        """SIGKILL: nothing is closed or written any more."""
        self._program.send_signal(signal.SIGKILL)
        self._program.wait()

    def _answer(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline().strip()


@contextmanager
def session(path: Path, does: str) -> Iterator[Session]:
    """A DuckDB session on a file: one that would "read", "write" and close, or "hold" what it has written open."""
    with _program(_SESSION, path, does) as running:
        yield running


@contextmanager
def connection(data: Path) -> Iterator[Session]:
    """A program that holds what api.connect gives; `ask` takes any query."""
    with _program(_OURS, data) as running:
        yield running


@contextmanager
def _program(code: str, *arguments: object) -> Iterator[Session]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        yield Session(program)
        assert program.stdin is not None
        if program.returncode is None:
            program.stdin.close()
