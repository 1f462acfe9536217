"""Makes geo/data/zones.geojson from the drawings in geo/data/zones.source.geojson.

    python -m stswatch.geo.scripts.build_zones [--check]

A zone is its drawing less the land, and less the harbours and anchorages of every port that is neither the DPRK's nor
marked as part of its trade; of a port without polygons, less the circle in which a place counts as in port. Harbours of
the trade stay in whole, quays and all, since neither coast nor drawing is known to the metre. Run by `make zones`.
`--check` builds it again and compares: the exit status is 1 where the file differs, and how it differs is said.
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import shapely

from stswatch.geo.coast.land import coast
from stswatch.geo.coordinates.sphere import destination
from stswatch.geo.reference.harbours import NEAR_KM, harbours
from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import GeoFeature, area_km2, shipped

DRAWN, MADE = "zones.source.geojson", "zones.geojson"
SIMPLE_DEG = 0.0015  # some 150 m, and
COAST_GRID_DEG = 1e-3  # rounded by some 50 m: as coarse as the coast is true
ISLET_KM2 = 2.0  # a smaller island stays in the zone: no ship is there to be misplaced
PUDDLE_KM2 = 2.0  # a smaller piece of water that hangs together with nothing else is no sea
GRID_DEG = 1e-4
CIRCLE = 48  # sides of the circle round a port without polygons
SAME_DEG2 = 1e-6  # 0.01 km2: another version of GEOS may round otherwise


def build() -> list[GeoFeature]:
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
    held = {feature.properties["id"]: feature for feature in shipped(MADE)}
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


def main() -> int:
    """Build, then write or compare; gives the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    built = build()
    if not parser.parse_args().check:
        (files("stswatch.geo") / "data" / MADE).write_text(text(built), encoding="utf-8")  # type: ignore[attr-defined]
        return 0
    found = differences(built)
    print("\n".join(found) or f"{MADE} is what its drawings make", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
