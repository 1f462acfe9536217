"""What the pages say is so: every Markdown page of the project is done, block by block, as a reader would.

How a page is written so that it can be tried (tests/docs/ does it):

- Each page is tried from top to bottom in a folder of its own. It finds there what a reader has, see
  tests/docs/stand_ins.py: demo-data (of `make demo`), sample_ais/, and as archives of one's own archive/*.csv.gz
  (usual column names), ships.csv (names of its own, times of Seoul, semicolons) and capture.nmea (no times).
- Every fence names its language.
    sh       commands, a line each; all must end well
    console  "$ command" and below it what it prints, errors too; ... stands for anything. A command that fails must
             be shown to say "stswatch: ...". `python -m tests.docs.write PAGE` writes the outputs again.
    python   runs, one name space for the page; with >>> at the beginning it is a doctest
    sql      runs on the folder named last with --data (demo-data at first) and must give a row
    toml     is written to the file that the comment in its first line names: # NAME.toml
    json     is parsed
    text, mermaid  are shown: no commands in them
- `stswatch` and `.venv/bin/stswatch` run in this process. As an argument ID stands for the first lead of the folder.
- What cannot be tried is a line in LEFT_OUT (tests/docs/runner.py), or a fence after a paragraph that begins with
  "Not tried by the tests: " and says why. Both are few.
- Every --option, `make target`, `stswatch command`, `python -m module`, `room/file.py` and `file.py` that a page names
  exists, unless "(to be written)" stands behind it; and every link within the project leads somewhere, anchor and all.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import re
import shutil
from contextlib import chdir, closing
from pathlib import Path

import pandas as pd
import pytest

from stswatch.pipeline import api, cli, rule_files
from stswatch.pipeline.rules import Rules
from tests.docs import stand_ins
from tests.docs.pages import LANGUAGES, NOT_TRIED, ROOT, Page, pages
from tests.docs.runner import LEFT_OUT, Failed, Runner, agrees, commands, dialogues, settle
from tests.recording import TRUTH
from tests.sample_ais.seas import matched

pytestmark = pytest.mark.e2e

PAGES = pages()
every_page = pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
TRIED: dict[str, list[str]] = {}


@pytest.fixture(scope="session")
def reader(tmp_path_factory):
    """The folder of the stand-ins, and what `make demo` printed."""
    home = tmp_path_factory.mktemp("reader")
    return home, stand_ins.make(home)


@every_page
def test_the_page_does_what_it_says(page, reader, tmp_path, monkeypatch):
    monkeypatch.setattr(rule_files, "Rules", Rules)  # one page sets another, for this test alone
    home, demo = reader
    settle(home, tmp_path)
    runner = Runner(page, home, demo)
    with chdir(tmp_path):
        runner.run()
    TRIED[page.name] = runner.done


def test_a_newcomer_comes_to_the_first_lead_of_the_gulf(real, reader, tmp_path):
    """By the README alone, with another archive in the place of one's own: what it says of it leads to the one lead."""
    home, demo = reader
    settle(home, tmp_path)
    shutil.rmtree(tmp_path / "archive")
    (tmp_path / "archive").mkdir()
    shutil.copy(real / "decoded" / "gulf_mexico_2023-08-01_to_12.csv.gz", tmp_path / "archive" / "gulf.csv.gz")
    readme = Runner(Page(ROOT / "README.md"), home, demo)
    printed = {}
    with chdir(tmp_path):
        for command in readme.commands():
            if "--data my-data" in command:
                code, printed[command] = readme.command(command)
                assert code == 0, printed[command]
    assert len(printed) >= 3
    run, leads, explanation = printed.values()
    assert "gulf.csv.gz: 29,332 rows: 29,332 used, 0 rejected; times: column timestamp" in run
    assert "283 vessels, 3 encounters" in run
    assert "1 lead in area world" in run
    claim = "29,332 positions of 283 vessels, it finds three encounters and one lead"
    assert claim in " ".join(readme.page.text.split())
    assert all(mmsi in leads for mmsi in ("241502000", "311000222"))
    assert "from 2023-08-01 08:54" in explanation


