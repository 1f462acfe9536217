"""Draws zones and ports of interest over the coast: the picture of `stswatch areas --picture` and of docs/zones.md."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from stswatch.geo.coordinates.sphere import near_lon
from stswatch.geo.reference.harbours import harbours
from stswatch.geo.reference.ports import HARBOUR, ports
from stswatch.geo.reference.zones import REPORTED, Area, Zones, zones
from stswatch.pipeline.batch import Floats, Ints
from stswatch.pipeline.pictures import style
from stswatch.pipeline.pictures.ground import EDGE_DEG, grid, land, polygons
from stswatch.pipeline.pictures.image_file import encode
from stswatch.pipeline.pictures.projection import Box, Sheet, around
from stswatch.pipeline.pictures.style import Panel, fit, panel

DATA = ("zones.geojson", "harbours.geojson", "ports.csv", "searoute_corrections.csv")
SIZE_IN, DPI = (13.0, 11.6), 110


class Map(NamedTuple):
    """A map in the picture: its plane, its box there; left, bottom, width, height in shares of the page; its title."""

    sheet: Sheet
    box: Box
    place: tuple[float, float, float, float]
    title: str

    @property
    def area(self) -> Any:
        """Its box as a polygon in degrees."""
        edge = shapely.segmentize(shapely.box(*self.box), self.box.height / 20)
        return shapely.transform(edge, lambda points: np.column_stack(self.sheet.lon_lat(*points.T)))


def _about(lon: float, lat: float, height_km: float, place: tuple[float, float, float, float], title: str = "") -> Map:
    half_m = height_km * 500
    wide_m = half_m * _ratio(place)
    return Map(Sheet(lon, lat), Box(-wide_m, -half_m, wide_m, half_m), place, title)


def _ratio(place: tuple[float, float, float, float]) -> float:
    return place[2] * SIZE_IN[0] / (place[3] * SIZE_IN[1])


WHOLE = _about(124.3, 33.4, 3400, (0.045, 0.055, 0.945, 0.90))
INSETS = (
    _about(124.95, 38.73, 306, (0.665, 0.090, 0.310, 0.368), "A: west coast of the DPRK"),
    _about(131.45, 42.35, 211, (0.085, 0.720, 0.310, 0.207), "B: Chongjin to Nakhodka"),
)
_LEAST_KM, _MOST_KM = 22.0, 24_000.0  # height of a map round a user's zones; more would go round the Earth
_MARGIN = 0.11  # of the map, round a user's zones
_NEAR_KM = 1200  # a map higher than this shows ports as marks alone
_GAPS_PX = tuple(float(gap) for gap in range(6, 130, 8))  # how far out a place for a name is looked for
_LINE_FROM_PX = 9.0  # a name further from its place gets a line
_NAMED_FROM = 0.2  # of a zone, or of the map, has to be seen of a zone that is named
NOTE = (
    "A zone is a place where transfers were reported or are thought likely: it accuses nobody who is there.\n"
    "Its edges are working lines, not boundaries. Clipped to water, cut free of ports outside the DPRK trade."
    " Coast: GSHHG, LGPL-3."
)


def render(suffix: str, area: Area | None = None) -> bytes:
    """The zones of the program and the ports of interest as a .png, .svg or .pdf file; round a user's zones, if given.

    The file carries `fingerprint()`.
    """
    with style.look():
        return encode(draw(area)[0], suffix, fingerprint())


def fingerprint() -> str:
    """SHA-256 of the data that the picture of docs/ is drawn from, which it carries as its `Source`.

    >>> len(fingerprint())
    64
    """
    folder = files("stswatch.geo") / "data"
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in DATA)).hexdigest()


def draw(area: Area | None = None) -> tuple[Figure, list[str]]:
    """The picture, and the names for which it had no room; to be called within `style.look()`."""
    figure = Figure(figsize=SIZE_IN, dpi=DPI, facecolor="white")
    renderer = FigureCanvasAgg(figure).get_renderer()
    own = area.zones if area is not None and area.zones.ids else None
    insets = () if own else INSETS
    left_out = []
    for shown in (_around(own) if own else WHOLE, *insets):
        inner = () if shown in insets else insets
        p = panel(_axes(figure, shown, on_top=shown in insets), shown.sheet, shown.box, [], renderer)
        land(p)
        grid(p)
        for table in (zones(), own):
            _zones(p, table)
        _ports(p)
        for inset in inner:
            _frame(p, inset)
        left_out += _names(p, own, inner)
    title = f"Zones of stswatch{f' and those of {area.name}' if own and area else ''}"
    fit(figure.text(0.045, 0.97, title, fontsize=15), 0.53, renderer)
    figure.text(0.045, 0.012, NOTE, fontsize=9, linespacing=1.4)
    _legend(figure, own is not None)
    return figure, left_out


def _around(own: Zones) -> Map:
    """The map round a user's zones, with a margin; about the meridian from which they are the narrowest."""
    bounds = shapely.bounds(shapely.get_parts(own.geometry))
    middle = (bounds[:, 0] + bounds[:, 2]) / 2
    turns = [near_lon(middle, about) - middle for about in (0.0, 180.0)]
    west, east = min(
        ((float((bounds[:, 0] + t).min()), float((bounds[:, 2] + t).max())) for t in turns),
        key=lambda we: we[1] - we[0],
    )
    sheet = Sheet((west + east) / 2, float(bounds[:, 1].min() + bounds[:, 3].max()) / 2)
    corners = shapely.get_coordinates(sheet.shape(shapely.segmentize(own.geometry, EDGE_DEG)))
    x, y = corners.T
    box = around(x, y, _ratio(WHOLE.place), _LEAST_KM * 1000, _MARGIN)
    if box.height > _MOST_KM * 1000:
        return _about(sheet.lon, sheet.lat, _MOST_KM, WHOLE.place)
    return Map(sheet, box, WHOLE.place, "")


