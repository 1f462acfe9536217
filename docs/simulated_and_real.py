"""docs/simulated_and_real.md: distributions of the sea of weeks beside real recordings, and what tells them apart.

    python -m docs.simulated_and_real FOLDER

FOLDER is that of the real data (CONTRIBUTING.md), of which only figures are part of the project.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from threadpoolctl import threadpool_limits

from stswatch.sample_ais import feed
from stswatch.sample_ais.reception import encode
from stswatch.sample_ais.simulation import VoyagePlan, simulate

DOCS = Path(__file__).parent
AISHUB = "nmea/aishub_nmea-sample.txt.gz"
# what shore stations in harbours hear in an hour from 11 UTC, as the AISHub sample of three minutes; and two weeks
RAW = VoyagePlan(
    start_s=1_741_564_800 + 11 * 3600,
    days=0.06,
    background=650,
    transfers=20,
    look_alikes=50,
    trade=30,
    moored=600,
    slot_s=2.0,
)
WEEKS = VoyagePlan(days=14.0, background=150, transfers=20, look_alikes=40, trade=15, moored=60)
SEED = 3
OF_A_SHIP = 15  # reports of one number that are taken at most
ORGANISED = 1 << 6  # flags below it are of sets of class B that organise themselves
FIELDS = (
    "status",
    "turn",
    "speed",
    "accuracy",
    "course",
    "heading",
    "second",
    "maneuver",
    "raim",
    "sync",
    "time_out",
)
FIELDS_B = ("speed", "accuracy", "course", "heading", "second", "flags", "sync", "time_out")
GAP_S = 7200.0

# ----------------------------------------------------------------- Reports of positions as they went over the air


def reports(lines: Iterable[str]) -> pd.DataFrame:
    """The fields of messages 1, 2, 3 and 18 in sentences of one line, at most OF_A_SHIP of a number.

    The communication state is split: sync and time-out (or what stands in their bits in message 3), and the rest,
    `slot`; that is -1 where it is the hour and minute, which tell when a recording was made and nothing else.
    """
    bodies = [line[line.index("!AIVDM,1,1,") :].split(",") for line in lines if "!AIVDM,1,1," in line]
    payloads = [body[5].encode() for body in bodies if len(body) > 5 and len(body[5]) == 28]
    codes = np.array(payloads, "S28").view(np.uint8).reshape(len(payloads), 28).astype(int) - 48
    six = np.where(codes > 40, codes - 8, codes) & 63
    bits = ((six[:, :, None] >> np.arange(5, -1, -1)) & 1).reshape(len(payloads), -1)
    kind = _number(bits, 0, 6, "u")
    parts = []
    for layout, types in ((encode.POSITION_A, (1, 2, 3)), (encode.POSITION_B, (18,))):
        rows, offset, columns = bits[np.isin(kind, types)], 0, {}
        for field in layout:
            columns[field.name] = _number(rows, offset, field.bits, field.kind)
            offset += field.bits
        parts.append(pd.DataFrame(columns))
    collected = pd.concat(parts, ignore_index=True)
    radio = collected.radio.to_numpy()
    collected["sync"], collected["time_out"], collected["slot"] = radio >> 17, (radio >> 14) & 7, radio & 0x3FFF
    organised = collected.msg_type.isin([1, 2]) | (
        (collected.msg_type == 18) & (collected["flags"] < ORGANISED) & (collected.sync < 4)
    )
    collected.loc[(collected.time_out == 1) & organised, "slot"] = -1
    collected = collected.drop(columns=["radio", "lon", "lat", "repeat", "spare", "reserved", "reserved_2"])
    return collected.sample(frac=1, random_state=1).groupby("mmsi").head(OF_A_SHIP).reset_index(drop=True)


def _number(bits: np.ndarray, start: int, width: int, kind: str) -> np.ndarray:
    value = (bits[:, start : start + width].astype(np.int64) << np.arange(width - 1, -1, -1)).sum(axis=1)
    return np.where(value >= 1 << (width - 1), value - (1 << width), value) if kind == "i" else value


def real_reports(folder: Path) -> pd.DataFrame:
    """Those of the AISHub sample."""
    with gzip.open(folder / AISHUB, "rt", errors="replace") as lines:
        return reports(lines)


def simulated_reports() -> pd.DataFrame:
    """Those of the simulated hour."""
    return reports(line.decode() for line in feed.lines(simulate(RAW, SEED)))


def parted(real: pd.DataFrame, simulated: pd.DataFrame, n: int = 4000, only: list[str] | None = None) -> float:
    """AUC with which trees tell a simulated report from a real one, ships of two halves apart; all fields or `only`."""
    n = min(n, len(real), len(simulated))
    both = pd.concat([real.sample(n, random_state=2), simulated.sample(n, random_state=2)])
    is_simulated, ship = np.repeat([0, 1], n), both.mmsi.to_numpy()
    fields = both[only or [name for name in both if name != "mmsi"]].dropna(axis=1, how="all").fillna(-1)
    score = np.zeros(2 * n)
    for one, other in GroupKFold(2).split(fields, is_simulated, ship):
        trees = HistGradientBoostingClassifier(max_iter=50, max_leaf_nodes=15, random_state=0)
        with threadpool_limits(1):  # on a busy machine two threads wait for each other, for minutes
            trees.fit(fields.iloc[one], is_simulated[one])
        score[other] = trees.predict_proba(fields.iloc[other])[:, 1]
    return float(roc_auc_score(is_simulated, score))


def by_class(real: pd.DataFrame, simulated: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Real and simulated reports of both classes, of each, and of class B with the numbers that nothing was set by."""

    def both(keep: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
        return real[keep(real)], simulated[keep(simulated)]

    b = both(lambda collected: collected.msg_type == 18)
    return {
        "both classes": (real, simulated),
        "class A": both(lambda collected: collected.msg_type != 18),
        "class B": b,
        "class B, numbers not used to set it": (b[0][b[0].mmsi // 10 % 2 == 1], b[1]),
    }


def giveaways(real: pd.DataFrame, simulated: pd.DataFrame) -> str:
    """The AUC by all fields, by each alone and without each, the strongest alone first, in Markdown."""
    parts = by_class(real, simulated)
    lines = ["| reports | real ones | AUC |", "|---|---|---|"]
    lines += [f"| {name} | {len(pair[0]):,} | {parted(*pair):.2f} |" for name, pair in parts.items()]
    for name, fields in (("class A", (*FIELDS, "msg_type", "slot")), ("class B", (*FIELDS_B, "slot"))):
        alone = {field: parted(*parts[name], 2000, [field]) for field in fields}
        lines += ["", f"| field of {name} | alone | all but it |", "|---|---|---|"]
        for field, auc in sorted(alone.items(), key=lambda row: -row[1]):
            others = parted(*parts[name], only=[each for each in fields if each != field])
            lines.append(f"| `{field}` | {auc:.2f} | {others:.2f} |")
    return "\n".join(lines)


# ----------------------------------------------------------------------------------- Distributions of recordings


def recordings(folder: Path) -> dict[str, pd.DataFrame]:
    """Real positions: mmsi, time_s, speed_kn; and of NOAA and the Baltic class_b, draught_m."""
    noaa = pd.read_csv(folder / "decoded/noaa_2022-01-03_99999.csv.gz")
    baltic = pd.read_csv(folder / "decoded/baltic_2018-04-01_renumbered.csv.gz", sep=";")
    gulf = pd.read_csv(folder / "decoded/gulf_mexico_2023-08-01_to_12.csv.gz")
    brest = pd.read_csv(folder / "decoded/brest_2015-10_renumbered.csv.gz")
    return {
        "NOAA": _table(noaa.MMSI, _epoch(noaa.BaseDateTime), noaa.SOG, noaa.TransceiverClass == "B", noaa.Draft),
        "Baltic": _table(baltic.mmsi, baltic.timestamp / 1000, baltic.sog, baltic.targetType == "B", baltic.draught),
        "Gulf": _table(gulf.mmsi, _epoch(gulf.timestamp), gulf.sog),
        "Brest": _table(brest.sourcemmsi, brest.t, np.nan),
    }


def _epoch(text: Any) -> Any:
    return pd.to_datetime(text).astype("datetime64[s]").astype("int64")


def _table(mmsi: Any, time_s: Any, speed_kn: Any, class_b: Any = None, draught_m: Any = None) -> pd.DataFrame:
    columns = {"mmsi": mmsi, "time_s": time_s, "speed_kn": speed_kn, "class_b": class_b, "draught_m": draught_m}
    return pd.DataFrame(columns).sort_values(["mmsi", "time_s"], ignore_index=True)


def simulated_weeks() -> tuple[pd.DataFrame, dict[str, float]]:
    """The same of the simulated weeks, and what their static reports leave out."""
    sea = simulate(WEEKS, SEED)
    fixes, collected = sea.fixes.to_pandas(), sea.static_reports.to_pandas()
    time_s = fixes.time.dt.tz_convert(None).astype("datetime64[s]").astype("int64")
    of_a = collected[collected.msg_type == 5].groupby("mmsi").last()
    deepest = collected.groupby("mmsi").draught_m.max()
    table = _table(fixes.mmsi, time_s, fixes.sog_kn, fixes.msg_type == 18, fixes.mmsi.map(deepest))
    return table, {"none": of_a.destination.isna().mean(), "draught": of_a.draught_m.isna().mean()}


def figures(name: str, of: pd.DataFrame) -> dict[str, str]:
    """The figures of one recording."""
    step_s = of.groupby("mmsi").time_s.diff()
    days = of.assign(day=of.time_s // 86_400).drop_duplicates(["mmsi", "day"]).shape[0]
    first = of.groupby("mmsi").first()
    gap_h = step_s[step_s > GAP_S] / 3600
    short = name == "NOAA"  # half an hour
    return {
        "ships": f"{len(first):,}",
        "share of numbers in class B": f"{first.class_b.mean():.2f}" if first.class_b.notna().any() else "",
        "speeds: share under 0.5 kn": f"{(of.speed_kn < 0.5).mean():.2f}" if of.speed_kn.notna().any() else "",
        "speeds over 3 kn: quartiles, kn": _quartiles(of.speed_kn[of.speed_kn > 3], 1),
        "intervals: quartiles, s": "" if short else _quartiles(step_s.dropna(), 0),
        "reports a vessel-day": "" if short else f"{len(of) / days:.0f}",
        "gaps of 2 h or more a vessel-day": "" if short else f"{len(gap_h) / days:.2f}",
        "their lengths: quartiles, h": "" if short else _quartiles(gap_h, 1),
        "ships of class A that tell a draught": _with_draught(first),
    }


def _with_draught(first: pd.DataFrame) -> str:
    a = first[first.class_b == False]  # noqa: E712 (null is neither)
    return f"{(a.draught_m > 0).mean():.2f}" if len(a) else ""


def _quartiles(values: Any, digits: int) -> str:
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    return " / ".join(f"{q:,.{digits}f}" for q in np.quantile(values, [0.25, 0.5, 0.75])) if len(values) > 3 else ""


def draw(tables: dict[str, pd.DataFrame], real: pd.DataFrame, simulated: pd.DataFrame, path: Path) -> None:
    """Speeds, intervals, gaps and rates of turn as cumulative curves."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(10, 7), layout="constrained")
    for name, of in tables.items():
        step_s = of.groupby("mmsi").time_s.diff().dropna()
        style = {"label": name, "lw": 2.2 if name == "simulated" else 1.1}
        for axis, values in zip(
            axes.flat, (of.speed_kn, step_s[step_s > 0], step_s[step_s > GAP_S] / 3600), strict=False
        ):
            values = np.sort(values.dropna().to_numpy())
            if len(values) > 20 and not (name == "NOAA" and axis is not axes[0, 0]):
                axis.plot(values, np.linspace(0, 1, len(values)), **style)
    axes[0, 0].set(xlabel="speed, kn", xlim=(0, 25), title="speeds")
    axes[0, 1].set(xlabel="seconds to the next report", xscale="log", xlim=(10, 1e6), title="intervals as delivered")
    axes[1, 0].set(xlabel="hours", xscale="log", title="gaps of 2 h or more")
    for name, of in (("AISHub", real), ("simulated", simulated)):
        values = np.sort(of[of.msg_type != 18].time_out.to_numpy()) + 0.0
        axes[1, 1].plot(values, np.linspace(0, 1, len(values)), label=name)
    axes[1, 1].set(xlabel="time-out in the communication state", title="radio states, class A")
    for axis in axes.flat:
        axis.legend(fontsize=8)
        axis.set_ylabel("share at most so much")
    figure.savefig(path, dpi=80)


def main() -> None:
    """Prints the tables of the page and draws its picture."""
    parser = argparse.ArgumentParser(description="Simulated beside real recordings.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    real, simulated = real_reports(folder), simulated_reports()
    print(giveaways(real, simulated))
    weeks, missing = simulated_weeks()
    tables = recordings(folder) | {"simulated": weeks}
    collected = {name: figures(name, of) for name, of in tables.items()}
    print("\n|  | " + " | ".join(collected) + " |\n|---" * 1 + "|---" * len(collected) + "|")
    for figure in collected["NOAA"]:
        print(f"| {figure} | " + " | ".join(collected[name][figure] for name in collected) + " |")
    print({name: round(float(share), 3) for name, share in missing.items()})
    draw(tables, real, simulated, DOCS / "simulated_and_real.png")


if __name__ == "__main__":
    main()
