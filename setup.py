"""Maps the four top-level folders into the one name stswatch; the rest is in pyproject.toml.

Found, not listed: a list would leave a new folder out of the wheel without a word.
"""

from setuptools import find_packages, setup

ROOMS = ("geo", "models", "pipeline", "sample_ais")

setup(
    packages=[f"stswatch.{name}" for room in ROOMS for name in (room, *(f"{room}.{p}" for p in find_packages(room)))],
    package_dir={f"stswatch.{room}": room for room in ROOMS},
    package_data={f"stswatch.{room}": ["**/*"] for room in ROOMS},
    exclude_package_data={"": ["*.pyc"]},
    include_package_data=False,  # it warns of every folder of data that it is not a package
)
