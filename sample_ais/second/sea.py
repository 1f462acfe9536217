"""The second simulated sea as tables: what was heard of it, and beside it what truly happened."""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from stswatch.errors import StswatchError
from stswatch.geo.coordinates.sphere import haversine_m
from stswatch.geo.reference.zones import zone_of
from stswatch.sample_ais.second import plans, radio, recipes
from stswatch.sample_ais.second.movement import MOORED
from stswatch.sample_ais.second.net import net
from stswatch.sample_ais.second.plans import Tracks, Vessel
from stswatch.sample_ais.second.radio import STATIONS, Reports

_UTC = pa.timestamp("us", tz="UTC")
WITHIN_M, JOINED_MIN, LEAST_MIN, STEP_MIN = 500.0, 30, 6, 2  # what a true meeting is; looked at every STEP_MIN
SOURCE = "second0000000000"
Scripted: TypeAlias = dict[tuple[int, int], tuple[recipes.Recipe, int, int]]


class SecondPlanError(StswatchError, ValueError):
    """A sea that cannot be simulated; the message says which value and what it may be."""


@dataclass(frozen=True)
class SecondPlan:
    """What is simulated: from when, how long, how many scenes of both kinds, ships in no scene, and how it is heard.

    in_areas: share of the scenes at sea that lie in reported areas, the same for transfers and look-alikes; thin_s: the
    network passes at most one report of a ship in so many seconds, 0 for all; only: names or families of recipes.
    """

    start_s: int = 1_741_564_800
    days: float = 2.0
    background: int = 120
    transfers: int = 20
    look_alikes: int = 40
    in_areas: float = 0.5
    thin_s: float = 60.0
    static_s: float = 1800.0
    outages_per_day: float = 0.5
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0.5 <= self.days <= 60:
            raise SecondPlanError(f"{self.days:g} days: give 0.5 to 60")
        if min(self.background, self.transfers, self.look_alikes) < 0:
            raise SecondPlanError("a number of ships or scenes is below 0")
        if self.background + self.transfers + self.look_alikes == 0:
            raise SecondPlanError("no ship and no scene: give some")
        known = {name for recipe in recipes.SCENES for name in (recipe.name, recipe.family)}
        if unknown := set(self.only) - known:
            raise SecondPlanError(f"{min(unknown)!r} is no scene of this sea; there are {', '.join(sorted(known))}")


@dataclass(frozen=True)
class SecondSea:
    """Tables of the same columns as the first simulated sea has, see docs/second_sea.md."""

    plan: SecondPlan
    seed: int
    fixes: pa.Table
    static_reports: pa.Table
    meetings: pa.Table
    ships: pa.Table
    gaps: pa.Table

    @property
    def vessel_days(self) -> int:
        """On how many days a ship was heard, over all ships."""
        heard = self.fixes.select(["mmsi", "time"])
        day = heard["time"].cast(pa.int64()).to_numpy() // 86_400_000_000
        return len(np.unique(np.column_stack([heard["mmsi"].to_numpy(), day]), axis=0))


def second_seeds() -> tuple[int, ...]:
    """The seeds that judge a card, fixed before any card was judged on them.

    >>> second_seeds()
    (1901, 1902)
    """
    with (files("stswatch.sample_ais.second") / "seeds.csv").open() as file:
        return tuple(int(row["seed"]) for row in csv.DictReader(file))


def simulate(plan: SecondPlan, seed: int) -> SecondSea:
    """The sea of a plan; the same plan and seed give the same tables. Raises nothing for a sound plan."""
    vessels, tracks, scripted = _sailed(plan, seed)
    rng = np.random.default_rng([seed, 1])
    _share_numbers(rng, vessels)
    ether = radio.Ether.drawn(rng, tracks, plan.outages_per_day)
    heard = [
        radio.received(np.random.default_rng([seed, 2, row]), vessel, row, tracks, ether, plan.thin_s)
        for row, vessel in enumerate(vessels)
    ]
    reports = radio.joined([of for of, _ in heard])
    return SecondSea(
        plan,
        seed,
        _fixes(plan, vessels, reports),
        _static_reports(plan, rng, vessels, reports),
        _meetings(plan, vessels, tracks, scripted, reports),
        _ships(vessels),
        _gaps(plan, vessels, [of for _, of in heard]),
    )


