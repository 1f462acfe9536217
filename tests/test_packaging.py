"""Owns: what is installed is what is in the tree, under the one name, at the versions written down."""

from __future__ import annotations

import importlib.resources
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("geo", "models", "pipeline", "sample_ais")
NAME = "stswatch"  # the folder into which they are linked


def tree(*folders: str) -> list[str]:
    """The project's files below some folders, those ignored not; without git all but what Python leaves behind."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        found = (
            path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file() or path.is_symlink()
        )
        return sorted(str(path.relative_to(ROOT)) for path in found if path.suffix != ".pyc")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *folders]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return sorted({name for name in done.stdout.split("\0") if name and (ROOT / name).exists()})


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names in a wheel built from a copy: a build in the tree would find what former builds left there."""
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    for name in (*tree(*ROOMS, NAME), "pyproject.toml", "README.md", "LICENSE"):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name, follow_symlinks=False)
    (copy / "geo" / "__pycache__").mkdir()
    (copy / "geo" / "__pycache__" / "stale.pyc").touch()
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(out), str(copy)], check=True)
    (built,) = out.glob("*.whl")
    return zipfile.ZipFile(built).namelist()


def test_the_wheel_holds_the_four_rooms_and_nothing_else(wheel: list[str]):
    collected = [name for name in wheel if ".dist-info/" not in name]
    expected = [f"{NAME}/{name}" for name in tree(*ROOMS)] + [
        f"{NAME}/{name}" for name in ("__init__.py", "errors.py", "py.typed", "regular_files.py")
    ]
    assert sorted(collected) == sorted(expected)
    assert len(expected) >= 80
    assert {name.split("/")[1] for name in collected if name.count("/") > 1} == set(ROOMS)


def test_nothing_but_stswatch_lands_at_the_top(wheel: list[str]):
    assert {re.sub(r"-.*\.dist-info$", ".dist-info", name.split("/")[0]) for name in wheel} == {
        "stswatch",
        "stswatch.dist-info",
    }


@pytest.mark.parametrize(
    ("package", "name", "least_bytes"),
    [
        ("stswatch.geo", "data/zones.geojson", 1_000),
        ("stswatch.models", "rules.json", 500),
        ("stswatch.models", "trained.json", 1_000),
        ("stswatch.sample_ais", "simulated_48h.nmea.gz", 100_000),
        ("stswatch.sample_ais", "simulated_48h.truth.json", 1_000),
    ],
)
def test_data_files_are_found_where_it_is_installed(package: str, name: str, least_bytes: int):
    assert len(importlib.resources.files(package).joinpath(name).read_bytes()) >= least_bytes


def pins() -> dict[str, str]:
    """Name and version of each line of constraints.txt."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> Iterator[str]:
    """All that a distribution needs here, to any depth."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    yield name
    for line in distribution(name).requires or ():
        wanted = Requirement(line)
        if any(wanted.marker is None or wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield from needed(canonicalize_name(wanted.name), frozenset(wanted.extras), seen)


def test_every_version_is_written_down_and_is_the_one_installed():
    pinned = pins()
    everything = set(needed("stswatch", frozenset({"dev"}), set())) - {"stswatch"}
    assert len(everything) >= 50
    assert everything - set(pinned) == set(), "in use, but not in constraints.txt"
    assert set(pinned) - everything == {"pip"}, "in constraints.txt, but needed by nothing"
    assert {name: distribution(name).version for name in everything} == {n: pinned[n] for n in everything}


def test_the_build_backend_is_the_pinned_one():
    assert f'requires = ["setuptools=={pins()["setuptools"]}"]' in (ROOT / "pyproject.toml").read_text()


def test_no_bare_room_is_installed():
    for room in ROOMS:
        with pytest.raises(PackageNotFoundError):
            distribution(room)
    script = f"import importlib.util as u; print([r for r in {ROOMS} if u.find_spec(r)])"
    done = subprocess.run([sys.executable, "-I", "-c", script], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