def test_the_readme_says_what_the_leads_of_the_demo_were(reader):
    """Counted against the truth of the recording, meeting by meeting."""
    meetings = pd.DataFrame(json.loads(TRUTH.read_text())["meetings"])
    meetings[["start", "end"]] = meetings[["start", "end"]].apply(pd.to_datetime)
    with closing(api.connect(reader[0] / "demo-data")) as db:
        found = db.sql("SELECT id, mmsi_a, mmsi_b, start_time, end_time FROM encounters WHERE status = 'current'").df()
        ids = [row[0] for row in db.sql("SELECT id FROM flagged_encounters ORDER BY score DESC").fetchall()]
    met = matched(meetings, found)
    # of a meeting that a silence cut in two, both parts may be leads: each lead is asked which meeting it was
    seen, true = {"start_time": "start", "end_time": "end"}, {"start": "start_time", "end": "end_time"}
    leads = matched(found.rename(columns=seen), meetings.rename(columns=true)).set_index("id").loc[ids]
    leads = leads.found_kind.value_counts()
    transfers = met[met.kind == "transfer"]
    assert leads.sum() == len(ids)
    assert set(leads.index) == {"transfer", "look_alike"}
    measured = transfers.found_id.notna().sum()
    readme = " ".join((ROOT / "README.md").read_text().split())
    for claim in (
        f"of the {len(ids)}, {leads['transfer']} are transfers and {leads['look_alike']} are lawful.",
        f"Of {len(transfers)} transfers from hull to hull {measured} were measured",
    ):
        assert claim in readme
    assert f"Of the {measured}, {measured - leads['transfer']} are no leads here" in readme


def test_much_was_tried():
    if set(TRIED) != {page.name for page in PAGES}:
        pytest.skip("not all pages were tried")
    done = [command for tried in TRIED.values() for command in tried if not command.startswith("left out")]
    assert len(done) >= 40
    assert {"make demo", "python"} <= set(done)
    left_out = {command for tried in TRIED.values() for command in tried if command.startswith("left out")}
    assert {f"left out: {command}" for command in LEFT_OUT} == left_out, "LEFT_OUT holds what no page says"


@every_page
def test_every_fence_names_its_language(page):
    assert page.text.count("\n```") + page.text.startswith("```") == 2 * len(page.fences), "a fence is not closed"
    for fence in page.fences:
        assert fence.language in LANGUAGES, f"{page.name}:{fence.line}"
        if fence.language in ("text", "mermaid"):
            assert not re.search(r"^(\$ |(\.venv/bin/)?stswatch \w+ )", fence.text, re.M), f"{page.name}:{fence.line}"


def test_what_is_not_tried_is_little_and_says_why():
    excused = [fence for page in PAGES for fence in page.fences if fence.excuse is not None]
    assert all(len(fence.excuse) > 20 for fence in excused)
    elsewhere = [fence for fence in excused if "`make cluster-test`" in fence.excuse]  # which tries the same
    assert {page.name for page in PAGES for fence in page.fences if fence in elsewhere} == {"docs/cluster.md"}
    assert len(excused) - len(elsewhere) <= 4, f"fences after {NOT_TRIED!r}: can none of them be tried?"
    assert len(LEFT_OUT) <= 10


OF_PODMAN = {"--cap-drop", "--name", "--read-only", "--restart", "--security-opt", "--stop-timeout", "--tmpfs"}


@every_page
def test_every_option_exists(page):
    known = {"--help", "--version"} | (OF_PODMAN if page.name == "docs/live.md" else set())
    for parser in subparsers().values():
        known |= {option for action in parser._actions for option in action.option_strings}
    assert page.options <= known, f"{page.name} names {', '.join(sorted(page.options - known))}"


