"""Owns: what geo offers to callers shows in an example how it is called; all examples are run by test_doctests."""

import importlib
import inspect

import pytest

OFFERED = {  # module -> how many public functions it has at least
    "cells": 8, "grid": 2, "inland": 1, "longitude": 5, "mmsi": 4, "plane": 6, "polygons": 1, "ports": 3,
    "sea": 2, "reach": 1, "gnomonic": 2, "sphere": 5, "sun": 2, "water": 3, "zones": 3,
}  # fmt: skip


@pytest.mark.parametrize(("name", "least"), OFFERED.items())
def test_every_public_function_has_an_example(name, least):
    module = importlib.import_module(f"stswatch.geo.{name}")
    public = {key: inspect.unwrap(thing) for key, thing in vars(module).items() if callable(thing) and key[0] != "_"}
    functions = {k: f for k, f in public.items() if inspect.isfunction(f) and f.__module__ == module.__name__}
    assert len(functions) >= least
    assert [key for key, f in functions.items() if ">>>" not in (f.__doc__ or "")] == []
