"""Makes the tables of places in geo/data: zones out of their drawings, ports of the world out of the World Port Index.

    python -m stswatch.geo.scripts.build_places zones [--check]
    python -m stswatch.geo.scripts.build_places ports INDEX [--check]

A zone is its drawing less the land, and less the harbours and anchorages of every port that is neither the DPRK's nor
marked as part of its trade; of a port without polygons, less the circle in which a place counts as in port. Harbours of
the trade stay in whole, quays and all, since neither coast nor drawing is known to the metre. Run by `make zones`.

INDEX: the Index as CSV, gzipped or not, with its columns INDEX_NO, PORT_NAME, COUNTRY, LATITUDE, LONGITUDE. Kept is
what lies beside no port of `ports()`, to four decimals: the Index is true to a minute.
Source: World Port Index, publication 150, US National Geospatial-Intelligence Agency, public domain.

`--check` builds it again and compares: the exit status is 1 where the file differs, and how it differs is said.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import sys
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from stswatch.geo.coast.land import coast
from stswatch.geo.coordinates.sphere import destination, haversine_m
from stswatch.geo.reference.harbours import NEAR_KM, harbours
from stswatch.geo.reference.ports import SAME_PORT_KM, SAME_TRADE_PORT_KM, ports
from stswatch.geo.reference.zones import GeoFeature, area_km2, shipped

# ----------------------------------------------------------------------------------------------------------- zones

DRAWN, ZONES = "zones.source.geojson", "zones.geojson"
SIMPLE_DEG = 0.0015  # some 150 m, and
COAST_GRID_DEG = 1e-3  # rounded by some 50 m: as coarse as the coast is true
ISLET_KM2 = 2.0  # a smaller island stays in the zone: no ship is there to be misplaced
PUDDLE_KM2 = 2.0  # a smaller piece of water that hangs together with nothing else is no sea
GRID_DEG = 1e-4
CIRCLE = 48  # sides of the circle round a port without polygons
SAME_DEG2 = 1e-6  # 0.01 km2: another version of GEOS may round otherwise


def build_zones() -> list[GeoFeature]:
    """The zones, in the order of the drawings."""
    return [feature._replace(shape=_cut(feature.shape)) for feature in shipped(DRAWN)]


def text(features: list[GeoFeature]) -> str:
    """Zones as GeoJSON, a line each."""
    lines = []
    for feature in features:
        geometry = shapely.geometry.mapping(shapely.normalize(feature.shape))
        row = {"type": "Feature", "properties": feature.properties, "geometry": geometry}
        lines.append("  " + json.dumps(row, ensure_ascii=False, separators=(",", ":")))
    return '{"type": "FeatureCollection", "features": [\n' + ",\n".join(lines) + "\n]}\n"


def differences(built: list[GeoFeature]) -> list[str]:
    """How the file in geo/data differs from these zones; empty where it does not."""
    held = {feature.properties["id"]: feature for feature in shipped(ZONES)}
    found = [f"{name} is not drawn" for name in held.keys() - {feature.properties["id"] for feature in built}]
    for feature in built:
        name = feature.properties["id"]
        if name not in held:
            found.append(f"{name} is missing")
        elif held[name].properties != feature.properties:
            found.append(f"{name} says something else than its drawing")
        elif shapely.area(shapely.symmetric_difference(held[name].shape, feature.shape)) > SAME_DEG2:
            found.append(f"{name} has another shape")
    return sorted(found)


def _cut(drawing: Any) -> Any:
    """The drawing clipped to water, cut free of lawful ports, rounded; pieces too small are left out."""
    lawful, trade = _ports()
    sea = shapely.difference(drawing, _land(drawing.bounds))
    sea = shapely.union(sea, shapely.intersection(drawing, trade))
    rounded = shapely.set_precision(shapely.difference(sea, lawful), GRID_DEG)
    parts = shapely.get_parts(rounded)
    return shapely.multipolygons(parts[[area_km2(part) >= PUDDLE_KM2 for part in parts]])


def _land(bounds: tuple[float, float, float, float]) -> Any:
    west, south, east, north = bounds
    parts = shapely.get_parts(coast(west - 0.1, south - 0.1, east + 0.1, north + 0.1))
    large = parts[[area_km2(part) >= ISLET_KM2 for part in parts]]
    return shapely.set_precision(shapely.union_all(shapely.simplify(large, SIMPLE_DEG)), COAST_GRID_DEG)


@cache
def _ports() -> tuple[Any, Any]:
    """Where a place is in a port that is no part of the trade, and where in one that is."""
    table, polygons = ports(), harbours()
    trade = table.trade[polygons.port]
    west, south, east, north = shapely.total_bounds([feature.shape for feature in shipped(DRAWN)])
    near = np.abs(table.lon - (west + east) / 2) < (east - west) / 2 + 1
    near &= np.abs(table.lat - (south + north) / 2) < (north - south) / 2 + 1
    alone = np.flatnonzero(near & ~table.drawn)
    bearing = np.linspace(0, 360, CIRCLE, endpoint=False)
    lon, lat = destination(table.lon[alone, None], table.lat[alone, None], bearing, 1000 * NEAR_KM)
    circles = shapely.polygons(np.stack([lon, lat], axis=2))
    inside = shapely.union_all(polygons.geometry[trade])
    lawful = shapely.union_all(np.concatenate([polygons.geometry[~trade], circles]))
    return shapely.difference(lawful, inside), inside


# ------------------------------------------------------------------------------------------- ports of the world

LEFT_OUT = {"60125": "Lanshan: the Index prints latitude 30.10, 550 km inland; geo/data/ports.csv has it right"}
# Source: estimates of this project, to about 1 km; harbours that the Index of this edition does not have.
ADDED = (
    ("X-GIBRALTAR", "Gibraltar", "GI", -5.36, 36.145),
    ("X-PORT-SUEZ", "Port Suez", "EG", 32.56, 29.94),
    ("X-PUERTO-BANUS", "Puerto Banus", "ES", -4.953, 36.485),
    ("X-TANGER-MED", "Tanger Med", "MA", -5.5, 35.885),
)
PORTS = "world_ports.csv"


def build_ports(index: Path) -> str:
    """The rows of the Index as CSV: id, name, country, lon, lat."""
    opened = gzip.open if index.suffix == ".gz" else open
    with opened(index, "rt", encoding="utf-8-sig") as file:
        found = [_row(row) for row in csv.DictReader(file) if row["INDEX_NO"] not in LEFT_OUT]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "name", "country", "lon", "lat"))
    for key, name, country, lon, lat in (*sorted(found, key=lambda row: int(row[0][3:])), *ADDED):
        if not _beside(lon, lat):
            writer.writerow((key, name, country, f"{lon:.4f}", f"{lat:.4f}"))
    return out.getvalue()


def _row(row: dict[str, str]) -> tuple[str, str, str, float, float]:
    name, country = row["PORT_NAME"].strip().title(), row["COUNTRY"].strip()
    return f"WPI{row['INDEX_NO']}", name, country, float(row["LONGITUDE"]), float(row["LATITUDE"])


def _beside(lon: float, lat: float) -> bool:
    """Whether a port known already lies so near that it is the same."""
    known = ports()
    reach_m = np.where(known.trade, SAME_TRADE_PORT_KM, SAME_PORT_KM) * 1000
    return bool((haversine_m(lon, lat, known.lon, known.lat) <= reach_m).any())


# --------------------------------------------------------------------------------------------------- the command


def main() -> int:
    """Build, then write or compare; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    of = parser.add_subparsers(dest="table", required=True)
    of.add_parser("zones")
    of.add_parser("ports").add_argument("index", type=Path)
    for each in of.choices.values():
        each.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    asked = parser.parse_args()
    name = ZONES if asked.table == "zones" else PORTS
    path = Path(str(files("stswatch.geo") / "data" / name))
    if asked.table == "zones":
        built = build_zones()
        made, found = text(built), differences(built)
    else:
        made = build_ports(asked.index)
        found = [] if path.read_text(encoding="utf-8") == made else [f"{name} differs"]
    if not asked.check:
        path.write_text(made, encoding="utf-8")
        return 0
    print("\n".join(found) or f"{name} is what it is made of", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