def subparsers() -> dict[str, argparse.ArgumentParser]:
    (action,) = (a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


@every_page
def test_every_command_and_file_in_prose_exists(page):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    for code in page.codes:
        words = code.split()
        if words[0] in ("stswatch", ".venv/bin/stswatch") and len(words) > 1 and words[1].isalpha():
            assert words[1] in subparsers(), f"{page.name}: `{code}`"
        if words[0] == "make" and len(words) > 1:
            assert words[1] in targets, f"{page.name}: `{code}`"
        if words[:2] == ["python", "-m"] and words[2] != "...":
            assert importlib.util.find_spec(words[2]), f"{page.name}: `{code}`"
        if IN_A_ROOM.fullmatch(code) and code not in TO_WRITE.findall(page.text):
            assert (ROOT / code).exists(), f"{page.name}: `{code}`"


ROOMS = ("docs", "geo", "models", "pipeline", "sample_ais", "tests")
IN_A_ROOM = re.compile(r"(docs|geo|models|pipeline|sample_ais|tests)/[a-z_0-9./-]*")
TO_WRITE = re.compile(r"`([\w./-]+)`\s\(to be written\)")


@every_page
def test_every_module_in_prose_exists(page):
    """Also one named without the rooms before it; docs/extending.md writes one of its own, changes tell of what was."""
    for code in page.codes if page.name != "CHANGELOG.md" else ():
        if re.fullmatch(r"[\w/]+\.py", code) and code not in ("logger.py", *TO_WRITE.findall(page.text)):
            found = (path for room in ROOMS for path in (ROOT / room).rglob(Path(code).name))
            assert (ROOT / code).is_file() or any(path.as_posix().endswith(f"/{code}") for path in found), (
                f"{page.name}: `{code}`"
            )


@every_page
def test_what_is_to_be_written_is_not_there(page):
    for code in TO_WRITE.findall(page.text):
        assert not (ROOT / code).exists(), f"{page.name}: `{code}` is there"


def test_a_newcomer_finds_each_place_at_the_first_guess():
    """Each row of "I want to add" leads to a place that is there, or says that it is to be written."""
    table = Page(ROOT / "docs" / "extending.md").text.partition("| I want to add |")[2].partition("\n\n")[0]
    rows = dict(line.strip("| ").split(" | ", 1) for line in table.splitlines()[2:])
    assert len(rows) == 9
    for what, places in rows.items():
        named = [code for code in re.findall(r"`([^`]+)`", places) if IN_A_ROOM.fullmatch(code)]
        assert named, f"{what}: no place"
        for code in named:
            assert (ROOT / code).exists() or code in TO_WRITE.findall(places), f"{what}: {code}"


@every_page
def test_every_link_leads_somewhere(page):
    for link in page.links:
        place, _, anchor = link.partition("#")
        target = (page.path.parent / place).resolve()
        assert not place or (target.exists() and target.is_relative_to(ROOT)), f"{page.name}: {link}"
        if anchor and (not place or target.suffix == ".md"):
            assert anchor in (Page(target) if place else page).anchors, f"{page.name}: {link}"


def test_the_index_has_every_page():
    index = Page(ROOT / "docs" / "README.md")
    listed = {(index.path.parent / link).resolve() for link in index.links}
    docs = {page.path for page in PAGES if page.path.parent == index.path.parent} - {index.path}
    assert docs <= listed, f"docs/README.md lacks {', '.join(path.name for path in docs - listed)}"
    assert len(docs) >= 8


def test_the_pages_are_found():
    names = {page.name for page in PAGES}
    assert {"README.md", "docs/tables.md", "docs/benchmarks.md", "sample_ais/README.md"} <= names
    assert sum(len(page.fences) for page in PAGES) >= 5
    assert sum(len(page.links) for page in PAGES) >= 3
    assert sum(len(page.options) for page in PAGES) >= 5


# ------------------------------------------------------------------------------------------------ that it can fail


LEADS = "```console\n$ stswatch leads --data demo-data --limit 1\n{}```\n"


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("```sh\nstswatch leads --data nowhere\n```\n", "nowhere: no such folder"),
        ("```sh\nls | grep nothing\n```\n", "ends with 1"),
        ("```sh\nmake tea\n```\n", "no target: make tea"),
        (LEADS.format("no leads\n"), r"1 of \d+ leads"),
        (LEADS.format(""), "the program says"),
        ("```python\nassert 1 == 2\n```\n", "page.md:1"),
        ("```python\n>>> 1 + 1\n3\n```\n", "Expected"),
        ("```sql\nSELECT * FROM encounters WHERE false\n```\n", "no row"),
        ("```sql\nSELECT nothing FROM encounters\n```\n", "nothing"),
        ('```toml\nmmsi = "ID"\n```\n', "NAME.toml"),
        ("```json\n{1}\n```\n", "Expecting"),
    ],
)
def test_a_page_that_is_wrong_fails(text, printed, reader, tmp_path):
    home, demo = reader
    settle(home, tmp_path)
    (tmp_path / "page.md").write_text(text)
    with chdir(tmp_path), pytest.raises(Failed, match=f"(?s){printed}"):
        Runner(Page(tmp_path / "page.md"), home, demo).run()