def _sailed(plan: SecondPlan, seed: int) -> tuple[list[Vessel], Tracks, Scripted]:
    """The ships, their tracks, and which pairs of rows meet by which recipe and when."""
    over, rng = net(), np.random.default_rng([seed, 0])
    asked = [
        recipe
        for kind, n in ((recipes.TRANSFER, plan.transfers), (recipes.LOOK_ALIKE, plan.look_alikes))
        for recipe in recipes.recipes(rng, kind, n, plan.only)
    ]
    count = sum(1 + len(recipe.guests) for recipe in asked) + plan.background
    numbers = rng.permutation(count) + 1  # so that no number tells of a part in a scene
    tracks = Tracks.blank(count, round(plan.days * plans.DAY))
    vessels: list[Vessel] = []
    scripted: Scripted = {}
    for recipe in asked:
        row = len(vessels)
        parties = recipes.cast(rng, recipe, numbers[row:], over)
        span = recipes.play(rng, recipe, parties, row, tracks, over, plan.in_areas)
        scripted |= {(row + a, row + b): (recipe, *span) for b in range(len(parties)) for a in range(b)}
        vessels += parties
    kinds = rng.choice(list(plans.FLEET), plan.background, p=np.array(list(plans.FLEET.values())) / 100)
    for kind in kinds.tolist():
        row = len(vessels)
        vessels.append(plans.build(rng, int(numbers[row]), kind, "background", "", over))
        plans.background(rng, vessels[-1], row, tracks, over)
    return vessels, tracks, scripted


