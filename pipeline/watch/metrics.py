"""The state of a watch as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

State = Mapping[str, Any]
Sample = tuple[Mapping[str, str], float | None]  # labels, value; None: not known, and not shown


@dataclass(frozen=True)
class Metric:
    """A row of the table: what it is called, what it means, and where it stands in the state."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Callable[[State], Iterable[Sample]]


def _one(value: Callable[[State], float | None]) -> Callable[[State], Iterable[Sample]]:
    return lambda state: [({}, value(state))]


def _total(name: str) -> Callable[[State], Iterable[Sample]]:
    return _one(lambda state: state["total"][name])


def _slice(name: str) -> Callable[[State], Iterable[Sample]]:
    return _one(lambda state: state["slice"] and float(state["slice"][name]))


def _each(rows: str, label: str, name: str) -> Callable[[State], Iterable[Sample]]:
    return lambda state: [({label: row["name"]}, row[name] and float(row[name])) for row in state[rows]]


def _source(name: str) -> Callable[[State], Iterable[Sample]]:
    return _each("sources", "source", name)


def _delivery(name: str) -> Callable[[State], Iterable[Sample]]:
    return _each("alerts", "destination", name)


def _unix_s(time: str | None) -> float | None:
    return None if time is None else datetime.fromisoformat(time).timestamp()


METRICS: tuple[Metric, ...] = (
    Metric("healthy", "gauge", "1 if nothing is amiss, as /healthz says", _one(lambda s: float(s["ok"]))),
    Metric("start_time_seconds", "gauge", "when this watch began, Unix time", _one(lambda s: _unix_s(s["started"]))),
    Metric("arrival_time_seconds", "gauge", "the arrival clock, Unix time", _one(lambda s: _unix_s(s["arrival"]))),
    Metric(
        "sealed_time_seconds",
        "gauge",
        "up to when everything is sealed, Unix time",
        _one(lambda s: s["slice"] and _unix_s(s["slice"]["sealed"])),
    ),
    Metric("lag_seconds", "gauge", "how far what is shown lies behind what arrives", _one(lambda s: s["lag_s"])),
    Metric("slice_seconds", "gauge", "how long the last slice took", _slice("took_s")),
    Metric("behind_bytes", "gauge", "in the spool and not read yet", _slice("behind_bytes")),
    Metric("sentences_total", "counter", "sentences read since this watch began", _total("sentences")),
    Metric(
        "rejects_total",
        "counter",
        "lines that were not used, by reason",
        lambda s: [({"reason": reason}, float(count)) for reason, count in s["rejects"].items()],
    ),
    Metric("fixes_total", "counter", "positions read", _total("fixes")),
    Metric("static_reports_total", "counter", "static reports read", _total("static_reports")),
    Metric("late_total", "counter", "rows of hours that were sealed when they came", _total("late")),
    Metric("wrong_clock_total", "counter", "rows dated more than 10 min after they came", _total("wrong")),
    Metric("ahead", "gauge", "positions ahead of the arrival clock, which wait", _slice("ahead")),
    Metric("vessels", "gauge", "vessels heard since the last sealed hour", _slice("vessels")),
    Metric("open_encounters", "gauge", "encounters that still run", _slice("open_encounters")),
    Metric("provisional_leads", "gauge", "leads that are not sealed yet", _slice("leads")),
    Metric("sealing", "gauge", "1 while an hour is sealed", _slice("sealing")),
    Metric("spool_bytes", "gauge", "what the spool takes on disk", _one(lambda s: s["spool_bytes"])),
    Metric("source_connected", "gauge", "1 if it is", _source("connected")),
    Metric("source_bytes_total", "counter", "bytes received", _source("bytes")),
    Metric("source_lines_total", "counter", "lines received", _source("lines")),
    Metric("source_overlong_bytes_total", "counter", "bytes dropped of lines too long", _source("overlong_bytes")),
    Metric(
        "source_lost_messages_total",
        "counter",
        "messages known to be lost, by UDP or a broker",
        _source("lost_messages"),
    ),
    Metric("source_reconnects_total", "counter", "how often it was lost and came back", _source("reconnects")),
    Metric("source_silent_seconds", "gauge", "since it was heard last", _source("silent_s")),
    Metric("source_silent_allowed_seconds", "gauge", "what its habit allows", _source("silent_allowed_s")),
    Metric("alerts_waiting", "gauge", "alerts that have not arrived", _delivery("waiting")),
    Metric("alerts_stuck_seconds", "gauge", "for how long none could be delivered", _delivery("stuck_s")),
    Metric("alerts_delivered_total", "counter", "messages that arrived", _delivery("delivered")),
)


def text(state: State) -> str:
    """The metrics of a state in the text format of Prometheus; never raises.

    Source: Prometheus, "Exposition formats", text-based format 0.0.4.
    """
    return "".join(_lines(metric, state) for metric in METRICS)


def _lines(metric: Metric, state: State) -> str:
    name = f"stswatch_{metric.name}"
    samples = [(labels, value) for labels, value in metric.samples(state) if value is not None]
    if not samples:
        return ""
    lines = [f"{name}{_labels(labels)} {_number(value)}" for labels, value in samples]
    return "\n".join([f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}", *lines, ""])


def _number(value: float) -> str:
    """The shortest that reads back as the same.

    >>> _number(3.0), _number(0.25), _number(1741564800.125)
    ('3', '0.25', '1741564800.125')
    """
    return repr(int(value)) if value == int(value) else repr(float(value))


def _labels(labels: Mapping[str, str]) -> str:
    r"""Labels in braces, with what would end them escaped.

    >>> print(_labels({"source": 'a"b\\c'}))
    {source="a\"b\\c"}
    """
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
