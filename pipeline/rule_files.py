"""Rules as files, as JSON and as a table: `--rules FILE`, what a run stores, `stswatch rules`."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from pathlib import Path
from typing import Any

from stswatch.errors import StswatchError
from stswatch.pipeline.rules import Rules
from stswatch.regular_files import read_regular


class RulesError(StswatchError, ValueError):
    """A rules file that cannot be used; the message says what was found and what is expected."""


def load(path: Path) -> Rules:
    """Rules from a TOML file: one section per step, a number per line; what is not named keeps its default.

    Raises RulesError for unknown names and for values that are not positive numbers (a score may be negative).
    """
    try:
        given = tomllib.loads(read_regular(path).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RulesError(f"{path}: not a TOML file of rules ({error}); see `stswatch rules` for the names") from error
    except OSError as error:
        raise RulesError(f"{path}: cannot be read ({error.strerror}); give the path of a TOML file of rules") from error
    sections: dict[str, Any] = {}
    for section, values in given.items():
        if section not in _sections() or not isinstance(values, dict):
            raise RulesError(f"{path}: no section [{section}]; the sections are {', '.join(_sections())}")
        default: Any = getattr(Rules, section)
        known = {f.name for f in dataclasses.fields(default)}
        for name, value in values.items():
            if name not in known:
                raise RulesError(f"{path}: [{section}] has no rule {name}; it has {', '.join(sorted(known))}")
            if not _usable(value) or (value <= 0 and section != "lead"):
                raise RulesError(f"{path}: [{section}] {name} = {value!r}; a number above 0 is expected")
        sections[section] = dataclasses.replace(default, **{name: float(value) for name, value in values.items()})
    return _consistent(path, dataclasses.replace(Rules(), **sections))


def from_json(text: str) -> Rules:
    """The rules that `Rules.to_json` wrote, as a run stores them; what its version did not know keeps its default.

    >>> from_json(Rules().to_json()) == Rules()
    True
    """
    given = json.loads(text)
    sections: dict[str, Any] = {}
    for section in _sections():
        default: Any = getattr(Rules, section)
        known = {f.name for f in dataclasses.fields(default)}
        sections[section] = dataclasses.replace(
            default, **{name: value for name, value in given.get(section, {}).items() if name in known}
        )
    return Rules(**sections)


def _usable(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _consistent(path: Path, rules: Rules) -> Rules:
    """The rules, where none contradicts another."""
    seen_min, memory_h = 2 * rules.proximity.observed_within_min, 24 * rules.vessel.track_memory_d
    if rules.vessel.thin_interval_min > seen_min:
        raise RulesError(
            f"{path}: [vessel] thin_interval_min may be at most twice [proximity] observed_within_min, {seen_min:g};"
            " else a thinned leg would count as observed where it was not"
        )
    if memory_h < max(rules.vessel.gap_terrestrial_h, rules.vessel.gap_satellite_h):
        raise RulesError(
            f"{path}: [vessel] track_memory_d is {memory_h:g} h, less than a gap; a track must outlast one"
        )
    return rules


def _sections() -> list[str]:
    return [f.name for f in dataclasses.fields(Rules)]


def rows() -> list[tuple[str, float | None, str, str]]:
    """Each rule as (section.name, default, unit, reason), in the order of this file; None: the scorecard's own."""
    return [
        (
            f"{section}.{f.name}",
            getattr(getattr(Rules, section), f.name),
            f.metadata["unit"],
            f.metadata["reason"],
        )
        for section in _sections()
        for f in dataclasses.fields(getattr(Rules, section))
    ]


def shown(value: float | None) -> str:
    """A rule as it is written; what is left to the scorecard in words.

    >>> shown(0.5), shown(None)
    ('0.5', "card's")
    """
    return "card's" if value is None else f"{value:g}"
