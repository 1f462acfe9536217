"""Pages of docs/, or tables in them, that are written from the source: `python -m docs.reference`."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from stswatch.geo.reference.zones import MARKS
from stswatch.models import scorecard
from stswatch.pipeline import api, cli, rule_files, rules
from stswatch.pipeline.alerts.destinations import KINDS, PACE
from stswatch.pipeline.decode.layouts import LAYOUTS, Field, Layout
from stswatch.pipeline.decode.rare_layouts import RARE_LAYOUTS
from stswatch.pipeline.decode.reports import CHECKS
from stswatch.pipeline.evidence.decisions import ENTRY_KINDS, STATUSES
from stswatch.pipeline.live.server import METRICS
from stswatch.pipeline.readers.column_names import HEADERS, NEEDED
from stswatch.pipeline.readers.formats import READERS
from stswatch.pipeline.routes import Route
from stswatch.pipeline.schema import CLOCK
from stswatch.pipeline.schema.lake_tables import REASONS
from stswatch.pipeline.sources.kinds import COMMON, SOURCES
from stswatch.pipeline.steps import STEPS, Step
from stswatch.pipeline.terminal import Command, flag
from stswatch.sample_ais.scenes.circumstances import Mixture, fitted_columns
from stswatch.sample_ais.scenes.deceptions import MORE
from stswatch.sample_ais.scenes.scenarios import SCENARIOS

DOCS = Path(__file__).parent
_KEYS = {
    "by_mmsi": "MMSI",
    "by_cell": "cell",
    "by_pair": "pair",
    "by_party": "MMSI",
    "to_all": "none",
}
_CHOICE = "a choice of this project"
_HEAD_BITS = 38  # of type, repeat indicator and MMSI, which each message begins with
_STEPS = re.compile(r"(<!-- steps -->\n).*(<!-- end -->)", re.S)
_RULES = """# Rules

Written by `python -m docs.reference` from `pipeline/rules.py`, the scorecards in `models/`: edit
those, not this.

Every number that decides, with its unit and its reason. A run stores the ones that it used with its results:

```sh
stswatch rules --data demo-data
```

Others are given in a TOML file with the sections below; what it does not name keeps its default.

```toml
# stricter.toml
[encounter]
min_duration_min = 60

[lead]
min_score = 2.5
```

```sh
stswatch run archive/*.csv.gz --data stricter --rules stricter.toml
```

Numbers that belong to one module, such as the noise speeds of `pipeline/decode/reports.py`, stand there with their
reason."""
_POINTS = """## The score{named}

{what}
The sum of the points below, {intercept:+.2f} to begin with: {reason}.
From {least:+g} a meeting is a lead, unless `[lead] min_score` names another cut-off: {least_reason}.

It ranks, and is no probability. A number at an edge belongs to what follows it; what is not known gets {missing:g}."""
_CARDS = (
    ("", "By `models/trained.json`, which a run uses unless told otherwise; [judgement.md](judgement.md) says more."),
    (" by the table that was set by hand", "By `models/rules.json`, with `--scorecard rules`."),
)
_CLI = """# Commands

