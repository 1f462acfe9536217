"""The dark step: meetings that nobody saw, inferred from gaps."""

from __future__ import annotations

from stswatch.pipeline import schema
from stswatch.pipeline.batch import Batch, Result, Tables
from stswatch.pipeline.rules import Rules


def dark(state: Tables, batch: Batch, rules: Rules) -> Result:
    """Give no dark meetings yet: every gap is judged `unknown`, and an unknown gap proves nothing."""
    return Result(state, {"dark_meetings": schema.empty("dark_meetings")})