def named(text: str) -> Page:
    """A page of docs/ that is not there."""
    page = Page(ROOT / "docs" / "page.md")
    vars(page).update(text=text)
    return page


@pytest.mark.parametrize(
    ("check", "wrong", "right"),
    [
        (test_every_fence_names_its_language, "```\nls\n```\n", "```sh\nls\n```\n"),
        (test_every_fence_names_its_language, "```bash\nls\n```\n", "```console\n$ ls\n```\n"),
        (test_every_fence_names_its_language, "```text\n$ ls\n```\n", "```text\nls\n```\n"),
        (test_every_fence_names_its_language, "```text\nstswatch leads x\n```\n", "```text\nstswatch\n```\n"),
        (test_every_fence_names_its_language, "```sh\nls\n", "```sh\nls\n```\n"),
        (test_every_option_exists, "Say `--tea`.", "Say --data or `--help`."),
        (test_every_option_exists, "```sh\nstswatch leads --tea\n```\n", "```sh\nstswatch leads --limit 2\n```\n"),
        (test_every_command_and_file_in_prose_exists, "Say `stswatch brew`.", "Say `stswatch leads`."),
        (test_every_command_and_file_in_prose_exists, "Say `make tea`.", "Say `make test`."),
        (test_every_command_and_file_in_prose_exists, "`python -m docs.tea`", "`python -m docs.reference`"),
        (test_every_command_and_file_in_prose_exists, "See `pipeline/tea.py`.", "See `pipeline/rules.py`."),
        (test_every_module_in_prose_exists, "See `tea.py`.", "See `rules.py`."),
        (test_what_is_to_be_written_is_not_there, "`geo/` (to be written)", "`tea/` (to be written)"),
        (test_every_link_leads_somewhere, "[tea](tea.md)", "[rules](rules.md)"),
        (test_every_link_leads_somewhere, "[tea](rules.md#tea)", "[lead](rules.md#lead), [far](https://example.org)"),
        (test_every_link_leads_somewhere, "# A\n\n[b](#b)", "# A\n\n[a](#a), `[b](#b)`"),
        (test_every_link_leads_somewhere, "![tea](tea.png)", "![as code](../LICENSE)"),
    ],
)
def test_a_page_that_names_what_is_not_there_fails(check, wrong, right):
    check(named(right))
    with pytest.raises((AssertionError, ModuleNotFoundError)):
        check(named(wrong))


def test_blocks_share_what_they_made(reader, tmp_path):
    home, demo = reader
    settle(home, tmp_path)
    shown = LEADS.format("...\n1 of ... leads...\n")
    (tmp_path / "page.md").write_text(
        "```python\na = 1\n```\n```python\n>>> a = a + 1\n>>> a\n2\n```\n"
        "```toml\n# map.toml\na = 1\n```\n```sh\ntest -f map.toml\ntouch 'a b' # c\n```\n" + shown
    )
    runner = Runner(Page(tmp_path / "page.md"), home, demo)
    with chdir(tmp_path):
        runner.run()
    assert (runner.names["a"], len(runner.done)) == (2, 6)
    assert (tmp_path / "a b").exists()


def test_how_blocks_are_read():
    assert list(commands("ls -l  # here\nmake \\\n  test\n# nothing\n")) == ["ls -l", "make test"]
    assert list(commands("cat > a <<'END'\n# kept\nEND\n")) == ["cat > a <<'END'\n# kept\nEND\n"]
    asked = [(command, shown) for _, command, shown in dialogues("$ ls \\\n  -l\nfile\n$ date\n$ id\nme\n")]
    assert asked == [("ls -l", "file\n"), ("date", ""), ("id", "me\n")]
    assert agrees("a ... c", "a b c\n")
    assert agrees("...\nend", "1 \n2\nend")
    assert not agrees("end", "1\nend")
    page = Page(Path(__file__))
    vars(page).update(text="# A `b` c, d\n\n## A\n## A\n\n" + NOT_TRIED + "it is\nlong.\n\n```sh\nx\n```\n")
    assert page.anchors == {"a-b-c-d", "a", "a-1"}
    assert page.fences[0].excuse == "it is long."
