"""What tests of alerts share: changes of leads, and an alerter over a file of destinations."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from stswatch.pipeline.alerts.alert import LeadChange
from stswatch.pipeline.alerts.delivery import Alerter
from stswatch.pipeline.alerts.destinations import load
from stswatch.pipeline.store.catalogue import Catalogue
from tests.pipeline.alerts.receiver import SECRET

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
ENVIRONMENT = {"HOOK_SECRET": SECRET}
PAUSES_S = (0.01, 0.05)


def change(name="E1", revision=1, what="opened", **other: Any):
    """A change of a lead."""
    collected: dict[str, Any] = {
        "kind": "lit",
        "zones": ("korea_bay",),
        "score": 2.5,
        "start_time": NOW - timedelta(hours=2),
        "end_time": NOW,
        "mmsi_a": 412000001,
        "mmsi_b": 445000002,
        "name_a": "FIRST SHIP",
        "name_b": None,
    }
    return LeadChange(id=name, revision=revision, change=what, **(collected | other))


@pytest.fixture
def alerting(tmp_path):
    """Make an alerter over the text of a TOML file; all of them are closed at the end."""
    made = []

    def make(toml, **given):
        path = tmp_path / "alerts.toml"
        path.write_text(toml)
        collected = {"pauses_s": PAUSES_S} | given
        made.append(Alerter(Catalogue.open(tmp_path), load(path, ENVIRONMENT), lambda: NOW, **collected))
        return made[-1]

    yield make
    for alerter in made:
        alerter.close()


def hook(url, more=""):
    """A file of destinations with one web hook."""
    return f'[floor]\nkind = "webhook"\nurl = "{url}"\nsecret_env = "HOOK_SECRET"\nper_hour = 0\n{more}\n'
