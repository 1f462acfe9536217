"""How a watch runs: what decides, and what only says how often and with how much memory."""

from __future__ import annotations

from dataclasses import dataclass, field

from stswatch.pipeline.rules import Rules
from stswatch.pipeline.steps import STEPS, Step


@dataclass(frozen=True)
class Settings:
    """What the user said of a watch.

    rules, area: as for a run over archives. every_s: how often it says what stands so far. allowance_s: how long after
    its end an hour is sealed, so that what comes a little late still counts. publish_s: how often at most a snapshot is
    published, but for a new lead. shards: of the steps; fixed, since another number would run everything again.
    memory_bytes: what a sealed slice may take. steps: the table of steps, with its scorecard.
    """

    rules: Rules = field(default_factory=Rules)
    area: str = "dprk"
    every_s: float = 5.0
    allowance_s: float = 60.0
    publish_s: float = 60.0
    shards: int = 16
    memory_bytes: int = 2 << 30
    steps: tuple[Step, ...] = STEPS