Written by `python -m docs.reference` from `pipeline/commands.py` and `pipeline/options.py`: edit those, not this.
`stswatch run --help` and the like say the same, and in Python each option is a keyword of the function of that name."""


_CLOCK = (
    "No right clock can have dated it so: after the day on which the file was read, before 1995, or alone by the rows "
    "per day of all sources of the run ([0011](decisions/0011-a-wrong-clock-is-a-property-of-its-record.md)); of "
    "a watch, more than 10 min after it came. Static reports too."
)


def rules_page() -> str:
    """docs/rules.md: rules by step, the points of both scores, why a position or a line is not used."""
    cards = [scorecard.chosen(name) for name in ("trained", "rules")]
    parts = [
        _RULES,
        *(_rules_of(field) for field in dataclasses.fields(rules.Rules)),
        *(part for card, words in zip(cards, _CARDS, strict=True) for part in _card(card, *words)),
        "## Positions that are not used\n\nThey stay in `fixes`; `invalid_reason` names the first check that holds.",
        _table(
            ("invalid_reason", "what it means"),
            [*((f"`{c.__name__}`", c.__doc__) for c in CHECKS), (f"`{CLOCK}`", _CLOCK)],
        ),
        "## Lines that are rejected\n\nSentences of a capture and rows of a table, in `rejects` and `reject_counts`.",
        _table(("reason", "what it means"), ((f"`{name}`", meaning) for name, meaning in REASONS.items())),
    ]
    return "\n\n".join(parts) + "\n"


def _card(card: scorecard.Scorecard, named: str, what: str) -> Iterator[str]:
    """The points of one scorecard."""
    missing = {steps.missing for steps in card.steps if not steps.feature.silence}
    assert len(missing) == 1, "a feature that is not known gets points of its own: say so on the page"
    yield _POINTS.format(
        named=named,
        what=what,
        intercept=card.intercept,
        reason=card.intercept_reason,
        least=card.cut_off.score,
        least_reason=card.cut_off.reason,
        missing=missing.pop(),
    )
    yield from (_points_of(steps) for steps in card.steps)


def _rules_of(section: Any) -> str:
    kind = type(getattr(rules.Rules, section.name))
    rows = (
        (f"`{f.name}`", rule_files.shown(getattr(kind(), f.name)), f.metadata["unit"], f.metadata["reason"])
        for f in dataclasses.fields(kind)
    )
    return f"## [{section.name}]\n\n{kind.__doc__}\n\n" + _table(("rule", "default", "unit", "why"), rows)


def _points_of(steps: scorecard.Steps) -> str:
    name, unit = steps.feature.name, steps.feature.unit
    collected = f"{inspect.getdoc(steps.feature.function)} Why: {steps.reason}."
    if steps.missing:
        collected += f" What is not known or not judged gets {_signed(steps.missing)}."
    head = name if not unit or name.endswith((f"_{unit}", unit)) else f"{name}, {unit}"
    rows = zip(_spans(steps), (_signed(points) for points in steps.points), strict=True)
    return f"### {name}\n\n{collected}\n\n" + _table((head, "points"), rows)


def _signed(points: float) -> str:
    return f"{points:+.2f}" if points else "0"


def _spans(steps: scorecard.Steps) -> list[str]:
    """The values that each of the points is for: the words of a code, or from edge to edge."""
    edges = [-math.inf, *steps.edges, math.inf]
    if steps.feature.levels:
        levels = steps.feature.levels.items()
        return ["; ".join(w for v, w in levels if low <= v < high) for low, high in pairwise(edges)]
    return [
        f"under {high:g}" if low == -math.inf else f"{low:g} and more" if high == math.inf else f"{low:g} to {high:g}"
        for low, high in pairwise(edges)
    ]


def cli_page() -> str:
    """docs/cli.md: every command with its example and its options, then the formats that --format names."""
    sections = [_command(name, kind) for name, kind in cli.COMMANDS.items()]
    formats = _table(("format", "what it is"), ((f"`{reader.name}`", reader.help) for reader in READERS))
    return "\n\n".join([_CLI, *sections, "## Formats\n\nIn the order in which they are tried.", formats]) + "\n"


def _command(name: str, kind: type[Command]) -> str:
    summary, example = inspect.cleandoc(kind.__doc__ or "").split("\n\nExample: ")
    known = [field for field in dataclasses.fields(kind) if field.metadata.get("help")]
    known.sort(key=lambda field: field.metadata["nargs"] not in ("+", "?", "1"))  # what has no name first
    table = _table(("option", "meaning"), ((f"`{_spelled(field)}`", field.metadata["help"]) for field in known))
    return f"## {name}\n\n{summary}\n\nExample: `{example}`\n\n{table}"


def _spelled(field: dataclasses.Field[Any]) -> str:
    value = field.metadata["metavar"]
    if field.metadata["nargs"] in ("+", "?", "1"):
        return value if field.metadata["nargs"] == "1" else f"{value} ..."
    return f"{flag(field)} {value}".strip()


def architecture_page(text: str) -> str:
    """docs/architecture.md with the table of steps as pipeline/steps.py has it."""
    return _STEPS.sub(lambda found: f"{found[1]}{steps_table()}\n{found[2]}", text)


def cases_page(text: str) -> str:
    """docs/cases.md with its tables as pipeline/evidence/decisions.py has them."""
    tables = {
        "statuses": _table(
            ("status", "comes after", "needs", "means"),
            (
                (
                    f"`{row.name}`",
                    ", ".join(each or "nothing" for each in row.after),
                    ", ".join(row.needs) or "a note",
                    row.meaning,
                )
                for row in STATUSES
            ),
        ),
        "kinds": _table(
            ("entry", "names", "means"),
            (
                (
                    f"`{row.name}`",
                    "a past recipient" if row.recipient else "a party" if row.party else "nobody",
                    row.meaning,
                )
                for row in ENTRY_KINDS
            ),
        ),
    }
    for name, table in tables.items():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        before, _, rest = text.partition(begin)
        text = f"{before}{begin}{table}\n{end}{rest.partition(end)[2]}"
    return text


def zones_page(text: str) -> str:
    """docs/zones.md with its tables as geo/data has them."""
    zones, ports = api.areas()
    tables = {
        "zones": _table(
            ("zone", "kind", "mark", "km²", "known as", "from"),
            (
                (f"`{z['id']}`", z["kind"], MARKS[z["mark"]], f"{z['km2']:,.0f}", ", ".join(z["labels"]), _from(z))
                for z in zones
            ),
        ),
        "ports": _table(
            ("port", "name", "state", "trade", "point", "harbours", "anchorages"),
            (
                (
                    *(f"`{p['id']}`", p["name"], p["country"], "yes" if p["trade"] else "", MARKS[p["mark"]]),
                    *(f"{p['harbours']}", f"{p['anchorages']}"),
                )
                for p in ports
            ),
        ),
    }
    return _filled(text, tables)


def live_page(text: str) -> str:
    """docs/live.md with the tables of sources, their options, destinations of alerts and metrics."""
    given = [(f"`{kind.scheme}`", kind.options or {}) for kind in SOURCES]
    options = [*((name, collected) for name, collected in given if collected), ("all", COMMON)]
    sections = [(f"`{kind.name}`", {**kind.options, **PACE}) for kind in KINDS]
    tables = {
        "sources": _table(("address", "what it is"), ((f"`{kind.form}`", kind.help) for kind in SOURCES)),
        "options": _table(
            ("source", "option", "meaning"),
            ((name, f"`{option}`", meaning) for name, collected in options for option, meaning in collected.items()),
        ),
        "destinations": _table(
            ("kind", "option", "meaning"),
            (
                (name, f"`{option}`", collected.help + (", needed" if collected.needed else ""))
                for name, known in sections
                for option, collected in known.items()
            ),
        ),
        "metrics": _table(
            ("metric", "kind", "meaning"),
            ((f"`stswatch_{metric.name}`", metric.kind, metric.help) for metric in METRICS),
        ),
    }
    return _filled(text, tables)


def messages_page(text: str) -> str:
    """docs/messages.md with the bit tables of pipeline/decode/layouts.py and rare_layouts.py."""
    rare = _table(("type", "form", "section", "when", "fields: from bit, bits"), map(_rare_layout, RARE_LAYOUTS))
    return _filled(text, {"layouts": "\n\n".join(map(_layout, LAYOUTS)), "rare layouts": rare})


def _rare_layout(layout: Layout) -> tuple[str, ...]:
    collected, offset = [], 0
    for field in layout.fields:
        if field.kind != "spare" and offset >= _HEAD_BITS:
            collected.append(f"`{field.name}` {offset}, {field.bits}")
        offset += field.bits
    tests = [f"at most {layout.most} bits"] * bool(layout.most)
    for at, bits, value in layout.when:
        tests.append(f"bits {at} to {at + bits - 1}: {value}" if bits > 1 else f"bit {at}: {value}")
    types = " and ".join(map(str, layout.types))
    return types, layout.name, layout.section, "; ".join(tests), "; ".join(collected)


def _layout(layout: Layout) -> str:
    rows, offset = [], 0
    for field in layout.fields:
        if field.kind != "spare":
            rows.append((f"`{field.name}`", f"{offset}", f"{field.bits}", _meaning(field), _absent(field)))
        offset += field.bits
    types = " and ".join(filter(None, (", ".join(map(str, layout.types[:-1])), str(layout.types[-1]))))
    head = f"### {'Types' if len(layout.types) > 1 else 'Type'} {types}: {layout.name}\n\nSection {layout.section}."
    return head + "\n\n" + _table(("field", "from bit", "bits", "what it is", "not available"), rows)


def _meaning(field: Field) -> str:
    """What a field counts, in words."""
    units = {"quantity": "number", "degrees": "degrees, two's complement"}.get(field.kind, "")
    scaled = f"{units} in 1/{field.per:,}" if field.per > 1 else units
    return (
        scaled
        or {
            "count": "whole number",
            "flag": "yes or no",
            "text": f"{field.bits // 6} characters",
            "turn": "degrees a minute, as 4.733 times the root of them, with the sign",
            "device": "kind of positioning device; 9 to 14 read as 0",
            "ship": "type of ship and cargo, table 53; reserved ones as the nearest that is defined, or 0",
        }[field.kind]
    )


def _absent(field: Field) -> str:
    """The values that mean so, as they are given."""
    return ", ".join(f"{value / field.per:g}" for value in field.absent)


def simulator_page(text: str) -> str:
    """docs/simulator.md with the scenarios and the shapes of the meetings of sample_ais."""
    head = ("scenario", "family", "kind", "what happens", "source")
    rows = [
        [(f"`{s.name}`", s.family, s.kind.replace("_", "-"), s.what, s.source or _CHOICE) for s in of]
        for of in (SCENARIOS, MORE)
    ]
    tables = {
        "scenarios": _table(head, rows[0]),
        "more_scenarios": _table(head, rows[1]),
        "shapes": _table(
            ("", "share of the first part", "its median", "its sigma", "median of the second", "its sigma"),
            ((name.replace("_", " "), *_with_errors(collected)) for name, collected in fitted_columns().items()),
        ),
    }
    return _filled(text, tables)


def _filled(text: str, tables: Mapping[str, str]) -> str:
    """A page with tables in the places that bear their names."""
    for name, table in tables.items():
        text = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- end -->)", lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text, flags=re.S
        )
    return text


def _with_errors(collected: Mapping[str, Any]) -> Iterator[str]:
    for name in Mixture._fields:
        yield f"{collected[name]:g} ± {collected['standard_errors'][name]:g}" if name in collected else "exponential"


def formats_page(text: str) -> str:
    """docs/formats.md with the readers of pipeline/readers/formats.py and the names of columns that are recognised."""
    tables = {
        "readers": _table(
            ("format", "what it is", "heard by", "licence"),
            ((f"`{r.name}`", r.help, r.receiver, r.licence or "not known") for r in READERS),
        ),
        "columns": _table(
            ("our name", "", "names that are recognised, best first"),
            ((f"`{ours}`", "needed" if ours in NEEDED else "", ", ".join(names)) for ours, names in HEADERS.items()),
        ),
    }
    return _filled(text, tables)


def _from(zone: Mapping[str, Any]) -> str:
    return zone["source"] + (f" ({zone['date']})" if zone["date"] else "")


def steps_table() -> str:
    """The table of steps: what each is keyed by, takes, keeps and gives."""
    return _table(("step", "key", "takes", "keeps", "gives"), (_step(step) for step in STEPS))


def _step(step: Step) -> tuple[str, ...]:
    keys = {_KEYS[route.__name__] for route in step.takes.values()} - {"none"}
    assert len(keys) <= 1, f"{step.name} is keyed in two ways"
    key = "none, one shard" if step.single else keys.pop()
    return f"`{step.name}`", key, _takes(step.takes), _names(step.state), _names(step.gives)


def _takes(takes: Mapping[str, Route]) -> str:
    """Tables, with a star those of which every shard sees all rows."""
    return ", ".join(f"`{name}`" + ("*" if route.__name__ == "to_all" else "") for name, route in takes.items())


def _names(tables: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in tables) or "nothing"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str | None, ...]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(heads)} |"
        yield "|" + "---|" * len(heads)
        for row in rows:
            yield f"| {' | '.join((cell or '').replace('|', chr(92) + '|') for cell in row)} |"

    return "\n".join(lines())


PAGES: dict[str, Callable[[str], str]] = {  # page -> its text from the text that stands there
    "rules.md": lambda _: rules_page(),
    "cli.md": lambda _: cli_page(),
    "architecture.md": architecture_page,
    "zones.md": zones_page,
    "cases.md": cases_page,
    "simulator.md": simulator_page,
    "formats.md": formats_page,
    "live.md": live_page,
    "messages.md": messages_page,
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        path = DOCS / name
        path.write_text(page(path.read_text() if path.exists() else ""))
