"""Owns: the examples in the docstrings say what the code does.

Not by pytest's --doctest-modules: it would import the rooms under their bare names, as second copies.
"""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

ROOMS = ("stswatch.geo", "stswatch.models", "stswatch.pipeline", "stswatch.sample_ais")


@pytest.mark.parametrize(("room", "least"), list(zip(ROOMS, (15, 2, 25, 7), strict=True)))
def test_the_examples_of_a_room(room: str, least: int):
    package = importlib.import_module(room)
    tried = 0
    for module in pkgutil.walk_packages(package.__path__, f"{room}."):
        result = doctest.testmod(importlib.import_module(module.name))
        assert result.failed == 0, f"{module.name}: {result.failed} of its examples failed, see above"
        tried += result.attempted
    assert tried >= least
