"""Owns: a pipeline that is built once and run again gives what one built anew gives, fails with the same words, and
leaves nothing behind; Beam is used as it is."""

from __future__ import annotations

import tempfile

import apache_beam as beam
import pytest
from apache_beam.metrics import Metrics, MetricsFilter

from stswatch.pipeline.flow.engine import Embedded


class Numbers(beam.DoFn):
    """What a run is about lies in storage, as the slice that is to be run does."""

    def __init__(self, path):
        self._path = path

    def process(self, element):
        times = int(self._path.read_text())
        Metrics.counter("test", "runs").inc(times)
        for number in range(10):
            yield number % 3, number * times


class Note(beam.DoFn):
    def __init__(self, path):
        self._path = path

    def process(self, element):
        if int(self._path.read_text()) < 0:
            raise ArithmeticError("below zero")
        with self._path.with_suffix(".seen").open("a") as file:
            file.write(f"{element[0]} {sorted(element[1])}\n")


def pipeline(path, anew=False):
    def expand(p):
        _ = p | beam.Impulse() | beam.ParDo(Numbers(path)) | beam.GroupByKey() | beam.ParDo(Note(path))

    return Embedded(expand, anew=anew)


def run(built, path, number):
    seen = path.with_suffix(".seen")
    seen.unlink(missing_ok=True)
    path.write_text(str(number))
    counters = built.run().metrics().query(MetricsFilter().with_namespace("test"))["counters"]
    return sorted(seen.read_text().splitlines()), [counter.result for counter in counters]


def expected(number):
    return [f"{k} {[n * number for n in range(10) if n % 3 == k]}" for k in range(3)], [number]


@pytest.mark.parametrize("anew", [False, True])
def test_each_run_has_its_own_input_and_its_own_counts(anew, tmp_path):
    built = pipeline(tmp_path / "times", anew)
    for number in (1, 5, 2):
        assert run(built, tmp_path / "times", number) == expected(number)


@pytest.mark.parametrize("anew", [False, True])
def test_what_a_step_raised_is_raised_as_it_was_and_the_next_run_goes_on(anew, tmp_path):
    built = pipeline(tmp_path / "times", anew)
    with pytest.raises(ArithmeticError) as collected:
        run(built, tmp_path / "times", -1)
    assert str(collected.value) == "below zero"
    assert run(built, tmp_path / "times", 1) == expected(1)


def test_it_is_built_once():
    built = []

    def counted(p):
        built.append(1)
        _ = p | beam.Impulse() | beam.Map(len)

    embedded = Embedded(counted)
    for _ in range(3):
        embedded.run()
    assert len(built) == 1


@pytest.mark.parametrize("anew", [False, True])
def test_nothing_is_left_on_disk(anew, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Embedded(lambda p: p | beam.Impulse() | beam.Map(len), anew=anew).run()
    assert list(tmp_path.iterdir()) == []
