"""Owns: the project stays findable: few modules, short files and functions, one public name for one thing."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("geo", "models", "pipeline", "sample_ais", "stswatch")
# Of modules with something in them: a folder's empty __init__.py is none. Rooms for what the program could not do when
# they were redrawn are counted apart (decision 0019), and so are the simulated seas.
MOST_MODULES = {"the program": 180, "evidence": 21, "cluster": 8, "sample_ais": 29}
APART = {  # what of a module's name puts it there; the store and schema of cases are evidence too
    "evidence": (".pipeline.evidence", ".store.case_", ".schema.case_"),
    "cluster": (".pipeline.flow.cluster", ".sources.kafka"),
    "sample_ais": (".sample_ais",),
}
LONGEST_FILE, LONGEST_FUNCTION, MOST_WITH_ONE_IMPORTER = 400, 60, 0.15

# words that only those knew who had written them; DESIGN's glossary has the field's own
# fmt: off
PRIVATE = (
    "frontier", "allowance", "particulars", "vantage", "ear", "vicinity", "openfile", "lying", "lasting", "spoken",
    "octets", "wishes", "yard", "holders", "unusual", "telling", "trying", "berth_neighbours", "berth_pairs",
    "nearest_time", "min_distance_m", "dark_a", "dark_b", "told", "said",
)
# fmt: on
ROOTS = ("stswatch.pipeline.cli", "stswatch.pipeline.api")  # what people call, from outside


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the program by its name, parsed."""
    found = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).glob("**/*.py")):
            if room == "stswatch" and path.parent != ROOT / room:
                continue  # a link to another room
            parts = path.relative_to(ROOT).with_suffix("").parts
            parts = parts[: -1 if parts[-1] == "__init__" else None]
            name = ".".join(parts if room == "stswatch" else ("stswatch", *parts))
            found[name] = ast.parse(path.read_text())
    return found


def importers() -> dict[str, set[str]]:
    """Which modules import each, the scripts that write pages of docs/ among them."""
    found = defaultdict(set)
    scripts = {f"docs.{path.stem}": ast.parse(path.read_text()) for path in (ROOT / "docs").glob("*.py")}
    for name, tree in (modules() | scripts).items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    for wanted in (f"{node.module}.{alias.name}", node.module):
                        if wanted in modules():
                            found[wanted].add(name)
                            break
    return found


def definitions() -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield name, node


def names() -> Iterator[tuple[str, str]]:
    """Names of modules, functions, classes, arguments and fields, each with where it stands."""
    for module in modules():
        yield module, module.rsplit(".", 1)[-1]
    for module, node in definitions():
        yield module, node.name
        if isinstance(node, ast.FunctionDef):
            yield from ((module, arg.arg) for arg in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs))
        else:
            fields = (each for each in node.body if isinstance(each, ast.AnnAssign))
            yield from ((module, each.target.id) for each in fields if isinstance(each.target, ast.Name))


def test_there_are_few_modules():
    count = Counter(
        next((room for room, parts in APART.items() if any(part in name for part in parts)), "the program")
        for name, tree in modules().items()
        if len(tree.body) > 1 or (tree.body and not isinstance(tree.body[0], ast.Expr))
    )
    assert sum(count.values()) > 100
    assert {name: count[name] for name in count if count[name] > MOST_MODULES[name]} == {}


def test_few_modules_have_a_single_importer():
    by = importers()
    single = sorted(name for name in modules() if len(by[name]) == 1 and name not in ROOTS)
    assert len(single) <= MOST_WITH_ONE_IMPORTER * len(modules()), single


def test_files_and_functions_are_short():
    long = [
        (name, node.name, node.end_lineno - node.lineno + 1)
        for name, node in definitions()
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    files = [
        (str(path), lines)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if (lines := len(path.read_text().splitlines())) > LONGEST_FILE
    ]
    assert (long, files) == ([], [])


def test_no_two_public_classes_have_one_name():
    where = defaultdict(list)
    for module, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(module)
    assert {name: found for name, found in where.items() if len(found) > 1} == {}
    assert len(where) > 50


def test_private_words_are_no_names():
    found = defaultdict(set)
    for module, name in names():
        words = re.split(r"_+|(?<=[a-z])(?=[A-Z])", name)
        for word in PRIVATE:
            if word in (each.lower() for each in words) or word == name:
                found[word].add(f"{module}: {name}")
    assert found == {}


def test_private_words_are_no_variables_and_attributes():
    found = defaultdict(set)
    for path in (path for folder in (*ROOMS, "tests", "docs") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = next((getattr(node, kind) for kind in ("id", "arg", "attr") if hasattr(node, kind)), None)
            words = re.split(r"_+", (name or "").lower())
            for word in PRIVATE:
                if word in words or word == name:
                    found[word].add(f"{path.relative_to(ROOT)}: {name}")
    assert found == {}


def test_few_modules_share_a_name():
    count = Counter(name.rsplit(".", 1)[-1] for name in modules())
    assert {name for name, times in count.items() if times > 1} <= {"coast", "reception", "sea"}
