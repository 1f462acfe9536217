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

from docs.real_ships import adrift, apart_m, drift_figures, every_ten_minutes, gulf, noaa, slow_steps_m, stopped
from stswatch.geo.coast.land import coast
from stswatch.sample_ais import feed, simulation
from stswatch.sample_ais.fleet.motion import M_PER_DEG
from stswatch.sample_ais.simulation import Plan, simulate

DOCS = Path(__file__).parent
PLAN, SEED = Plan(days=3.0, background=250, transfers=40, look_alikes=60), 3
AT_ANCHOR, MOORED = 1, 5
LIGHTERING = (241502000, 311000222)  # in the Gulf, 2023-08-01, see the page
KINDS = {"transfer": "#b04a12", "look_alike": "#22577a", "traffic": "#9a9a9a"}
CURVES = {
    "scatter, at a berth": ("metres", (0.1, 2000)),
    "scatter, at anchor": ("metres", (0.1, 2000)),
    "ten minutes at less than 3 kn": ("metres", (0.1, 2000)),
    "adrift 6 to 20 h": ("way over displacement", (1, 30)),
}
COLOURS = {"real": "#b04a12", "simulated": "#22577a"}


def simulated() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Positions as above of a simulated sea, one of each ship and moment, and its meetings."""
    sea = simulate(PLAN, SEED)
    collected = sea.fixes.to_pandas().dropna(subset="lon").drop_duplicates(["mmsi", "time"])
    time = collected.time.dt.tz_convert(None).astype("datetime64[s]").astype("int64")
    columns = {
        "mmsi": collected.mmsi,
        "time_s": time,
        "lon": collected.lon,
        "lat": collected.lat,
        "sog": collected.sog_kn,
    }
    fixes = pd.DataFrame(columns | {"status": collected.status}).sort_values(["mmsi", "time_s"], ignore_index=True)
    return fixes, sea.meetings.to_pandas()


def table(collected: dict[str, dict[str, np.ndarray]]) -> str:
    """The figures as a table in Markdown."""
    lines = ["| | real | simulated |", "|---|---|---|"]
    for name, which in collected.items():
        for label, figure in FIGURES[name.split(",")[0]]:
            lines.append(f"| {name}: {label} | {figure(which['real'])} | {figure(which['simulated'])} |")
    return "\n".join(lines)


def _share(limit: float) -> Any:
    return lambda x: f"{(x <= limit + 1e-9).mean():.2f}"


def _quartiles(x: np.ndarray) -> str:
    return " / ".join(f"{q:.1f}" for q in np.quantile(x, [0.25, 0.5, 0.75]))


def _fine(x: np.ndarray) -> str:
    return " / ".join(f"{q:.2f}" for q in np.quantile(x, [0.25, 0.5, 0.75]))


FIGURES: dict[str, list[tuple[str, Any]]] = {
    "speed": [("share at 0.0 kn", _share(0.0)), ("share to 0.1 kn", _share(0.1)), ("share to 0.5 kn", _share(0.5))],
    "scatter": [("quartiles, m", _quartiles), ("ships and windows", lambda x: f"{len(x):,}")],
    "ten minutes at less than 3 kn": [("quartiles of the way, m", _quartiles), ("steps", lambda x: f"{len(x):,}")],
    "adrift 6 to 20 h": [("quartiles of way over displacement", _fine), ("spells", lambda x: f"{len(x):,}")],
    "adrift": [("quartiles of degrees turned an hour", _quartiles)],
    "side by side": [
        ("quartiles of how far off its median the distance is, m", _quartiles),
        ("positions", lambda x: f"{len(x):,}"),
    ],
}


def draw(
    collected: dict[str, dict[str, np.ndarray]],
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]],
    drifts: dict[str, list[pd.DataFrame]],
) -> None:
    """docs/simulator.png: four distributions, distances of pairs through their meetings, courses of ships adrift."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 3, figsize=(14, 7.2), layout="constrained")
    for name, panel in zip(CURVES, panels.flat, strict=False):
        unit, limits = CURVES[name]
        for which, values in collected[name].items():
            panel.step(
                np.sort(values) + 0.1 * (limits[0] < 1),
                np.arange(1, len(values) + 1) / len(values),
                color=COLOURS[which],
                label=which,
            )
        panel.set(xscale="log", title=name, xlabel=unit, ylabel="share at most so much", ylim=(0, 1), xlim=limits)
        panel.grid(alpha=0.3)
        panel.legend(frameon=False)
    _draw_pairs(panels.flat[4], pairs)
    _draw_drifts(panels.flat[5], drifts)
    figure.savefig(DOCS / "simulator.png", dpi=80, metadata={"Software": None})


