"""What the command says: summaries, tables and explanations as plain text. It decides nothing."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stswatch.geo.coordinates.cells import moved_m
from stswatch.pipeline import facts, facts_beside
from stswatch.pipeline.rule_files import shown
from stswatch.pipeline.schema.measures import MEASURES
from stswatch.pipeline.times import minute, second
from stswatch.pipeline.untrusted import SENTENCE, escaped, harmless

if TYPE_CHECKING:
    from stswatch.pipeline.api import Summary

_NAME = "stswatch"
_MANY = 0.1  # a share of invalid positions that is worth a look
_STRAY = "  a clock that cannot be right: SELECT mmsi, time FROM fixes WHERE invalid_reason = 'clock'"
_LEAD = (  # heading, width, what stands in it
    ("score", 5, lambda r: f"{r['score']:.1f}"),
    ("id", 13, lambda r: r["id"]),
    ("start (UTC)", 16, lambda r: minute(r["start_time"])),
    ("hours", 6, lambda r: f"{r['duration_min'] / 60:.1f}"),
    ("median m", 8, lambda r: facts.median_distance(r).removesuffix(" m")),
    ("mmsi a", 9, lambda r: f"{r['mmsi_a']:09d}"),
    ("mmsi b", 9, lambda r: f"{r['mmsi_b']:09d}"),
    ("where", 0, lambda r: where(r)),
)


def summary(done: Summary, area: str) -> str:
    """What a run read and found."""
    lines, before = [], None
    for row in done.sources:
        lines += _source(harmless(row))
        if row.get("columns") and row["columns"] != before:  # files of one make say it once
            lines.append(f"  columns: {escaped(row['columns'], SENTENCE)}")
        before = row.get("columns")
    lines += [f"passed over: {escaped(note, SENTENCE)}" for note in done.passed_over]
    c = done.counts
    lines.append(
        f"{_some(c['vessels'], 'vessel')}, {_some(c['current_encounters'], 'encounter')}, {_some(c['gaps'], 'gap')};"
        f" {_some(c['flagged_encounters'], 'lead')} in area {escaped(area)}"
    )
    if c.get("outages"):
        lines.append(f"{_some(c['outages'], 'outage')}, in which a feed, station or region heard nobody: table outages")
    lines.append(f"database: {escaped(done.database)}")
    return "\n".join(lines)


def _some(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")


def _source(row: dict[str, Any]) -> list[str]:
    used = row["sentences"] - row["rejects"]
    reasons = ", ".join(f"{r['count']:,} {r['reason']}" for r in row["reasons"])
    rejected = f"{row['rejects']:,} rejected" + (f" ({reasons})" if reasons else "")
    what = "sentence" if row["format"] == "nmea" else "row"
    invalid = f", {_some(row['invalid_fixes'], 'position')} invalid" if row["invalid_fixes"] else ""
    stray = f", {row['stray_fixes']:,} of them for their date" if row["stray_fixes"] else ""
    counted = f"{_some(row['sentences'], what)}: {used:,} used, {rejected}{invalid}{stray}"
    name = Path(row["path"]).name + (f" ({row['member']})" if row["member"] else "")
    lines = [f"{name}: {counted}; times: {row['clock']}{_span(row)}", *_rounded(row.get("rounded_deg"))]
    if row["stray_fixes"]:
        lines.append(_STRAY)
    if row["invalid_fixes"] > _MANY * used:
        lines.append("  why: SELECT invalid_reason, count(*) FROM fixes GROUP BY invalid_reason")
    return lines


def _rounded(step_deg: float | None) -> list[str]:
    """That positions are rounded, and what that means; nothing where they are not."""
    if not step_deg:
        return []
    unit = "whole degrees" if step_deg == 1 else f"{step_deg:g} degree"
    off = f"{moved_m(step_deg):,.0f} m"
    apart = f"{2 * moved_m(step_deg):,.0f} m"
    return [f"  positions are rounded to {unit}: each is off by up to {off}, a distance of two by up to {apart}"]


def _span(row: dict[str, Any]) -> str:
    """First and last time of the usable positions of a source."""
    if row.get("first_time") is None or row.get("last_time") is None:
        return ""
    return f", {second(row['first_time'])} to {second(row['last_time'])}Z"


def decoded(sentences: int, messages: int, written: int, reasons: Mapping[str, int]) -> str:
    """What `stswatch decode` read, in one line; reasons: how many lines were rejected for each."""
    why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items(), key=lambda of: -of[1]))
    rejected = f"{sum(reasons.values()):,} rejected" + (f" ({why})" if why else "")
    some = "" if written == messages else f", {written:,} of the types asked for"
    return f"{_some(sentences, 'sentence')}: {_some(messages, 'message')}{some}, {rejected}"


def leads(rows: Sequence[dict[str, Any]], counts: Mapping[str, int], area: str, data: str | Path) -> str:
    """The ranked leads as a table; counts: how many leads and encounters there are in all."""
    total, call, data = counts["flagged_encounters"], called(), _word(data)
    rows, area = [harmless(row) for row in rows], escaped(area)
    if not rows:
        return "\n" + _no_leads(counts["current_encounters"], area, call)
    head = "  ".join(f"{name:<{width}}" for name, width, _ in _LEAD)
    body = ["  ".join(f"{show(row):<{width}}" for _, width, show in _LEAD).rstrip() for row in rows]
    if total > len(rows):
        body.append(f"{len(rows)} of {total:,} leads; all of them: {call} leads --data {data} --limit {total}")
    why = f"Why one ranks as it does: {call} explain {rows[0]['id']} --data {data}"
    return "\n".join(["", head.rstrip(), *body, "", facts.CAUTION, why])


def _no_leads(encounters: int, area: str, call: str) -> str:
    """Why there is none, and what to do next."""
    if not encounters:
        return f"no leads: no encounter was found; {call} rules says what counts as one"
    if area == "world":
        return (
            f"no leads: none of {_some(encounters, 'encounter')} passes the cut-off;"
            f" they stand with their scores in the table encounters, and {call} rules says what the cut-off is"
        )
    found = f"no leads: none of {_some(encounters, 'encounter')} lies in area {area} and passes the cut-off"
    return f"{found}; run again with --area world for those elsewhere"


def called() -> str:
    """The word that calls this program from the user's shell: its name, else the path by which it was called.

    An environment that is not activated has no `stswatch` on the PATH, and what we propose must work as it stands.
    """
    path = Path(sys.argv[0])
    return _word(path) if path.name == _NAME and not shutil.which(_NAME) else _NAME


def _word(path: str | Path) -> str:
    """A path as one word of a command that a shell takes; of one that has no visible form, what is seen of it."""
    return escaped(shlex.quote(str(path)))


def where(row: dict[str, Any]) -> str:
    """Zones, else the nearest port."""
    return ", ".join(facts.zone_names(row)) or _from_port(row)


def _from_port(row: dict[str, Any]) -> str:
    return f"{row['distance_to_port_km']:.0f} km from {facts.port_name(row['port'])}"


def explanation(row: dict[str, Any]) -> str:
    """What was measured, where it was, who it was by their own word, and what the score is made of."""
    row = harmless(row) | {"run": row["run"]}
    run = row["run"]
    used = json.loads(run["rules"])
    place = (", ".join(facts.zone_names(row)) or "in no zone") + "; " + _from_port(row)
    light = facts.light(row)
    parts = [
        f"{row['id']}, revision {row['revision']}, {row['status']}",
        "",
        *_measured(row, used),
        *facts_beside.censored(row),
        *facts_beside.beside(row),
        *facts_beside.mass_silences(row),
        *facts_beside.long_absences(row),
        *facts_beside.came_and_went(row, used["encounter"].get("around_h", 0.0)),
        *facts.one_hull(row),
        *_met(row),
        *facts_beside.group(row),
        *facts_beside.chains(row),
        *facts_beside.around(row),
        *facts_beside.identities(row),
        *facts_beside.checks(row),
        "",
        f"Where: {', '.join(filter(None, [place, facts.port_part(row), facts.shore(row)]))}.",
        *([f"Light: {light}."] if light else []),
        "",
        "By their own word (AIS is self-reported and forgeable):",
        *(_vessel(row, v) for v in ("a", "b")),
        *_calls(row),
        "",
        f"Why it ranks as it does: score {row['score']:+.2f}{_cut_off(used)}, the sum of",
        *(f"  {r['points']:+.2f}  {r['text']}" for r in row["reasons"]),
        "",
        f"Run {row['run_id']}, stswatch {run['code_version']}, scorecard {run['model_id']},"
        f" rules {run['rules_fingerprint'][:12]}.",
        "Flag, name and lists have no part in the score. It is a rank, not a probability.",
        facts.CAUTION,
    ]
    return "\n".join(parts)


_DARK = (  # heading, width, what stands in it
    ("score", 5, lambda r: "-" if r["score"] is None else f"{r['score']:.1f}"),
    ("id", 13, lambda r: r["id"]),
    ("earliest (UTC)", 16, lambda r: minute(r["start_time"])),
    ("hours", 6, lambda r: "-" if r["over_water"] is False else f"{r['stay_h']:.1f}"),
    ("by chance", 9, lambda r: _chance(r["chance_by_accident"])),
    ("rivals", 6, lambda r: f"{r['rivals']}"),
    *_LEAD[5:7],
    ("where", 0, lambda r: ", ".join(r["zones"]) or _from_port(r)),
)
_DARK_CAUTION = "Nobody saw any of these meetings: a row says that there was time for one, never that it happened."


def dark_meetings(found: Mapping[str, Sequence[dict[str, Any]]], data: str | Path) -> str:
    """The dark meetings, leads and candidates apart, as `api.dark_meetings` gives them."""
    lines, first = [], next((row["id"] for rows in found.values() for row in rows), None)
    for name, rows in found.items():
        lines += [f"{name}:", _row(_DARK), *(_row(_DARK, harmless(row)) for row in rows), ""] if rows else []
    why = f"What one says, and what not: {called()} explain {first} --data {_word(data)}"
    return "\n".join([*lines, _DARK_CAUTION, why] if first else ["no dark meeting: table dark_meetings is empty"])


def dark_explanation(row: dict[str, Any]) -> str:
    """Who had time to meet whom and where, and how little that says; row: as `api.dark_meeting` gives it."""
    row, used = harmless(row), json.loads(row["run"]["rules"])
    place = f"{facts.position(row['lon'], row['lat'])}, {', '.join(row['zones']) or 'in no zone'}; {_from_port(row)}"
    return "\n".join(
        [
            f"{row['id']}, {'lead' if row['lead'] else 'candidate'}: nobody saw a meeting of these two",
            "",
            *(_unheard(row, v) for v in "ab"),
            f"At {used['stays']['dark_speed_kn']:g} kn, {facts.ways(row)}, both had time to be at one"
            f" place from {minute(row['start_time'])} to {minute(row['end_time'])} UTC, {row['stay_h']:.1f} h at most;",
            f"for {used['dark']['stay_h']:g} h of that, {row['least_speed_kn']:.1f} kn is the least speed.",
            *facts.not_by_sea(row, used["dark"]["stay_h"]),
            *facts.steered(row),
            f"Where: near {place}{facts.region(row)}.",
            *_by_accident(row),
            *([f"What else speaks for it: {', '.join(row['indicators'])}."] if row.get("indicators") else []),
            "",
            "By their own word (AIS is self-reported and forgeable):",
            *(_vessel(row, v) for v in "ab"),
            "",
            "It does not say that they met, nor where either was while it was not heard, nor why it was not.",
            "Its score is a rank among dark meetings, not on the scale of encounters. " + facts.CAUTION,
        ]
    )


def _unheard(row: dict[str, Any], v: str) -> str:
    """When one of the two was not heard; or that it waited."""
    mmsi, begin, end = f"{row[f'mmsi_{v}']:09d}", row[f"gap_start_{v}"], row[f"gap_end_{v}"]
    if begin is None:
        return f"{mmsi} was slow or adrift for hours, and was heard."
    silence = f"{minute(begin)} to {minute(end)} UTC ({(end - begin).total_seconds() / 3600:.1f} h)"
    return f"{mmsi} was not heard from {silence}, judged: {row[f'judgement_{v}'].replace('_', ' ')}."


def _by_accident(row: dict[str, Any]) -> list[str]:
    """How many other silences fit, how many would where nobody met, and what else explains it."""
    days, what = _some(row["shifts"], "other day"), "one of the two" if row["gap_start_a"] else "the wait"
    chance = f"how many would by accident is not known, {days} being too few to tell"
    if row["chance_by_accident"] is not None:
        mean = f"of those of {days}, moved to this one, {row['expected_by_accident']:.2f} would in the mean"
        near = f"{row['nearer_by_accident']:.2f} as near in place and time"
        chance = f"{mean}, {near}; the chance of one as near by accident is {_chance(row['chance_by_accident'])}"
    lost = f"{_some(row['lost_together'], 'other vessel')} fell silent near it at about the same time"
    return [
        f"How little that says: {_some(row['rivals'], 'other silence')} would fit {what} as well; {chance}.",
        f"Other causes: {lost}; {100 * row['outage_share']:.0f} % of the silence lies in an outage.",
    ]


def _chance(chance: float | None) -> str:
    return "not known" if chance is None else f"{100 * chance:.1f} %"


def _measured(row: dict[str, Any], used: Mapping[str, Any]) -> list[str]:
    """How near, for how long, and how well observed."""
    a, b = (f"{row[f'mmsi_{v}']:09d}" for v in ("a", "b"))
    return [
        f"Measured: {a} and {b} were within {used['proximity']['distance_m']:.0f} m of each other"
        f" from {second(row['start_time'])} to {second(row['end_time'])} UTC"
        f" ({row['duration_min']:.0f} min, {facts.measured_within(row)}).",
        f"Half of that time their antennas were no more than {facts.median_distance(row)} apart,"
        f" at the least {facts.metres(row, 'cpa_distance_m')}, at {second(row['cpa_time'])} UTC"
        f" near {facts.position(row['lon'], row['lat'])}.",
        f"{_speeds(row)}; {row['fixes_a']} and {row['fixes_b']} position reports;"
        f" {100 * row['observed_share']:.0f} % of the time within"
        f" {used['proximity']['observed_within_min']:.0f} min of a report of both.",
        *measured(row),
    ]


def _cut_off(used: Mapping[str, Any]) -> str:
    """From which score a meeting was a lead in the run."""
    least = used["lead"]["min_score"]
    return "" if least is None else f" (a lead from {least:+.2f})"


def measured(row: dict[str, Any]) -> list[str]:
    """What the table of measures has a phrase for, in a sentence; nothing of what is not known."""
    known = [each.words.format(**row) for each in MEASURES.values() if each.words and row[each.name] is not None]
    return [f"{known[0][0].upper()}{'; '.join(known)[1:]}."] if known else []


def _speeds(row: dict[str, Any]) -> str:
    """The speeds that were sent."""
    speeds = [row[f"median_speed_{v}_kn"] for v in ("a", "b")]
    if None not in speeds:
        return f"Median speeds {speeds[0]:.1f} and {speeds[1]:.1f} kn"
    if speeds == [None, None]:
        return "No speed was sent"
    return "; ".join(f"{row[f'mmsi_{v}']:09d}: {facts.speed(row, v)}" for v in ("a", "b"))


def _met(row: dict[str, Any]) -> list[str]:
    """How often they met, and how many others each met, in the same data."""
    if not row.get("met"):
        return []
    each = "; ".join(f"{row[f'mmsi_{v}']:09d} {facts.met_others(row, v)}" for v in ("a", "b"))
    return [f"How often: {facts.met_before(row)}; {each}."]


def _calls(row: dict[str, Any]) -> list[str]:
    """Where the two called before and after; nothing where neither did in these data."""
    lines = [f"  {row[f'mmsi_{v}']:09d} {call}." for v in ("a", "b") for call in facts.port_calls(row, v)]
    return ["Calls next to it:", *lines] if lines else []


def _vessel(row: dict[str, Any], v: str) -> str:
    """What one of the two said of itself, in a line."""
    mmsi = row[f"mmsi_{v}"]
    if row["vessels"].get(mmsi) is None:
        return f"  {mmsi:09d}: nothing known"
    named = facts.name(row, v) if facts.is_named(row, v) else "no name"
    return f"  {mmsi:09d}: {', '.join([named, f'flag by MMSI: {facts.flag(row, v)}', *facts.identity(row, v)])}"


def rules(rows: Sequence[tuple[str, float | None, str, str]], used: str | None) -> str:
    """Every rule on a line; with the JSON of a run its values instead of the defaults."""
    given = json.loads(used) if used else {}
    lines = []
    for name, default, unit, reason in rows:
        section, _, rule = name.partition(".")
        value = given.get(section, {}).get(rule, default)
        changed = "" if value == default else f" (default {shown(default)})"
        lines.append(f"{name:<32} {shown(value):>7} {unit:<8} {reason}{changed}")
    return "\n".join(lines)


def _mark(mark: str) -> str:
    """What the mark of a place means; empty where it has none of ours."""
    from stswatch.geo.reference.zones import MARKS  # with it comes shapely, which no list of leads needs

    return MARKS.get(mark, "")


_ZONE = (
    ("zone", 19, lambda r: r["id"]),
    ("kind", 22, lambda r: r["kind"]),
    ("mark", 8, lambda r: _mark(r["mark"]) or r["mark"] or "none"),
    ("km2", 8, lambda r: f"{r['km2']:,.0f}"),
    ("known as", 0, lambda r: ", ".join(r["labels"])),
)
_PORT = (
    ("port", 15, lambda r: r["id"]),
    ("state", 5, lambda r: r["country"]),
    ("trade", 5, lambda r: "trade" if r["trade"] else ""),
    ("mark", 8, lambda r: _mark(r["mark"])),
    ("lon", 8, lambda r: f"{r['lon']:.4f}"),
    ("lat", 7, lambda r: f"{r['lat']:.4f}"),
    ("harbours", 8, lambda r: str(r["harbours"])),
    ("anchorages", 10, lambda r: str(r["anchorages"])),
    ("name; from", 0, lambda r: f"{r['name']}; {r['source']}"),
)
_AREAS = """A zone says where transfers were reported or are thought likely, and accuses nobody who is there; its
edges are working lines, not boundaries. What is context is shown and never scored.
A port of interest has polygons, estimates all. Any other is a point, and a place within 10 km of it is in port."""


def areas(zones: Sequence[dict[str, Any]], ports: Sequence[dict[str, Any]]) -> str:
    """The zones with their sources, then the ports of interest."""
    lines = [_row(_ZONE)]
    for zone in harmless(list(zones), SENTENCE):
        since = f" ({zone['date']})" if zone["date"] else ""
        from_where = textwrap.wrap(zone["source"] + since, 112)
        lines += [_row(_ZONE, zone), *(f"    {line}" for line in from_where)]
    return "\n".join([*lines, "", _row(_PORT), *(_row(_PORT, port) for port in ports), "", _AREAS])


def training(trained: Mapping[str, Any], out: str | Path) -> str:
    """What a scorecard was trained on, and where it lies."""
    seeds, transfers = ", ".join(str(seed) for seed in trained["seeds"]), trained["transfers"]
    out = _word(out)
    return (
        f"{out}: trained on {trained['meetings']:,} encounters of simulated seas (seeds {seeds}), {transfers:,} of them"
        f" transfers.\nNot measured yet: stswatch evaluate --scorecard {out} --out evaluation"
    )


def _row(columns: Sequence[tuple[str, int, Callable[[dict[str, Any]], str]]], row: dict[str, Any] | None = None) -> str:
    """One line of a table: of its head where no row is given."""
    return "  ".join(f"{name if row is None else show(row):<{width}}" for name, width, show in columns).rstrip()
