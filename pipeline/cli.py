"""The command `stswatch`: parses, runs a command, says in one sentence what a user can mend.

Each command is a dataclass of its options, those of `pipeline/options.py` and a few of its own
(`pipeline/commands.py`).
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from stswatch.errors import StswatchError
from stswatch.pipeline import commands, evidence_commands, terminal, trouble, untrusted
from stswatch.pipeline.options import DATA
from stswatch.pipeline.terminal import Command, parser_of, spelled


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit code. What the user can mend is said in one sentence on standard error."""
    with untrusted.guarded():
        return _main(argv)


def _main(argv: Sequence[str] | None) -> int:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    logging.getLogger().setLevel(logging.ERROR)
    command: Command | None = None
    came: list[int] = []
    try:
        command = _parsed(argv)
        if command is not None:
            with terminal.ended_by_signals(came):
                command()
        if sys.stdout is not None:  # whoever called may have closed it
            sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        _drop_unprinted()
    except Exception as error:
        if terminal.interrupt_behind(error):
            return _stopped(command, came)
        expected = isinstance(error, StswatchError | OSError)
        message = _sentence(error) if expected else trouble.sentence(error, getattr(command, "data", None) or DATA)
        if message is None:
            raise
        print(f"stswatch: {untrusted.escaped(spelled(message), untrusted.SENTENCE)}", file=sys.stderr)
        _drop_unprinted()
        return 1
    except KeyboardInterrupt:
        return _stopped(command, came)
    return 0


def _drop_unprinted() -> None:
    """Where standard output takes no more, what is left goes nowhere: Python would try again at its end, and tell."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stopped(command: Command | None, came: Sequence[int]) -> int:
    """Say that a signal ended it; gives the exit code, of Ctrl-C where no other signal came."""
    goes_on = "; the same command goes on from the last finished slice" if isinstance(command, commands.Run) else ""
    print(f"stswatch: stopped{goes_on}", file=sys.stderr)
    return 128 + (came[0] if came else signal.SIGINT)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno:
        if error.filename:
            return f"{error.filename}: {error.strerror}"
        if error.errno in trouble.DISK and error.strerror == os.strerror(error.errno):  # of no file: what is printed
            return trouble.sentence(error, "standard output", then="") or f"standard output: {error.strerror}"
        return error.strerror or str(error)
    return str(error)


_KINDS: tuple[type[Command], ...] = (
    *(commands.Run, commands.Decode, commands.Stream, commands.Reconcile, commands.Status),
    *(commands.Leads, commands.Dark, commands.Explain, commands.RulesCommand, commands.Areas),
    *(evidence_commands.Docket, evidence_commands.Case, evidence_commands.Decide, evidence_commands.Record),
    *(evidence_commands.Observe, evidence_commands.Log, evidence_commands.Rebuild),
    *(evidence_commands.Verify, evidence_commands.Reproduce, commands.Retain),
    *(commands.Simulate, commands.Train, commands.Evaluate),
)
COMMANDS: Mapping[str, type[Command]] = {kind.__name__.removesuffix("Command").lower(): kind for kind in _KINDS}


def parser() -> argparse.ArgumentParser:
    """Every command with its options; the documentation is held to it."""
    return parser_of(COMMANDS)


def _parsed(argv: Sequence[str] | None) -> Command | None:
    """What was asked for; None where that is the help or the version, which is printed by then."""
    try:
        words = vars(parser().parse_args(argv))
    except SystemExit as done:
        if done.code:
            raise
        return None
    return COMMANDS[words.pop("command")](**words)


if __name__ == "__main__":
    sys.exit(main())
