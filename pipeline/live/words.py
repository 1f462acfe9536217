"""What the commands of a watch say, as plain text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from stswatch.pipeline.live.reconcile import Reconciled
from stswatch.pipeline.live.state import lasting
from stswatch.pipeline.sources.base import Address
from stswatch.pipeline.untrusted import SENTENCE, escaped, harmless

_SIZES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def begun(addresses: Sequence[Address], data: str, health: str) -> str:
    """What a watch begins with."""
    named = "; ".join(f"{address.name} from {escaped(address.text)}" for address in addresses)
    asked = "" if health == "none" else f"; health: http://{health}/healthz"
    return f"watching {named}; data: {escaped(data)}{asked}; Ctrl-C ends it"


def reconciled(done: Reconciled) -> str:
    """What a reconciliation changed, and what there is to say beside it.

    >>> reconciled(Reconciled(late=1200, new=3, revised=1, retracted=0, by_watch=True))
    'reconciled by the watch that runs: 1,200 late rows; 3 events new, 1 revised, 0 retracted'
    """
    who = " by the watch that runs" if done.by_watch else ""
    events = f"{done.new:,} events new, {done.revised:,} revised, {done.retracted:,} retracted"
    told = (escaped(each, SENTENCE) for each in done.told)
    return "\n".join([f"reconciled{who}: {done.late:,} late rows; {events}", *told])


def status(told: Mapping[str, Any]) -> str:
    """How a watch stands, or stood when it was heard last, in a few lines."""
    told = harmless(dict(told), SENTENCE)
    lines = [_life(told), *_flow(told)]
    lines += [_source(source) for source in told["sources"]]
    lines += [_destination(alerts) for alerts in told["alerts"]]
    lines += [f"amiss: {reason}" for reason in told["reasons"]] or ["nothing is amiss"]
    return "\n".join(lines)


def size(count: int) -> str:
    """A number of bytes for people.

    >>> size(12), size(1_500), size(20_000_000_000)
    ('12 bytes', '1.5 kB', '20.0 GB')
    """
    return next((f"{count / each:.1f} {unit}" for unit, each in _SIZES if count >= each), f"{count} bytes")


def _life(told: Mapping[str, Any]) -> str:
    since = _minute(told["started"])
    if told["runs"]:
        return f"a watch runs since {since} (stswatch {told['version']}, process {told['pid']})"
    if told["ended"]:
        return f"no watch runs; the last ran from {since} to {_minute(told['ended'])}. How it stood then:"
    return f"no watch runs; the last began {since} and was not ended, but broke off after {_minute(told['written'])}:"


def _flow(told: Mapping[str, Any]) -> Iterator[str]:
    """How far it is, what it read, what it found."""
    last, total = told["slice"], told["total"]
    if last is None:
        yield "no slice is finished yet"
        return
    finalized = f"finalized up to {_minute(last['finalized'])}" if last["finalized"] else "nothing finalized yet"
    yield (
        f"arrival {_second(told['arrival'])}; shown up to {told['lag_s']:.1f} s before that,"
        f" a slice took {last['took_s']:.1f} s; {finalized}"
    )
    rejected = ", ".join(f"{count:,} {reason}" for reason, count in told["rejects"].items())
    rows = total["fixes"] + total["static_reports"]
    late = f", {100 * total['late'] / rows:.1f} % of it late" if total["late"] else ""
    late += f", {total['wrong']:,} rows by a wrong clock" if total.get("wrong") else ""
    yield (
        f"read: {total['sentences']:,} sentences ({rejected or 'none'} rejected), {total['fixes']:,} positions,"
        f" {total['static_reports']:,} static reports{late}; the spool takes {size(told['spool_bytes'])}"
    )
    yield (
        f"since the last finalized hour: vessels {last['vessels']:,}, encounters that still run"
        f" {last['open_encounters']:,}, provisional leads {last['leads']:,}"
    )


def _source(told: Mapping[str, Any]) -> str:
    stands = "has ended" if told["ended"] else "connected" if told["connected"] else "not connected"
    heard = f"heard {lasting(told['silent_s'])} before" if told["last_arrival"] else "not heard yet"
    lost = f", lost and found again {told['reconnects']:,} x" if told["reconnects"] else ""
    return f"source {told['name']} ({told['address']}): {stands}, {told['lines']:,} lines, {heard}{lost}"


def _destination(told: Mapping[str, Any]) -> str:
    trouble = f" ({told['trouble']})" if told["trouble"] else ""
    return f"alerts to {told['name']}: delivered {told['delivered']:,}, waiting {told['waiting']:,}{trouble}"


def _minute(time: str) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M} UTC"


def _second(time: str | None) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S} UTC" if time else "not known"
