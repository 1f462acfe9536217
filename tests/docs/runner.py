"""Does what a page says, block by block, in a folder of its own."""

from __future__ import annotations

import doctest
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from glob import glob
from pathlib import Path
from typing import Any

from stswatch.pipeline import api, cli, rules
from stswatch.pipeline.alerts import destinations
from stswatch.pipeline.decode import reports
from stswatch.pipeline.readers import formats
from stswatch.pipeline.sources import kinds as sources
from tests.docs.pages import ROOT, Fence, Page
from tests.docs.stand_ins import called

# What no test does for the reader, and why. Kept short by a test; a make target must exist all the same.
LEFT_OUT = {
    "make test": "it would run itself",
    "make check": "it stands beside the tests",
    ".venv/bin/python -m pytest": "it would run itself",
    ".venv/bin/python -m tests.docs.write": "it writes into the project",
    "stswatch stream tcp://receiver.example:10110": "it waits for a receiver",
    "sudo": "it changes the machine",
    "podman": "it needs the network, and an engine for containers",
    ". .venv/bin/activate": "it changes the reader's own shell; here commands are called as in such a one",
}
EXTENDED = (  # put back: pages show how to add to them
    (formats, "READERS"),
    (sources, "SOURCES"),
    (destinations, "KINDS"),
    (reports, "CHECKS"),
    (rules, "Rules"),
)
MAKEFILE = ROOT / "Makefile"
_OTHER_SHELL = re.compile(r"[|<>;&$`]")  # what makes a line more than one command
_PROGRESS = re.compile(r"(reading|watching|loading)\b")
_ALIKE = 0.5  # lines with less in common are others
_DOCTEST = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Failed(AssertionError):
    """A block that does not do what the page says; the message says where and how."""


@dataclass
class Runner:
    """One reader at one page; `demo` is what `make demo` printed, `home` holds the stand-ins (see stand_ins.py)."""

    page: Page
    home: Path
    demo: str
    data: str = "demo-data"  # the folder named last: that of the next SQL
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    done: list[str] = field(default_factory=list)  # commands, statements and examples that were tried
    differs: tuple[Fence, str] | None = None  # a console block, and what it should show

    def run(self) -> None:
        """Every block in order, in the current folder. Raises Failed."""
        tables = [(module, name, getattr(module, name)) for module, name in EXTENDED]
        try:
            for fence in self.page.fences:
                if fence.excuse is None:
                    self._block(fence)
        finally:
            for module, name, table in tables:
                setattr(module, name, table)

    def commands(self) -> list[str]:
        """The commands of the page, in order."""
        collected = {"sh": commands, "console": lambda text: [command for _, command, _ in dialogues(text)]}
        return [
            c
            for fence in self.page.fences
            if fence.language in collected
            for c in collected[fence.language](fence.text)
        ]

    def _block(self, fence: Fence) -> None:
        try:
            getattr(self, f"_{fence.language}", self._nothing)(fence)
        except Exception as error:
            raise Failed(f"{self.page.name}:{fence.line}: {error}\n{fence.text}") from error

    def _nothing(self, fence: Fence) -> None:
        """Text and drawings."""

    # ------------------------------------------------------------------------------------------------ languages

    def _sh(self, fence: Fence) -> None:
        for command in commands(fence.text):
            code, printed = self.command(command)
            if code:
                raise Failed(f"{command!r} ends with {code}: {printed}")

    def _console(self, fence: Fence) -> None:
        really = []
        for shown, command, expected in dialogues(fence.text):
            code, printed = self.command(command)
            if code and not printed.startswith(("stswatch: ", "usage: ")):  # an error of ours, which the page shows
                raise Failed(f"{command!r} ends with {code}: {printed}")
            really.append(shown + (expected if agrees(expected, printed) else renewed(expected, printed)))
        if "".join(really) != fence.text:
            self.differs = fence, "".join(really)
            again = f"python -m tests.docs.write {self.page.name} writes it again"
            raise Failed(f"the program says\n{self.differs[1]}\n({again}), where the page has")

    def _python(self, fence: Fence) -> None:
        self.done.append("python")
        if fence.text.startswith(">>> "):
            test = doctest.DocTestParser().get_doctest(fence.text, self.names, self.page.name, None, fence.line)
            self.names = test.globs  # the parser copies them
            trouble, tried = io.StringIO(), _Tried(optionflags=_DOCTEST)
            if tried.run(test, out=trouble.write, clear_globs=False).failed:
                lines = fence.text.splitlines(keepends=True)
                for first, count, got in reversed(tried.others):
                    lines[first : first + count] = [got]
                self.differs = fence, "".join(lines)
                raise Failed(trouble.getvalue())
            return
        with redirect_stdout(io.StringIO()):
            exec(compile("\n" * fence.line + fence.text, self.page.name, "exec", dont_inherit=True), self.names)

    def _sql(self, fence: Fence) -> None:
        self.done.append("sql")
        with closing(api.connect(self.data)) as db:
            if not db.execute(fence.text).fetchall():
                raise Failed(f"no row comes back from {self.data}")

    def _toml(self, fence: Fence) -> None:
        """A file whose name stands in the comment of its first line."""
        self.done.append("toml")
        tomllib.loads(fence.text)
        name = re.match(r"# ([\w.-]+\.toml)\b", fence.text)
        if not name:
            raise Failed("the first line of a TOML file is a comment with its name, # NAME.toml")
        Path(name[1]).write_text(fence.text)

    def _json(self, fence: Fence) -> None:
        self.done.append("json")
        json.loads(fence.text)

    # ------------------------------------------------------------------------------------------------ commands

    def command(self, command: str) -> tuple[int, str]:
        """Do what a command says; gives exit code and what it prints, errors after output, progress left out."""
        left_out = next((start for start in LEFT_OUT if f"{command} ".startswith(f"{start} ")), None)
        if command.startswith("make ") and not re.search(rf"^{command.split()[1]}:", MAKEFILE.read_text(), re.M):
            raise Failed(f"no target: {command}")
        self.done.append(f"left out: {left_out}" if left_out else command)
        if left_out:
            return 0, ""
        self.data = next(iter(re.findall(r"--data[ =](\S+)", command)), self.data)
        if command == "make demo":
            return 0, self.demo
        words = shlex.split(command)
        if Path(words[0]).name == "stswatch" and not _OTHER_SHELL.search(command):
            return self._stswatch(words[0], words[1:])
        venv = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-ec", command], capture_output=True, text=True, env=os.environ | {"PATH": venv}, check=False
        )
        return done.returncode, done.stdout + without_progress(done.stderr)

    def _stswatch(self, name: str, words: list[str]) -> tuple[int, str]:
        """The command in this process; the word ID stands for the first lead of the data folder."""
        words = [found for word in words for found in (sorted(glob(word)) if "*" in word else [word])]
        words = [api.leads(self.data, 1)[0]["id"] if word == "ID" else word for word in words]
        out, err = io.StringIO(), io.StringIO()
        with called(name), redirect_stdout(out), redirect_stderr(err):
            try:
                code = cli.main(words)
            except SystemExit as end:
                code = int(end.code or 0)
        return code, out.getvalue() + without_progress(err.getvalue())


