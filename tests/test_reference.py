"""Owns: the pages that are written from the source say what the source says."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from docs import reference
from stswatch.models import scorecard
from stswatch.pipeline import cli, rule_files, rules
from stswatch.pipeline.decode.reports import CHECKS
from stswatch.pipeline.schema.lake_tables import REASONS
from stswatch.pipeline.steps import STEPS


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_page_is_written_from_the_source(name):
    text = (reference.DOCS / name).read_text()
    assert text == reference.PAGES[name](text), f"docs/{name} is stale; run make docs"


def test_every_number_that_decides_is_on_the_page_of_rules():
    page = reference.rules_page()
    for name, default, unit, reason in rule_files.rows():
        assert f"| `{name.partition('.')[2]}` | {rule_files.shown(default)} | {unit} | {reason} |" in page
    assert all(f"## [{field.name}]" in page for field in dataclasses.fields(rules.Rules))
    cards = [scorecard.chosen(name) for name in scorecard.NAMES]
    for steps in (steps for card in cards for steps in card.steps):
        assert f"### {steps.feature.name}" in page
        assert steps.reason in page
        assert all(f"| {points:+.2f} |" in page or points == 0 for points in steps.points)
        assert all(f"{edge:g}" in page for edge in steps.edges)
    assert all(
        f"From {card.cut_off.score:+g} a meeting is a lead" in page and card.cut_off.reason in page for card in cards
    )
    assert all(f"| `{check.__name__}` | {check.__doc__} |" in page for check in CHECKS)
    assert all(f"| `{reason}` |" in page for reason in REASONS)
    assert len(page.splitlines()) > 100


def test_points_belong_to_their_spans():
    """An edge belongs to what follows it, and a code is told in its words."""
    card = scorecard.chosen("rules")
    duration, zone = (next(s for s in card.steps if s.feature.name == name) for name in ("duration_h", "zone"))
    spans = reference._spans(duration)
    assert (spans[0], spans[-1]) == (f"under {duration.edges[0]:g}", f"{duration.edges[-1]:g} and more")
    assert len(spans) == len(duration.points)
    words = reference._spans(zone)
    assert sorted("; ".join(words).split("; ")) == sorted(zone.feature.levels.values())
    for value, word in zone.feature.levels.items():
        (at,) = (i for i, span in enumerate(words) if word in span.split("; "))
        assert zone.at(np.array([value])) == zone.points[at]


def commands_of(parser: Any) -> dict[str, Any]:
    """The parser of each command."""
    return parser._subparsers._group_actions[0].choices


def test_every_command_and_option_is_on_the_page_of_commands():
    page = reference.cli_page()
    for name, kind in cli.COMMANDS.items():
        section = page[page.index(f"\n## {name}\n") :].partition("\n## ")[2].partition("\n## ")[0]
        assert (kind.__doc__ or "").splitlines()[0] in section
        (parser,) = (p for n, p in commands_of(cli.parser()).items() if n == name)
        collected = [line for line in section.splitlines() if line.startswith("| `")]
        assert len(collected) == len(parser._actions) - 1  # --help is understood
        assert all(line.count("|") == 3 and len(line.split("|")[2]) > 4 for line in collected)


def test_every_step_is_a_row_of_the_table():
    rows = reference.steps_table().splitlines()[2:]
    assert [row.split("|")[1].strip(" `") for row in rows] == [step.name for step in STEPS]
    for row, step in zip(rows, STEPS, strict=True):
        assert all(f"`{table}`" in row for table in (*step.takes, *step.state, *step.gives))
    assert sum(row.count("*") for row in rows) == sum(
        route.__name__ == "to_all" for step in STEPS for route in step.takes.values()
    )