def _share_numbers(rng: np.random.Generator, vessels: list[Vessel]) -> None:
    """One ship in 150 of those in no scene sends the number of another."""
    others = [vessel for vessel in vessels if vessel.role == "background"]
    for one, other in rng.permutation(len(others))[: len(others) // 150 * 2].reshape(-1, 2):
        others[one].mmsi = others[other].mmsi


def _moment(plan: SecondPlan, seconds: Any) -> pa.Array:
    """Seconds from the start as times, whole seconds as the messages tell them."""
    return pa.array((plan.start_s + np.floor(seconds).astype(np.int64)) * 1_000_000).cast(_UTC)


def _fixes(plan: SecondPlan, vessels: list[Vessel], heard: Reports) -> pa.Table:
    """As the columns of the lake have it, rounded as the messages of ITU-R M.1371 round."""

    def of(name: str, kind: Any) -> NDArray[Any]:
        return np.array([getattr(v, name) for v in vessels], kind)[heard.row]

    class_b = of("class_b", bool)
    n = len(heard.row)
    names = np.array([name for name, *_ in STATIONS] + [radio.SATELLITE])
    cog = np.round(heard.cog_deg, 1) % 360
    return pa.table({
        "mmsi": pa.array(of("mmsi", np.int32)),
        "time": _moment(plan, heard.time_s),
        "lon": np.round(np.round(heard.lon * 600_000) / 600_000, 7),
        "lat": np.round(np.round(heard.lat * 600_000) / 600_000, 7),
        "sog_kn": np.round(heard.sog_kn, 1).astype(np.float32),
        "cog_deg": cog.astype(np.float32),
        "heading_deg": pa.array(heard.heading_deg.astype(np.int16), mask=heard.heading_deg == 511),
        "status": pa.array(heard.status.astype(np.int8), mask=class_b),
        "msg_type": np.where(class_b, 18, 1).astype(np.int8),
        "receiver": pa.array(np.where(heard.station < 0, "satellite", "terrestrial")),
        "station": pa.array(names[heard.station]),
        **{name: pa.nulls(n, kind) for name, kind in _RADIO.items()},
        "invalid_reason": pa.nulls(n, pa.string()),
        **_refs(n),
    })  # fmt: skip


_RADIO = {"radio": pa.int32(), "raim": pa.bool_(), "utc_second": pa.int8()}  # of the sentence alone


def _refs(n: int) -> dict[str, pa.Array]:
    """Where the rows would lie in a file: one row of a table each."""
    parts = pa.struct([pa.field("offset", pa.int64(), False), pa.field("length", pa.int32(), False)])
    return {
        "source": pa.array(np.full(n, SOURCE)),
        "offset": pa.array(np.arange(n)),
        "length": pa.array(np.ones(n, np.int32)),
        "more_refs": pa.nulls(n, pa.list_(pa.field("item", parts))),
    }


def _static_reports(plan: SecondPlan, rng: np.random.Generator, vessels: list[Vessel], heard: Reports) -> pa.Table:
    """What ships say of themselves, at most once in `static_s`, where a position was heard within it."""
    bucket = (heard.time_s // plan.static_s).astype(np.int64)
    _, first = np.unique(heard.row * 1_000_000 + bucket, return_index=True)
    first = np.sort(first[rng.random(len(first)) < 0.7])
    row, time_s = heard.row[first], np.floor(heard.time_s[first]) + 1
    ships = {name: np.array([getattr(v, name) for v in vessels])[row] for name in
             ("mmsi", "ship_type", "length_m", "beam_m", "class_b", "laden_until", "destination", "name")}  # fmt: skip
    bow, port = np.round(ships["length_m"] * 0.75).astype(np.int16), (ships["beam_m"] // 2).astype(np.int16)
    imo = [vessels[k].imo for k in row.tolist()]
    draught = np.array([v.draughts_m for v in vessels])[row]
    draught = np.where(time_s / 60 < ships["laden_until"], draught[:, 0], draught[:, 1])
    class_b = ships["class_b"]
    return pa.table({
        "mmsi": ships["mmsi"].astype(np.int32),
        "time": _moment(plan, time_s),
        "imo": pa.array([None if b else i for b, i in zip(class_b.tolist(), imo, strict=True)], pa.int32()),
        "name": pa.array(ships["name"].tolist(), pa.string()),
        "call_sign": pa.array([f"S{vessels[k].number:05}" for k in row.tolist()]),
        "ship_type": pa.array(ships["ship_type"].astype(np.int16), mask=ships["ship_type"] == 0),
        "length_m": ships["length_m"].astype(np.float32),
        "beam_m": ships["beam_m"].astype(np.float32),
        "to_bow_m": bow,
        "to_stern_m": (ships["length_m"] - bow).astype(np.int16),
        "to_port_m": port,
        "to_starboard_m": (ships["beam_m"] - port).astype(np.int16),
        "draught_m": pa.array(draught.astype(np.float32), mask=class_b),
        "destination": pa.array([d or None for d in ships["destination"].tolist()], pa.string(), mask=class_b),
        "msg_type": np.where(class_b, 24, 5).astype(np.int8),
        "invalid_reason": pa.nulls(len(row), pa.string()),
        **_refs(len(row)),
    })  # fmt: skip


def _ships(vessels: list[Vessel]) -> pa.Table:
    """Who was there."""

    def of(name: str, kind: pa.DataType) -> pa.Array:
        return pa.array([getattr(v, name) for v in vessels], kind)

    n = len(vessels)
    return pa.table({
        "hull": pa.array([_hull(v) for v in vessels]),
        "mmsi": of("mmsi", pa.int32()),
        "from": pa.nulls(n, _UTC), "until": pa.nulls(n, _UTC),
        "imo": of("imo", pa.int32()), "true_imo": of("imo", pa.int32()),
        "name": of("name", pa.string()),
        "call_sign": pa.array([f"S{v.number:05}" for v in vessels]),
        "flag": pa.array(["X" + chr(ord("G") + v.mmsi // 1_000_000 - plans.MIDS[0]) for v in vessels]),
        "kind": of("kind", pa.string()),
        "ship_type": of("ship_type", pa.int16()),
        "length_m": of("length_m", pa.float64()), "beam_m": of("beam_m", pa.float64()),
        "ais_class": pa.array(["B" if v.class_b else "A" for v in vessels]),
        "role": of("role", pa.string()), "scenario": of("scenario", pa.string()),
    })  # fmt: skip


def _hull(vessel: Vessel) -> str:
    return f"second-{vessel.number:05}"


def _gaps(plan: SecondPlan, vessels: list[Vessel], found: list[list[radio.TrueGap]]) -> pa.Table:
    """Every silence of radio.LEAST_GAP_H and more as received, with cause and chance; end null where it goes on."""
    rows = [(v, *gap) for v, gaps in zip(vessels, found, strict=True) for gap in gaps]

    def when(s: float | None) -> int | None:
        return None if s is None else int((plan.start_s + s) * 1e6)

    return pa.table({
        "hull": pa.array([_hull(v) for v, *_ in rows], pa.string()),
        "mmsi": pa.array([v.mmsi for v, *_ in rows], pa.int32()),
        "start": pa.array([when(begin) for _, begin, *_ in rows], pa.int64()).cast(_UTC),
        "end": pa.array([when(end) for _, _, end, *_ in rows], pa.int64()).cast(_UTC),
        "cause": pa.array([cause for *_, cause, _ in rows], pa.string()),
        "log10_unheard": pa.array([chance for *_, chance in rows], pa.float64()),
    })  # fmt: skip


# ------------------------------------------------------------ true meetings, measured from the true tracks of all ships


def _near(tracks: Tracks) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Every two ships within WITHIN_M at every STEP_MIN: the lower row, the higher, and the minute."""
    found = []
    for minute in range(0, tracks.lon.shape[1], STEP_MIN):
        lon, lat = tracks.lon[:, minute], tracks.lat[:, minute]
        flat = np.column_stack([lon * np.cos(np.radians(lat)), lat]) * 111_195
        # two latitudes a few hundred metres apart shear the plane; so somewhat more is taken, and measured below
        pairs = cKDTree(flat).query_pairs(WITHIN_M * 1.5, output_type="ndarray")
        found.append(np.column_stack([pairs, np.full(len(pairs), minute)]))
    a, b, minute = np.vstack(found).astype(np.int64).T
    near = (
        haversine_m(tracks.lon[a, minute], tracks.lat[a, minute], tracks.lon[b, minute], tracks.lat[b, minute])
        <= WITHIN_M
    )
    return a[near], b[near], minute[near]


def _meetings(plan: SecondPlan, vessels: list[Vessel], tracks: Tracks, scripted: Scripted, heard: Reports) -> pa.Table:
    """Stretches of nearness, over interruptions of up to JOINED_MIN, of LEAST_MIN and more; scripted or by chance."""
    a, b, minute = _near(tracks)
    order = np.lexsort((minute, b, a))
    a, b, minute = a[order], b[order], minute[order]
    new = (np.diff(a, prepend=-1) != 0) | (np.diff(b, prepend=-1) != 0) | (np.diff(minute, prepend=0) > JOINED_MIN)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(a)) - 1
    numbers = np.array([v.mmsi for v in vessels])
    long = (minute[last] - minute[first] >= LEAST_MIN) & (numbers[a[first]] != numbers[b[first]])
    seen = _seen(tracks, heard)
    rows = [_meeting(plan, vessels, tracks, scripted, seen, int(a[i]), int(b[i]), minute[i : j + 1])
            for i, j in zip(first[long].tolist(), last[long].tolist(), strict=True)]  # fmt: skip
    table = pa.Table.from_pylist(rows, schema=MEETINGS)
    return _placed(table).sort_by([("start", "ascending"), ("mmsi_a", "ascending"), ("mmsi_b", "ascending")])


MEETINGS = pa.schema([
    *((name, pa.string()) for name in ("hull_a", "hull_b")), *((name, pa.int32()) for name in ("mmsi_a", "mmsi_b")),
    ("start", _UTC), ("end", _UTC), ("begun_before", pa.bool_()), ("goes_on_after", pa.bool_()),
    *((name, pa.float64()) for name in ("nearest_m", "median_m", "lon", "lat")),
    *((name, pa.string()) for name in ("kind", "family", "scenario", "why", "place")),
    ("seen_share", pa.float64()), ("seen_start", pa.bool_()), ("seen_end", pa.bool_()),
    ("receiver", pa.string()), ("in_port", pa.bool_()),
])  # fmt: skip


def _seen(tracks: Tracks, heard: Reports) -> NDArray[np.int8]:
    """By whom each ship was heard in each cell of radio.CELL_MIN: 0 nobody, 1 a satellite, 2 a station."""
    seen = np.zeros((tracks.lon.shape[0], tracks.lon.shape[1] // radio.CELL_MIN + 1), np.int8)
    cell = (heard.time_s // (60 * radio.CELL_MIN)).astype(np.int64)
    np.maximum.at(seen, (heard.row, cell), np.where(heard.station < 0, 1, 2).astype(np.int8))
    return seen


def _meeting(plan: SecondPlan, vessels: list[Vessel], tracks: Tracks, scripted: Scripted, seen: NDArray[np.int8],
             a: int, b: int, minute: NDArray[np.int64]) -> dict[str, Any]:  # fmt: skip
    """One true meeting as a row; the smaller number first."""
    recipe, since, until = scripted.get((a, b), (None, 0, 0))
    if recipe and (minute[-1] < since or minute[0] > until):
        recipe = None  # these two were near each other at another time, by chance
    if vessels[a].mmsi > vessels[b].mmsi:
        a, b = b, a
    lon_a, lat_a, lon_b, lat_b = (of[row, minute] for row in (a, b) for of in (tracks.lon, tracks.lat))
    metres = haversine_m(lon_a, lat_a, lon_b, lat_b)
    at = int(np.argmin(metres))
    begin, end = int(minute[0]), int(minute[-1])
    both = seen[[a, b], begin // radio.CELL_MIN : end // radio.CELL_MIN + 1].min(axis=0)
    return {
        "hull_a": _hull(vessels[a]), "hull_b": _hull(vessels[b]), "mmsi_a": vessels[a].mmsi, "mmsi_b": vessels[b].mmsi,
        "start": (plan.start_s + begin * 60) * 1_000_000, "end": (plan.start_s + end * 60) * 1_000_000,
        "begun_before": begin == 0, "goes_on_after": end + STEP_MIN >= tracks.lon.shape[1],
        "nearest_m": float(metres[at]), "median_m": float(np.median(metres)),
        "lon": float(lon_a[at] + lon_b[at]) / 2, "lat": float(lat_a[at] + lat_b[at]) / 2,
        "kind": recipe.kind if recipe else "traffic", "family": recipe.family if recipe else "chance",
        "scenario": recipe.name if recipe else "chance", "why": recipe.why if recipe else "By chance.",
        "place": None, "seen_share": float((both > 0).mean()), "seen_start": bool(both[0]), "seen_end": bool(both[-1]),
        "receiver": ("none", "satellite", "terrestrial")[int(both.max())],
        "in_port": bool((tracks.status[[a, b], minute[at]] == MOORED).all()),
    }  # fmt: skip


def _placed(table: pa.Table) -> pa.Table:
    """The most specific zone that each meeting lies in, none as an empty text."""
    inside = zone_of(table["lon"].to_numpy(), table["lat"].to_numpy())
    at = table.schema.get_field_index("place")
    return table.set_column(at, "place", pa.array([names[0] if names else "" for names in inside], pa.string()))


def described(sea: SecondSea) -> dict[str, Any]:
    """What a file says of a sea before its tables."""
    return {
        "simulated": True,
        "notice": "Simulated: no ship, flag or event is real. Country digits 291 to 296 are given to nobody.",
        "generator": "stswatch.sample_ais.second",
        "seed": sea.seed,
        "plan": asdict(sea.plan),
        "meetings_within_m": WITHIN_M,
        "meetings_joined_over_min": JOINED_MIN,
        "meetings_least_min": LEAST_MIN,
        "vessel_days": sea.vessel_days,
    }