class _Tried(doctest.DocTestRunner):
    """Keeps what failing examples gave: line where the shown output begins, how many lines it has, what came."""

    def __init__(self, optionflags: int) -> None:
        super().__init__(verbose=False, optionflags=optionflags)
        self.others: list[tuple[int, int, str]] = []

    def report_failure(self, out: Any, test: doctest.DocTest, example: doctest.Example, got: str) -> None:
        first = example.lineno + example.source.count("\n")
        self.others.append((first, example.want.count("\n"), renewed(example.want, got)))
        super().report_failure(out, test, example, got)


def commands(text: str) -> Iterator[str]:
    """The commands of a shell block: lines without comments, continued ones joined; a here document is one.

    >>> list(commands("ls -l  # here\\nmake \\\\\\n  test\\n# nothing\\n"))
    ['ls -l', 'make test']
    """
    if "<<" in text:
        yield text
        return
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        command = re.sub(r"(^|\s)#.*", "", line).strip()
        if command:
            yield command


def dialogues(text: str) -> Iterator[tuple[str, str, str]]:
    """(as the page shows it, command, what the page shows of its output) for each command of a console block.

    >>> list(dialogues("$ ls \\\\\\n  -l\\nfile\\n"))
    [('$ ls \\\\\\n  -l\\n', 'ls -l', 'file\\n')]
    """
    for found in re.finditer(r"^\$ ((?:.*\\\n)*.*\n)((?:(?!\$ ).*\n)*)", text, re.M):
        yield found[0].removesuffix(found[2]), re.sub(r"\s*\\\n\s*", " ", found[1]).strip(), found[2]


def agrees(expected: str, printed: str) -> bool:
    """Whether what was said is what is shown, blanks at line ends aside; ... stands for anything.

    >>> agrees("a ... c", "a b c\\n"), agrees("...\\nend", "1\\n2\\nend"), agrees("end", "1\\nend")
    (True, True, False)
    """
    pattern = re.escape(_trimmed(expected)).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, _trimmed(printed), re.S) is not None


def renewed(expected: str, printed: str) -> str:
    """What was said, shortened where the page is: by the lines of the page that have the most in common with it.

    >>> renewed("a 1 b\\n...\\ntotal 3 ...\\n", "a 2 b\\nx\\ny\\ntotal 4 of 9\\n")
    'a 2 b\\n...\\ntotal 4 ...\\n'
    """
    lines, out = printed.strip("\n").splitlines(), []
    if "..." not in expected:
        return "\n".join(lines) + "\n"
    for shown in expected.strip("\n").splitlines():
        if shown == "...":
            out.append(shown)
            continue
        like = [SequenceMatcher(None, shown, line).ratio() for line in lines]
        best = max(range(len(lines)), key=like.__getitem__, default=None)
        if best is None or like[best] < _ALIKE:
            continue
        out.append(shown if agrees(shown, lines[best]) else _cut_like(shown, lines[best]))
        lines = lines[best + 1 :]
    return "\n".join(out) + "\n"


def _cut_like(shown: str, line: str) -> str:
    """The line, ending in ... after as many words as the one that is shown, where that does."""
    begin = shown.removesuffix("...")
    return line if begin == shown else " ".join([*line.split(" ")[: begin.count(" ")], "..."])


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def without_progress(text: str) -> str:
    """Standard error without the lines that tell how far a run is."""
    return "".join(line for line in text.splitlines(keepends=True) if not _PROGRESS.match(line))


def settle(home: Path, folder: Path) -> None:
    """Give a page its own copy of the stand-ins."""
    shutil.copytree(home, folder, symlinks=True, dirs_exist_ok=True)