def _draw_pairs(last: Any, pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    for which, courses in pairs.items():
        for k, (hours, far_m) in enumerate(courses):
            style = {"lw": 1.8, "zorder": 3} if which == "real" else {"lw": 0.8, "alpha": 0.7}
            last.plot(hours, far_m, color=COLOURS[which], label=which if k == 0 else None, **style)
    last.set(title="side by side: antenna to antenna", xlabel="hours", ylabel="metres", ylim=(0, 300), xlim=(0, 16))
    last.grid(alpha=0.3)
    last.legend(frameon=False)


def _draw_drifts(panel: Any, drifts: dict[str, list[pd.DataFrame]]) -> None:
    """Courses from where each began."""
    for which, spells in drifts.items():
        for k, spell in enumerate(spells[:14]):
            east = (spell.lon - spell.lon.iloc[0]) * M_PER_DEG * np.cos(np.radians(spell.lat.iloc[0])) / 1000
            north = (spell.lat - spell.lat.iloc[0]) * M_PER_DEG / 1000
            panel.plot(east, north, color=COLOURS[which], lw=0.9, label=which if k == 0 else None)
    panel.set(title="adrift 6 to 20 h, from where it began", xlabel="km east", ylabel="km north", aspect="equal")
    panel.grid(alpha=0.3)
    panel.legend(frameon=False)


def draw_map() -> None:
    """docs/simulator_map.png: the true courses of the recording of 48 hours by kind of scene, and what was received."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    sea, (west, south, east, north) = simulation.build(feed.PLAN, feed.SEED), (106.0, 18.0, 135.0, 43.8)
    figure, axes = pyplot.subplots(figsize=(9.4, 9.6), layout="constrained")
    for part in shapely.get_parts(coast(west, south, east, north)):
        axes.fill(*part.exterior.xy, facecolor="#dcd8cc", edgecolor="#8d8877", linewidth=0.3)
    time_s = np.arange(0, feed.PLAN.days * 86_400, 300.0)
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
    collected: dict[str, dict[str, np.ndarray]] = {}
    for place, status in (("at a berth", MOORED), ("at anchor", AT_ANCHOR)):
        both = {"real": stopped(us, status), "simulated": stopped(sea, status)}
        for k, name in enumerate(("speed", "scatter")):
            collected[f"{name}, {place}"] = {which: values[k] for which, values in both.items()}
    collected["ten minutes at less than 3 kn"] = {"real": slow_steps_m(mexico), "simulated": slow_steps_m(thin)}
    drifts = {"real": adrift(every_ten_minutes(mexico)), "simulated": adrift(thin)}
    for name, k in (("adrift 6 to 20 h", 0), ("adrift", 1)):
        collected[name] = {which: drift_figures(spells)[k] for which, spells in drifts.items()}
    close = meetings[(meetings.seen_share > 0.95) & (meetings.median_m < 130) & (meetings.kind != "traffic")]
    close = close[(close.end - close.start).dt.total_seconds() > 6 * 3600].head(8)
    pairs = {
        "real": [apart_m(mexico, LIGHTERING)],
        "simulated": [apart_m(thin, (r.mmsi_a, r.mmsi_b)) for r in close.itertuples()],
    }
    collected["side by side"] = {
        which: np.concatenate([np.abs(far - np.median(far)) for _, far in courses]) for which, courses in pairs.items()
    }
    draw(collected, pairs, drifts)
    print(table(collected))


if __name__ == "__main__":
    main()
