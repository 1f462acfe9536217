"""The pictures of docs/simulator.md: the recording on a map; stopped and drifting ships, simulated and real.

    python -m docs.simulator [FOLDER]

FOLDER is that of the real data (CONTRIBUTING.md), of which only figures are part of the project; else the map alone.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely

from stswatch.geo.coast import coast
from stswatch.geo.sphere import haversine_m
from stswatch.sample_ais import sample, simulation
from stswatch.sample_ais.simulation import Plan, simulate

DOCS = Path(__file__).parent
PLAN, SEED = Plan(days=3.0, background=250, transfers=40, look_alikes=60), 3
WINDOW_S, STEP_S = 1440, 600  # the NOAA record lasts 24 minutes for most ships; the Gulf file has a step of 10 minutes
AT_ANCHOR, MOORED = 1, 5
LIGHTERING = (241502000, 311000222)  # in the Gulf, 2023-08-01, see the page
KINDS = {"transfer": "#b04a12", "look_alike": "#22577a", "traffic": "#9a9a9a"}
COLOURS = {"real": "#b04a12", "simulated": "#22577a"}


def noaa(folder: Path) -> pd.DataFrame:
    """Positions of MarineCadastre: mmsi, time_s, lon, lat, sog, status."""
    told = pd.read_csv(folder / "decoded" / "noaa_2022-01-03_99999.csv.gz")
    time = pd.to_datetime(told.BaseDateTime).astype("datetime64[s]").astype("int64")
    return pd.DataFrame(
        {"mmsi": told.MMSI, "time_s": time, "lon": told.LON, "lat": told.LAT, "sog": told.SOG, "status": told.Status}
    )


def gulf(folder: Path) -> pd.DataFrame:
    """Positions in the Gulf of Mexico, a step of 10 minutes; no status."""
    told = pd.read_csv(folder / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz")
    time = pd.to_datetime(told.timestamp).astype("datetime64[s]").astype("int64")
    columns = {"mmsi": told.mmsi, "time_s": time, "lon": told.lon, "lat": told.lat, "sog": told.sog}
    return pd.DataFrame(columns).sort_values(["mmsi", "time_s"], ignore_index=True)


def simulated() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Positions as above of a simulated sea, one of each ship and moment, and its meetings."""
    sea = simulate(PLAN, SEED)
    told = sea.fixes.to_pandas().dropna(subset="lon").drop_duplicates(["mmsi", "time"])
    time = told.time.dt.tz_convert(None).astype("datetime64[s]").astype("int64")
    columns = {"mmsi": told.mmsi, "time_s": time, "lon": told.lon, "lat": told.lat, "sog": told.sog_kn}
    fixes = pd.DataFrame(columns | {"status": told.status}).sort_values(["mmsi", "time_s"], ignore_index=True)
    return fixes, sea.meetings.to_pandas()