def _axes(figure: Figure, shown: Map, on_top: bool) -> Any:
    """The axes of a map; one on top of another has its own ground, tick labels and all."""
    left, bottom, width, height = shown.place
    if on_top:
        under = (left - 0.036, bottom - 0.025, width + 0.046, height + 0.05)
        figure.add_axes(under, zorder=2, xticks=[], yticks=[])
    axes = figure.add_axes(shown.place, zorder=3 if on_top else 1)
    axes.set_title(shown.title, fontsize=9, pad=4, loc="left")
    return axes


def _colour(table: Zones, properties: dict[str, Any]) -> str:
    if table is not zones():
        return style.OWN_ZONE
    return style.REPORTED_ZONE if properties["kind"] == REPORTED else style.CONTEXT_ZONE


def _zones(p: Panel, table: Zones | None) -> None:
    """Large ones first, so that small ones lie on top."""
    for properties, shape in reversed(list(zip(table.properties, table.geometry, strict=True)) if table else []):
        patch = polygons(p.sheet.shape(shapely.segmentize(shape, EDGE_DEG)))
        if patch is not None:
            colour, reported = to_rgb(_colour(table or zones(), properties)), properties["kind"] == REPORTED
            patch.set(facecolor=(*colour, 0.18 if reported else 0.08), edgecolor=(*colour, 0.95), linewidth=0.9)
            patch.set(linestyle="-" if reported else (0, (4, 3)), zorder=3, gid=f"zone-{properties['id']}")
            p.axes.add_artist(patch)


def _seen(p: Panel) -> tuple[Ints, Floats]:
    """The ports of interest in a map, those of the trade first: index into `ports()`, and where, (n, 2), metres."""
    table = ports()
    which = np.flatnonzero(table.drawn)
    which = which[np.argsort(~table.trade[which], kind="stable")]
    points = np.column_stack(p.sheet.xy(table.lon[which], table.lat[which]))
    here = p.box.holds(*points.T)
    return which[here], points[here]


