"""What lies in or near the area asked for: where a watch says at once what stands so far. Elsewhere it waits an hour.

A box round each part of the area, so that asking costs little; grown by as far as a slow vessel can have come on one
leg, so that no leg of a meeting inside is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from stswatch.geo.longitude import wrap_lon
from stswatch.geo.zones import Area
from stswatch.pipeline.batch import Bools, Floats
from stswatch.pipeline.rules import VesselRules

_NM_PER_DEG = 60.0


@dataclass(frozen=True)
class Vicinity:
    """Boxes, degrees (n, 4): longitude of the middle, half the width, south, north; None for the whole world."""

    boxes: Floats | None

    def holds(self, lon: Floats, lat: Floats) -> Bools:
        """Whether points (n,), degrees, lie in one of the boxes; never raises.

        >>> from stswatch.geo.zones import area
        >>> near = Vicinity.of(area("dprk"), VesselRules())
        >>> near.holds(np.array([124.8, -90.0]), np.array([38.4, 28.0])).tolist()
        [True, False]
        """
        if self.boxes is None:
            return np.ones(len(lon), bool)
        found = np.zeros(len(lon), bool)
        for middle, half, south, north in self.boxes.tolist():
            found |= (np.abs(wrap_lon(lon - middle)) <= half) & (lat >= south) & (lat <= north)
        return found

    @staticmethod
    def of(area: Area, rules: VesselRules) -> Vicinity:
        """The vicinity of an area: as far round it as a leg of slow_kn goes in the longest gap that is none."""
        if area.geometry is None:
            return Vicinity(None)
        west, south, east, north = shapely.bounds(shapely.get_parts(area.geometry)).T
        margin = rules.slow_kn * max(rules.gap_terrestrial_h, rules.gap_satellite_h) / _NM_PER_DEG + 0.05
        south, north = south - margin, north + margin
        poleward = np.minimum(np.maximum(np.abs(south), np.abs(north)), 89.0)
        half = (east - west) / 2 + margin / np.cos(np.radians(poleward))
        return Vicinity(np.stack([(west + east) / 2, half, south, north], axis=1))