def stopped(fixes: pd.DataFrame, status: int) -> tuple[np.ndarray, np.ndarray]:
    """Speeds (n,) in kn of ships that lie still under a status, and how far their positions scatter (k,) in metres.

    Scatter: the median distance from the median place, in each window of 24 minutes with six positions or more.
    """
    window = [fixes.mmsi, fixes.time_s // WINDOW_S]
    groups = fixes.groupby(window)
    still = fixes[
        (groups.sog.transform("median") < 0.5) & (groups.sog.transform("size") >= 6) & (fixes.status == status)
    ]
    groups = still.groupby([still.mmsi, still.time_s // WINDOW_S])
    away_m = haversine_m(still.lon, still.lat, groups.lon.transform("median"), groups.lat.transform("median"))
    scatter_m = pd.Series(away_m, still.index).groupby([still.mmsi, still.time_s // WINDOW_S]).median()
    return still.sog.to_numpy().round(1), scatter_m.to_numpy()


def every_ten_minutes(fixes: pd.DataFrame) -> pd.DataFrame:
    """The first position of each ship in each ten minutes."""
    return fixes.groupby([fixes.mmsi, fixes.time_s // STEP_S], as_index=False).first()


def slow_steps_m(fixes: pd.DataFrame) -> np.ndarray:
    """How far ships slower than 3 kn come in about ten minutes (n,), metres, scaled to ten."""
    before = fixes.groupby("mmsi")[["lon", "lat", "time_s", "sog"]].shift()
    dt = fixes.time_s - before.time_s
    use = (dt > 0.7 * STEP_S) & (dt < 1.3 * STEP_S) & (fixes.sog < 3) & (before.sog < 3)
    far_m = haversine_m(fixes.lon[use], fixes.lat[use], before.lon[use], before.lat[use])
    return np.asarray(far_m * STEP_S / dt[use])


def apart_m(fixes: pd.DataFrame, pair: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Hours since they came within 500 m, and the distance, metres, of a pair whenever the first reports (n,)."""
    one, two = (fixes[fixes.mmsi == mmsi] for mmsi in pair)
    when = one.time_s.to_numpy()
    inside = (when >= two.time_s.min()) & (when <= two.time_s.max())
    at = [np.interp(when, two.time_s, two[axis]) for axis in ("lon", "lat")]
    far = np.where(inside, haversine_m(one.lon, one.lat, *at), np.inf)
    near = np.flatnonzero(far < 500)
    near = max(np.split(near, np.flatnonzero(np.diff(near) > 1) + 1), key=len)  # of a pair that met twice, the longer
    span = slice(near[0], near[-1] + 1)
    return (when[span] - when[near[0]]) / 3600, far[span]


def table(told: dict[str, dict[str, np.ndarray]]) -> str:
    """The figures as a table in Markdown."""
    lines = ["| | real | simulated |", "|---|---|---|"]
    for name, which in told.items():
        for label, figure in FIGURES[name.split(",")[0]]:
            lines.append(f"| {name}: {label} | {figure(which['real'])} | {figure(which['simulated'])} |")
    return "\n".join(lines)


def _share(limit: float) -> Any:
    return lambda x: f"{(x <= limit + 1e-9).mean():.2f}"


def _quartiles(x: np.ndarray) -> str:
    return " / ".join(f"{q:.1f}" for q in np.quantile(x, [0.25, 0.5, 0.75]))


FIGURES: dict[str, list[tuple[str, Any]]] = {
    "speed": [("share at 0.0 kn", _share(0.0)), ("share to 0.1 kn", _share(0.1)), ("share to 0.5 kn", _share(0.5))],
    "scatter": [("quartiles, m", _quartiles), ("ships and windows", lambda x: f"{len(x):,}")],
    "ten minutes at less than 3 kn": [("quartiles of the way, m", _quartiles), ("steps", lambda x: f"{len(x):,}")],
    "side by side": [
        ("quartiles of how far off its median the distance is, m", _quartiles),
        ("positions", lambda x: f"{len(x):,}"),
    ],
}


def draw(told: dict[str, dict[str, np.ndarray]], pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """docs/simulator.png: three distributions, and the distances of pairs through their meetings."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(10.5, 7.2), layout="constrained")
    axes = dict(
        zip(("scatter, at a berth", "scatter, at anchor", "ten minutes at less than 3 kn"), panels.flat, strict=False)
    )
    for name, panel in axes.items():
        for which, values in told[name].items():
            panel.step(
                np.sort(values) + 0.1, np.arange(1, len(values) + 1) / len(values), color=COLOURS[which], label=which
            )
        panel.set(
            xscale="log", title=name, xlabel="metres", ylabel="share at most so much", ylim=(0, 1), xlim=(0.1, 2000)
        )
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    last = panels.flat[3]
    for which, courses in pairs.items():
        for k, (hours, far_m) in enumerate(courses):
            style = {"lw": 1.8, "zorder": 3} if which == "real" else {"lw": 0.8, "alpha": 0.7}
            last.plot(hours, far_m, color=COLOURS[which], label=which if k == 0 else None, **style)
    last.set(title="side by side: antenna to antenna", xlabel="hours", ylabel="metres", ylim=(0, 300), xlim=(0, 16))
    last.grid(alpha=0.3)
    last.legend(frameon=False)
    figure.savefig(DOCS / "simulator.png", dpi=80, metadata={"Software": None})


def draw_map() -> None:
    """docs/simulator_map.png: the true courses of the recording of 48 hours by kind of scene, and what was received."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    sea, (west, south, east, north) = simulation.build(sample.PLAN, sample.SEED), (117.0, 24.7, 130.3, 41.3)
    figure, axes = pyplot.subplots(figsize=(7.6, 10.2), layout="constrained")
    for part in shapely.get_parts(coast(west, south, east, north)):
        axes.fill(*part.exterior.xy, facecolor="#dcd8cc", edgecolor="#8d8877", linewidth=0.3)
    time_s = np.arange(0, sample.PLAN.days * 86_400, 300.0)
    named = set()
    for k in range(len(sea.cast.actors)):
        kind = sea.scenes[sea.scene_of[k]].kind
        course = sea.cast.courses.at(np.full(len(time_s), k), time_s)
        axes.plot(*course, linewidth=0.8, color=KINDS[kind], label=None if kind in named else kind.replace("_", "-"))
        named.add(kind)
    axes.plot(sea.heard.lon[::60], sea.heard.lat[::60], "k.", markersize=1.0, label="received, one in sixty")
    axes.set(xlim=(west, east), ylim=(south, north), aspect=1 / np.cos(np.radians(33)))
    axes.legend(loc="lower right")
    figure.savefig(DOCS / "simulator_map.png", dpi=70, metadata={"Software": None})


def main() -> None:
    """Draws the map; computes, prints the table and draws the comparison where the real data are given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="the real data")
    folder = parser.parse_args().folder
    draw_map()
    if folder is None:
        return
    us, (mexico, (sea, meetings)) = noaa(folder), (gulf(folder), simulated())
    thin = every_ten_minutes(sea)
    told: dict[str, dict[str, np.ndarray]] = {}
    for place, status in (("at a berth", MOORED), ("at anchor", AT_ANCHOR)):
        both = {"real": stopped(us, status), "simulated": stopped(sea, status)}
        for k, name in enumerate(("speed", "scatter")):
            told[f"{name}, {place}"] = {which: values[k] for which, values in both.items()}
    told["ten minutes at less than 3 kn"] = {"real": slow_steps_m(mexico), "simulated": slow_steps_m(thin)}
    close = meetings[(meetings.seen_share > 0.95) & (meetings.median_m < 130) & (meetings.kind != "traffic")]
    close = close[(close.end - close.start).dt.total_seconds() > 6 * 3600].head(8)
    pairs = {
        "real": [apart_m(mexico, LIGHTERING)],
        "simulated": [apart_m(thin, (r.mmsi_a, r.mmsi_b)) for r in close.itertuples()],
    }
    told["side by side"] = {
        which: np.concatenate([np.abs(far - np.median(far)) for _, far in courses]) for which, courses in pairs.items()
    }
    draw(told, pairs)
    print(table(told))


if __name__ == "__main__":
    main()
