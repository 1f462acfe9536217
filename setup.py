"""Maps the four top-level folders into the one name stswatch; the rest is in pyproject.toml."""

from setuptools import find_packages, setup

ROOMS = ("geo", "models", "pipeline", "sample_ais")
inside = [name for room in ROOMS for name in (room, *(f"{room}.{sub}" for sub in find_packages(room)))]

setup(
    packages=[f"stswatch.{name}" for name in inside],
    package_dir={f"stswatch.{room}": room for room in ROOMS},
    package_data={f"stswatch.{name}": ["data/*", "*.json", "*.gz", "*.toml", "*.md"] for name in inside},
)
