"""The command in processes that are forked from one with everything imported: a start costs 20 ms, not 1.5 s.

Honest, since that one process has no thread of Python or Beam: Beam starts its threads with the first pipeline, and
those of OpenBLAS and jemalloc follow a fork by themselves. A command ends as it does for a user, atexit and all.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOM = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)))  # where one may mount
_INTO = (
    "nsenter",
    "--mount",
    "--root",
    *(() if os.geteuid() == 0 else ("--user", "--preserve-credentials")),
    "--target",
)


@dataclass(frozen=True)
class Done:
    """How a command ended: its exit code (that of a signal negative), what it said, its process (and session)."""

    code: int
    out: str
    err: str
    pid: int

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Commands:
    """Starts commands, one at a time; `within` is put before the process that forks them."""

    def __init__(self, folder: Path, within: Sequence[str] = ()) -> None:
        self._outputs = [folder / "out", folder / "err"]
        words = [*within, sys.executable, "-m", __name__, *map(str, self._outputs)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", f"{words[:-2]} did not start"

    @property
    def root(self) -> Path:
        """The root of the file system that the commands see."""
        return Path(f"/proc/{self._process.pid}/root")

    @property
    def pid(self) -> int:
        """The process that forks the commands."""
        return self._process.pid

    def __call__(
        self,
        *words: object,
        fault: str | None = None,
        kill_after_s: float | None = None,
        by: int = signal.SIGKILL,
        file_bytes: int | None = None,
        spare_bytes: int | None = None,
        powerless: bool = False,
    ) -> Done:
        """Run `stswatch WORDS`.

        fault: where to kill itself. kill_after_s: when to be killed; by: with which signal.
        file_bytes: the most that a file may hold.
        spare_bytes: address space left to it. powerless: even as root bound by the rights of files.
        """
        how = {"fault": fault, "kill_after_s": kill_after_s, "file_bytes": file_bytes, "spare_bytes": spare_bytes}
        code, pid = self._ask({"words": [str(word) for word in words], "powerless": powerless, "by": by} | how)
        out, err = (path.read_text() for path in self._outputs)
        return Done(code, out, err, pid)

    def shell(self, *words: object) -> None:
        """Run another program where the commands are run; fails where it does."""
        code, _ = self._ask({"program": [str(word) for word in words]})
        assert code == 0, words

    def beside(self, *words: object) -> None:
        """Run another program in the room of ROOM while a command runs; fails where it does."""
        subprocess.run([*_INTO, str(self._process.pid), *map(str, words)], check=True)

    def close(self) -> None:
        """End the process that forks."""
        self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> tuple[int, int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        code, pid = json.loads(self._process.stdout.readline())
        return code, pid


def main(printed: Sequence[str]) -> int:
    """Import everything, then fork one process for each line asked, and say how each ended."""
    import logging

    logging.getLogger().setLevel(logging.ERROR)
    from stswatch.geo.reference import zones  # noqa: F401  what a run imports
    from stswatch.pipeline import cli, words  # noqa: F401
    from stswatch.pipeline.flow import engine, run  # noqa: F401
    from stswatch.pipeline.readers import formats  # noqa: F401
    from stswatch.pipeline.store import queries  # noqa: F401

    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "program" in asked:
            print(json.dumps([subprocess.run(asked["program"]).returncode, 0]), flush=True)
            continue
        pid = os.fork()
        if not pid:
            _settle(printed, asked)
            return cli.main(asked["words"])
        print(json.dumps([_ended(pid, asked["kill_after_s"], asked["by"]), pid]), flush=True)
    return 0


def _settle(printed: Sequence[str], asked: dict[str, Any]) -> None:
    """Make of this process what was asked, its output into files."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts behind its back
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(printed, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if asked["fault"]:
        os.environ["STSWATCH_FAULT"] = asked["fault"]
    if asked["file_bytes"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["file_bytes"],) * 2)
    if asked["spare_bytes"] is not None:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + asked["spare_bytes"],) * 2)
    if asked["powerless"]:
        # Source: capset(2); the header is version 3 and this process, the rest says that no capability is kept
        assert ctypes.CDLL(None).capset(struct.pack("Ii", 0x20080522, 0), bytes(24)) == 0


def _ended(pid: int, kill_after_s: float | None, by: int) -> int:
    """The exit code of a process that is killed after a while."""
    if kill_after_s is not None:
        ended = os.pidfd_open(pid)
        if not select.select([ended], [], [], kill_after_s)[0]:
            os.kill(pid, by)
        os.close(ended)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def of_session(session: int) -> list[int]:
    """Processes of a session that still run, by number."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            state, _, _, belongs = (place / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(belongs) == session and state != "Z":
                found.append(int(place.name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
