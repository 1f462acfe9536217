"""Owns: every public function of geo shows in an example how it is called; all examples are run by test_doctests."""

import importlib
import inspect
import pkgutil

import pytest

import stswatch.geo

# what only makes files of data again is called from the command line
MODULES = [
    module.name
    for module in pkgutil.walk_packages(stswatch.geo.__path__, "stswatch.geo.")
    if not module.ispkg and ".scripts." not in module.name
]


def functions(name):
    """The public functions of a module by name."""
    module = importlib.import_module(name)
    public = {key: inspect.unwrap(thing) for key, thing in vars(module).items() if callable(thing) and key[0] != "_"}
    return {k: f for k, f in public.items() if inspect.isfunction(f) and f.__module__ == module.__name__}


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_an_example(name):
    assert [key for key, f in functions(name).items() if ">>>" not in (f.__doc__ or "")] == []


def test_there_are_modules_with_functions():
    assert len(MODULES) >= 11
    assert sum(len(functions(name)) for name in MODULES) >= 80
