"""Owns: `stswatch areas` lists every zone and port of interest with its source, a user's among them, and draws them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import shapely

from stswatch.geo.reference.ports import ports
from stswatch.geo.reference.zones import zones
from stswatch.pipeline import api, cli

OWN: dict[str, Any] = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {
                "id": "belt",
                "labels": ["Fehmarn Belt"],
                "kind": "context",
                "mark": "E",
                "source": "a chart",
            },
            "geometry": shapely.geometry.mapping(shapely.box(11.0, 54.4, 11.5, 54.7)),
        },
        {
            "type": "Feature",
            "properties": None,
            "geometry": shapely.geometry.mapping(shapely.box(12.0, 54.4, 12.5, 54.7)),
        },
    ],
}


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "mine.geojson"
    path.write_text(json.dumps(OWN))
    return path


def test_the_rows_are_the_zones_with_their_size_and_the_ports_of_interest(own):
    zone_rows, port_rows = api.areas()
    assert [row["id"] for row in zone_rows] == list(zones().ids)
    assert {row["id"] for row in port_rows} == set(ports().id[ports().drawn])
    assert all(row["harbours"] >= 1 for row in port_rows)
    trade = [row["trade"] for row in port_rows]
    assert trade == sorted(trade, reverse=True)
    with_own = api.areas(own)[0]
    assert [row["id"] for row in with_own] == ["belt", "mine-2", *zones().ids]
    assert with_own[0]["km2"] == pytest.approx(32.3 * 33.4, rel=0.02)
    assert with_own[2:] == zone_rows
    assert api.areas("world")[0] == zone_rows


def test_the_command_lists_each_with_where_it_is_known_from(capsys, own):
    assert cli.main(["areas", "--area", str(own)]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    listed, harbours = out.split("\n\n")[:2]
    for row in (*zones().properties, *OWN["features"][:1]):
        collected = row.get("properties", row)
        (line,) = (line for line in listed.splitlines() if line.startswith(f"{collected['id']} "))
        assert collected["kind"] in line
        assert all(label in line for label in collected["labels"])
        assert " ".join(collected["source"].split()) in " ".join(listed.split())
    for name in ports().id[ports().drawn]:
        assert len([line for line in harbours.splitlines() if line.startswith(f"{name} ")]) == 1
    assert "accuses nobody" in out
    assert max(len(line) for line in out.splitlines() if line.startswith("    ")) <= 120


def test_the_command_draws_them(capsys, tmp_path, own):
    for name, begins in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
        assert cli.main(["areas", "--area", str(own), "--picture", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_bytes().startswith(begins)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--area", "mars"], "mars: cannot be read"),
        (["--picture", "areas.gif"], "areas.gif"),
        (["--picture", "no/such/areas.png", "--area", "own"], "areas.png: cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(words, says, capsys, own):
    words = [str(own) if word == "own" else word for word in words]
    assert cli.main(["areas", *words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert len(err.splitlines()) == 1
