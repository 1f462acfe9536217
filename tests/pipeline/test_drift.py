"""Owns: what `status` says of how far weeks are from the training follows from scores and reasons in the database."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import numpy as np
import pytest

from stswatch.models.scorecard import load
from stswatch.pipeline import api, cli, schema
from stswatch.pipeline.store import loader
from tests.pipeline.store.build import at, encounter, output, run

MONDAY_H = 24 * 6  # of the week after that of DAY, a Tuesday


def reasons(value):
    """Reasons with a value of the first feature of the card."""
    card = load()
    name = card.steps[0].feature.name
    rows = [{"feature": name, "value": value, "points": 0.0, "text": ""}]
    return [*rows, {"feature": "base", "value": None, "points": 0.0, "text": ""}]


def meetings(n, hour, values, scores):
    """Meetings of as many pairs, within one week."""
    return [
        encounter(hour + k / 60, hour + k / 60 + 0.6, mmsi_a=431_000_000 + k, mmsi_b=440_000_000 + k, score=score)
        | {"reasons": reasons(value)}
        for k, value, score in zip(range(n), values, scores, strict=True)
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of two weeks, scored by the card of the program: in one few meetings, in the other 300."""
    folder, rng, card = tmp_path_factory.mktemp("drift"), np.random.default_rng(2), load()
    known = card.training["distribution"]
    steps = card.steps[0]
    middle = np.array([*steps.edges[:1], *steps.edges])
    share = np.array(known["features"][steps.feature.name][:-1])
    like = np.where(
        (step := rng.choice(len(share), 300, p=share / share.sum())) == 0, middle[0] - 1e-6, middle[np.maximum(step, 0)]
    )
    edges = np.array(known["score"]["edges"])
    tenth = rng.choice(len(edges) + 1, 300, p=np.array(known["score"]["shares"][:-1]) / sum(known["score"]["shares"]))
    score = np.where(tenth == 0, edges[0] - 1.0, edges[np.maximum(tenth - 1, 0)])
    rows = meetings(5, 1, np.full(5, 1.0), np.zeros(5)) + meetings(300, MONDAY_H, like.tolist(), score.tolist())
    record = dataclasses.replace(run(), model_id=card.model_id)
    beside = loader.Beside(schema.SOURCES.empty_table(), schema.REJECT_COUNTS.empty_table(), {})
    loader.load(folder, record, [output(folder, "one", {"encounters": rows})], beside, at(500))
    return folder


def test_weeks_are_told_apart_and_few_meetings_say_nothing(data):
    first, second = api.drift(data)
    assert second["week"] - first["week"] == timedelta(days=7)
    assert (first["meetings"], first["drift"], second["meetings"]) == (5, None, 300)
    assert second["drift"]["score"] < 0.1
    assert set(second["drift"]) == {"score", load().steps[0].feature.name}
    assert second["drift"][load().steps[0].feature.name] < 0.1
    assert [row["week"] for row in api.drift(data, weeks=1)] == [second["week"]]


def test_status_says_it_where_no_watch_ran(data, capsys):
    assert cli.main(["status", "--drift", "--data", str(data)]) == 0
    out = capsys.readouterr().out
    assert cli.main(["status", "--data", str(data)]) == 1
    assert "2023-08-07: 300; scores much like those of training (stability 0.0" in out
    assert "2023-07-31: 5; not enough data" in out
