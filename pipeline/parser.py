"""The parser of the command: argparse, from dataclasses of options, with what it lacks for a program in a pipe."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from importlib.metadata import version
from typing import Any, NoReturn

from stswatch.pipeline import untrusted
from stswatch.pipeline.options import OptionError


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong with the words of a command, and takes `-?name=value` for standard input."""

    def error(self, message: str) -> NoReturn:
        super().error(untrusted.escaped(message, untrusted.SENTENCE))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version; argparse passes over what cannot be written, as on a full device: here it is an error."""
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            super()._print_message(message, file)

    def _parse_optional(self, arg_string: str) -> Any:
        return None if arg_string.startswith("-?") else super()._parse_optional(arg_string)


class _Help(argparse.HelpFormatter):
    """Leaves room beside the longest command: argparse forgets that commands are indented."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog)
        self._action_max_length = 13


def parser_of(commands: Mapping[str, type]) -> argparse.ArgumentParser:
    """The parser of dataclasses of options by the names of their commands.

    The docstring of each is a sentence and, after a blank line, an example. What is parsed has the names of the fields,
    and `command`.
    """
    top = _Parser(
        prog="stswatch",
        description="Ranked, explained, reproducible leads on ship-to-ship transfers, from raw AIS.",
        epilog="A lead is not a finding: most meetings and silences at sea are lawful.",
        formatter_class=_Help,
    )
    top.add_argument("--version", action="version", version=f"stswatch {version('stswatch')}")
    below = top.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command")
    for name, kind in commands.items():
        summary, example = inspect.cleandoc(kind.__doc__ or "").split("\n\nExample: ")
        sub = below.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"example: {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        for field in fields(kind):
            if field.metadata.get("help"):
                _add(sub, field)
    return top


def _add(sub: argparse.ArgumentParser, field: Field[Any]) -> None:
    """Add one option; nargs `+` or `?` is that of an argument without a name."""
    told = field.metadata
    if not told["metavar"]:
        sub.add_argument(flag(field), dest=field.name, action="store_true", help=told["help"])
        return
    how: dict[str, Any] = {"help": told["help"], "metavar": told["metavar"], "type": _reading(told["read"])}
    if told["choices"]:
        how["choices"] = told["choices"]
    if told["nargs"] in ("+", "?"):
        sub.add_argument(field.name, nargs=told["nargs"], **how)
        return
    how |= {"dest": field.name, "required": told["needed"], "default": field.default}
    if told["nargs"]:
        how |= {"action": "append", "default": []}
    sub.add_argument(flag(field), **how)


def flag(field: Field[Any]) -> str:
    """How the command names an option."""
    return f"--{field.metadata['flag'] or field.name.replace('_', '-')}"


def _reading(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """What reads the text of an option, and says so as argparse wants it where it cannot."""

    def value(text: str) -> Any:
        try:
            return read(text)
        except OptionError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r}: give a number") from None

    return value