def _ports(p: Panel) -> None:
    table, areas, (seen, points) = ports(), harbours(), _seen(p)
    if p.box.height < _NEAR_KM * 1000:
        for row in np.flatnonzero(np.isin(areas.port, seen)):
            patch = polygons(p.sheet.shape(areas.geometry[row]))
            if patch is not None:
                edge = style.TRADE_PORT if table.trade[areas.port[row]] else style.INK
                patch.set(facecolor="none", edgecolor=edge, linewidth=0.7, zorder=4)
                patch.set(linestyle="-" if areas.part[row] == HARBOUR else (0, (1, 1)))
                p.axes.add_artist(patch)
    for trade, mark, size, colour in ((False, "o", 3.6, style.INK), (True, "s", 4.2, style.TRADE_PORT)):
        x, y = points[table.trade[seen] == trade].T
        p.axes.plot(x, y, mark, ms=size, color=colour, mec="white", mew=0.4, zorder=5)
    across, up = p.px(*points.T)
    for x, y in zip(across.tolist(), up.tolist(), strict=True):
        p.labels.take((x - 4, y - 4, x + 4, y + 4))


def _frame(p: Panel, inset: Map) -> None:
    """Where an inset is shown on the map, and that no name may go where it lies over the map."""
    corners = shapely.get_coordinates(p.sheet.shape(inset.area))
    p.axes.plot(*corners.T, color=style.INK, linewidth=0.7, zorder=4)
    x, y = p.sheet.xy(*inset.sheet.lon_lat([inset.box.west], [inset.box.north]))
    p.axes.text(float(x[0]), float(y[0]), f" {inset.title[:1]}", fontsize=9, va="top", weight="bold", zorder=6)
    width, height = SIZE_IN[0] * DPI, SIZE_IN[1] * DPI
    left, bottom = (inset.place[0] - WHOLE.place[0]) * width - 50, (inset.place[1] - WHOLE.place[1]) * height - 50
    p.labels.take((left, bottom, left + inset.place[2] * width + 100, bottom + inset.place[3] * height + 100))


def _names(p: Panel, own: Zones | None, insets: tuple[Map, ...]) -> list[str]:
    """Names of zones, the user's first, then of ports; what an inset shows is named there. Gives those left out."""
    frame, left_out = shapely.box(*p.box), []
    elsewhere = shapely.union_all([inset.area for inset in insets])
    for table in (own, zones()):
        for properties, shape in zip(table.properties, table.geometry, strict=True) if table else ():
            drawn = shapely.union_all(shapely.make_valid(p.sheet.shape(shape)))
            seen = shapely.intersection(drawn, frame)
            if seen.area > _NAMED_FROM * min(drawn.area, frame.area) and not elsewhere.covers(shape):
                at = shapely.point_on_surface(seen)
                how = {"fontsize": 9, "weight": "bold", "color": _colour(table or zones(), properties)}
                if not p.say_if_clear(at.x, at.y, properties["id"], (0.0, *_GAPS_PX), _LINE_FROM_PX, **how):
                    left_out.append(properties["id"])
    ports_table, (seen_ports, points) = ports(), _seen(p)
    for i, (x, y) in zip(seen_ports, points.tolist(), strict=True):
        if not elsewhere.intersects(shapely.Point(ports_table.lon[i], ports_table.lat[i])):
            how = {"fontsize": 7, "color": style.TRADE_PORT if ports_table.trade[i] else style.INK}
            if not p.say_if_clear(x, y, str(ports_table.name[i]), _GAPS_PX, _LINE_FROM_PX, **how):
                left_out.append(str(ports_table.name[i]))
    return left_out


def _legend(figure: Figure, own: bool) -> None:
    def patch(colour: str, label: str, **how: Any) -> Patch:
        return Patch(facecolor=(*to_rgb(colour), 0.13), edgecolor=colour, label=label, **how)

    def mark(colour: str, label: str, marker: str) -> Line2D:
        return Line2D([], [], marker=marker, color=colour, linestyle="", markersize=4, label=label)

    rows: list[Any] = [patch(style.OWN_ZONE, "your file")] if own else []
    rows += [patch(style.REPORTED_ZONE, "reported transfer area")]
    rows += [patch(style.CONTEXT_ZONE, "context, not scored", linestyle="--")]
    rows += [mark(style.TRADE_PORT, "port of the DPRK trade", "s"), mark(style.INK, "other port with polygons", "o")]
    figure.legend(handles=rows, loc="upper right", bbox_to_anchor=(0.985, 0.998), ncols=3, fontsize=8.5, frameon=False)
