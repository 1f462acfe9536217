"""Owns: a pipeline that is built once and run again gives what one built anew gives, fails with the same words, and
leaves nothing behind."""

from __future__ import annotations

import tempfile

import apache_beam as beam
import pytest
from apache_beam.metrics import Metrics, MetricsFilter
from apache_beam.runners.worker import bundle_processor, statesampler

from stswatch.pipeline.flow.engine import Embedded

SEEN: list[tuple[int, list[int]]] = []
PERIODS_MS: list[int] = []


class Numbers(beam.DoFn):
    """What a run is about is given to the run, as the job of a slice is."""

    def __init__(self, given):
        self._given = given

    def process(self, element):
        Metrics.counter("test", "runs").inc(self._given())
        for number in range(10):
            yield number % 3, number * self._given()


class Note(beam.DoFn):
    def __init__(self, given):
        self._given = given

    def process(self, element):
        if self._given() < 0:
            raise ArithmeticError("below zero")
        SEEN.append((element[0], sorted(element[1])))


class Period(beam.DoFn):
    def process(self, element):
        PERIODS_MS.append(statesampler.get_current_tracker().sampling_period_ms)


def expand(p, given):
    _ = p | beam.Impulse() | beam.ParDo(Numbers(given)) | beam.GroupByKey() | beam.ParDo(Note(given))


def run(pipeline, number):
    SEEN.clear()
    counters = pipeline.run(number).metrics().query(MetricsFilter().with_namespace("test"))["counters"]
    return sorted(SEEN), [counter.result for counter in counters]


@pytest.mark.parametrize("anew", [False, True])
def test_each_run_has_its_own_input_and_its_own_counts(anew):
    pipeline = Embedded(expand, anew=anew)
    for number in (1, 5, 2):
        expected = [(k, [n * number for n in range(10) if n % 3 == k]) for k in range(3)]
        assert run(pipeline, number) == (expected, [number])


@pytest.mark.parametrize("anew", [False, True])
def test_what_a_step_raised_is_raised_as_it_was_and_the_next_run_goes_on(anew):
    pipeline = Embedded(expand, anew=anew)
    with pytest.raises(ArithmeticError) as told:
        run(pipeline, -1)
    assert str(told.value) == "below zero"
    assert run(pipeline, 1)[1] == [1]


def test_two_pipelines_keep_what_they_are_given_apart():
    one, other = Embedded(expand), Embedded(expand)
    assert run(one, 2) != run(other, 3)
    assert run(one, 2)[1] == [2]


def test_it_is_built_once():
    built = []

    def counted(p, given):
        built.append(1)
        expand(p, given)

    pipeline = Embedded(counted)
    for number in range(1, 4):
        run(pipeline, number)
    assert len(built) == 1


def test_nobody_waits_long_for_the_clock_of_states():
    """Beam's own sleeps to the end of its period, up to 0.2 s, when a bundle is done."""
    before = bundle_processor.statesampler.StateSampler
    PERIODS_MS.clear()
    Embedded(lambda p, given: p | beam.Impulse() | beam.ParDo(Period())).run()
    assert [period_ms <= 10 for period_ms in PERIODS_MS] == [True]
    assert bundle_processor.statesampler.StateSampler is before, "elsewhere Beam does as it did"


@pytest.mark.parametrize("anew", [False, True])
def test_nothing_is_left_on_disk(anew, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    Embedded(lambda p, given: p | beam.Impulse() | beam.Map(len), anew=anew).run()
    assert list(tmp_path.iterdir()) == []
