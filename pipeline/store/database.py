"""Where the databases lie, and how they are opened.

DIR/db/work.duckdb   what every load adds to; private to the loader, which holds it alone
DIR/snapshots        what was published, never written again (snapshots.py)
DIR/stswatch.duckdb  a link to the newest of it
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakSet

import duckdb
import pyarrow as pa

from stswatch.errors import StswatchError
from stswatch.pipeline import faults, schema
from stswatch.pipeline.schema import Registry
from stswatch.pipeline.store import ddl, revisions, snapshots
from stswatch.pipeline.store.files import check_spare_files, sync
from stswatch.pipeline.store.snapshots import PUBLISHED

WORK = Path("db") / "work.duckdb"
# else DuckDB takes what it likes: 3.2 GB to load a million encounters, against 1.3 GB and half as much time again
_WORK_MEMORY = "1GB"


class StoreError(StswatchError, ValueError):
    """A data folder or database that cannot be used; the message says what was found and what to do."""


class OtherVersion(StoreError):
    """A database that another version of the program made: what it lacks, and how it is made anew."""


_OF_DAMAGE = ("orrupt", "hecksum", "read enough bytes", "not a valid DuckDB", "Failed to load metadata", "magic bytes")


@contextmanager
def sound(path: Path, remedy: str) -> Iterator[None]:
    """Have what DuckDB finds of damage in the blocks of a database, of which it keeps checksums, said in a sentence.

    Raises StoreError with the remedy for damage, and everything else as it was.
    """
    try:
        yield
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        kinds = duckdb.InternalException | duckdb.FatalException | duckdb.SerializationException
        if isinstance(error, kinds) or any(words in message for words in _OF_DAMAGE):
            raise StoreError(f"{path}: is damaged ({message}); {remedy}") from error
        raise


def connect(data: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to what was published last, times in UTC, lake views usable from any folder.

    Holding it open never blocks a load, and what others do to the file that DIR/stswatch.duckdb leads to does not
    show in it. What is published later is seen by the next connection. Raises StoreError where the folder holds no
    database or none that still is what was published.
    """
    if not data.is_dir():
        raise StoreError(f"{data}: no such folder; `stswatch run PATH... --data DIR` makes one")
    link = data / PUBLISHED
    if not os.path.lexists(link):
        raise StoreError(f"{data}: holds no {PUBLISHED}; `stswatch run PATH... --data {data}` makes it")
    try:
        connection = followed(link, _reading)
    except duckdb.Error as error:
        raise StoreError(f"{link}: cannot be opened ({_line(error)}); close what holds it, or run again") from error
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise StoreError(f"{link}: cannot be opened (too many files are open); raise the limit (ulimit -n)") from error
    _settle(connection, data)
    return connection


_opening = Lock()
_open: WeakSet[duckdb.DuckDBPyConnection] = WeakSet()


def open_file(path: Path, **how: Any) -> duckdb.DuckDBPyConnection:
    """A connection to a database file, as duckdb.connect gives it. Raises duckdb.Error, OSError without files to spare.

    DuckDB ends the process where it lacks a file while several databases are opened at once: so one after the other.
    """
    with _opening:
        check_spare_files()
        connection = duckdb.connect(str(path), **how)
    _open.add(connection)
    return connection


def interrupt() -> None:
    """End the queries that run in this process, from any thread: they raise duckdb.InterruptException, or what a signal
    raises."""
    for connection in list(_open):
        with suppress(duckdb.Error):  # closed
            connection.interrupt()


def followed(link: Path, opened: Callable[[Path], duckdb.DuckDBPyConnection]) -> duckdb.DuckDBPyConnection:
    """What `opened` gives for the file that a link leads to, also if what it led to at first was cleared meanwhile.

    Raises duckdb.Error where the file to which the link still leads cannot be opened.
    """
    while True:
        file = link.resolve()
        try:
            return opened(file)
        except duckdb.Error:
            if link.resolve() == file:
                raise


def _reading(file: Path) -> duckdb.DuckDBPyConnection:
    """A connection to a file that was published, or to the same bytes kept for us."""
    snapshot = snapshots.of(file)
    manifest = snapshots.read_manifest(snapshot) if snapshot else None
    if snapshot is None or manifest is None:
        return open_file(file, read_only=True)
    failed: duckdb.Error | None = None
    for path in (snapshot.pristine, snapshot.shown):
        try:
            connection = open_file(path, read_only=True)
        except duckdb.Error as error:
            failed = error
            continue
        if snapshots.as_published(path, manifest):
            return connection
        connection.close()
    raise failed or duckdb.Error("another program has changed it")


def open_work(data: Path, tables: Registry = schema.TABLES) -> duckdb.DuckDBPyConnection:
    """A writing connection to the private working database, made where there is none.

    Raises StoreError where another process holds it, it is damaged, or another version of the tables made it.
    """
    path = data.resolve() / WORK
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    shutil.rmtree(path.with_name(path.name + ".tmp"), ignore_errors=True)  # what a killed run had no memory for
    if not path.exists():
        # made under another name: a kill in the middle must not leave half a database under this one
        for left in path.parent.glob(f"{new.name}*"):
            left.unlink()
        _opened(new, data, tables).close()
        faults.reach("work_made")
        new.replace(path)
        sync([path], data.resolve())
    return _opened(path, data, tables)


def _opened(path: Path, data: Path, tables: Registry) -> duckdb.DuckDBPyConnection:
    try:
        connection = open_file(path)
    except duckdb.IOException as error:
        if "lock" in str(error):
            raise StoreError(f"{data}: another run is loading into this folder; wait for it to end") from error
        raise StoreError(f"{path}: cannot be opened ({_line(error)}); {AFRESH}") from error
    except duckdb.Error as error:
        raise StoreError(f"{path}: cannot be opened ({_line(error)}); {AFRESH}") from error
    try:
        _settle(connection, data)
        connection.execute(f"SET memory_limit = '{_WORK_MEMORY}'")
        with sound(path, AFRESH):
            _prepare(connection, path, tables)
    except BaseException:
        connection.close()
        raise
    return connection


AFRESH = "remove the folder db in the data folder to load everything afresh (revision numbers then begin again)"


_ANEW = "`stswatch rebuild` makes the database anew of the lake and the log of decisions"


_fitting: set[tuple[object, ...]] = set()  # files that had the layout of this version


def check_layout(db: duckdb.DuckDBPyConnection, data: Path, expected: Mapping[str, pa.Schema]) -> None:
    """Raise OtherVersion where a snapshot lacks one of these tables and views, or a column of one.

    What it has beyond them, as of a newer version, is no hindrance. A file is looked at once in a process.
    """
    path = db.execute("PRAGMA database_list").fetchall()[0][2]
    found = os.stat(path)
    file = path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
    if file in _fitting:
        return
    query = "SELECT table_name, list(column_name) FROM duckdb_columns() WHERE NOT internal GROUP BY table_name"
    there = dict(db.execute(query).fetchall())
    lacking = [name for name in expected if name not in there]
    lacking += [f"{t}.{f}" for t, fields in expected.items() if t in there for f in fields.names if f not in there[t]]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        raise OtherVersion(
            f"{data / PUBLISHED}: was published by another version of stswatch{_version_of(db, there)} and lacks"
            f" {lacking[0]}{more}; {_ANEW}"
        )
    _fitting.add(file)


def _version_of(db: duckdb.DuckDBPyConnection, there: Mapping[str, Sequence[str]]) -> str:
    """The version that published a snapshot, where it says so."""
    if "code_version" not in there.get("runs", ()):
        return ""
    found = db.execute("SELECT code_version FROM runs ORDER BY started DESC LIMIT 1").fetchall()
    return f" ({found[0][0]})" if found else ""


def area_of(data: Path) -> str | None:
    """The area of the run published last, by whichever version; None where nothing says so. Raises StoreError."""
    with suppress(duckdb.Error), closing(connect(data)) as db:
        found = db.execute("SELECT area FROM runs ORDER BY started DESC LIMIT 1").fetchall()
        return str(found[0][0]) if found else None
    return None


def first_version_sources(data: Path) -> list[tuple[str, str]]:
    """The sources, as (id, path), of a folder whose last snapshot is of version 0.1, which had no catalogue; else none.

    Raises StoreError where the folder holds no database.
    """
    newest = "SELECT code_version FROM runs ORDER BY started DESC LIMIT 1"
    with suppress(duckdb.CatalogException, duckdb.BinderException), closing(connect(data)) as db:
        if [row[0][:4] for row in db.execute(newest).fetchall()] == ["0.1."]:
            return db.execute("SELECT source, path FROM sources ORDER BY path, source").fetchall()
    return []


def _settle(connection: duckdb.DuckDBPyConnection, data: Path) -> None:
    folder = str(data.resolve())
    if "," in folder:
        connection.close()
        raise StoreError(f"{folder}: DuckDB cannot search a folder with a comma in its path; rename it")
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"SET file_search_path = {ddl.literal(folder)}")


def _prepare(work: duckdb.DuckDBPyConnection, path: Path, tables: Registry) -> None:
    """Make the working tables, or see that those found are of this version."""
    statements = [
        "CREATE TABLE outputs (number INTEGER NOT NULL, key VARCHAR NOT NULL)",
        "CREATE TABLE commits (number BIGINT NOT NULL)",
        *(
            ddl.create_table(f"part_{name}", fields, first="_output INTEGER NOT NULL")
            for name, fields in tables.parts.items()
        ),
        ddl.create_table("encounters", _history()),
        ddl.create_table("runs", schema.RUNS),
        ddl.create_table("event_revisions", schema.STORED["event_revisions"]),
        "ALTER TABLE event_revisions ADD COLUMN _columns UBIGINT[]",  # a hash of every column of the row
        "CREATE TABLE hashed_by (made VARCHAR NOT NULL)",  # the DuckDB that made them
    ]
    layout = "\n".join(statements)
    work.begin()
    if not work.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'layout'").fetchall():
        for statement in [*statements, "CREATE TABLE layout (statements VARCHAR NOT NULL)"]:
            work.execute(statement)
        work.execute("INSERT INTO commits VALUES (0)")
        work.execute("INSERT INTO layout VALUES (?)", [layout])
    elif work.execute("SELECT statements FROM layout").fetchall() != [(layout,)]:
        raise OtherVersion(f"{path}: was made by another version of stswatch; {_ANEW}, or {AFRESH}")
    work.commit()


def _history() -> pa.Schema:
    """Stored encounters without what is derived anew for each publication, and with what only this program asks for."""
    stored = schema.STORED["encounters"]
    kept = [field for field in stored if field.name not in schema.AREA_COLUMNS]
    return pa.schema([*kept, *revisions.NOTED], stored.metadata)


def _line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]


# ---------------------------------------------------------- what a snapshot shows, without rows: made once, then copied

READABLE_FROM = "v1.4.0"  # the oldest DuckDB that this project allows can open what is published
_KEPT = 4  # of other versions and other rules


def attach_empty(work: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> str:
    """The database, attached, that these statements make: to copy it takes 2 ms, to make it 0.3 s of CPU.

    It is kept in a folder of the user's for whoever publishes next. Where nothing can be kept, or what is there is
    damaged, it is made in memory, once for a connection.
    """
    made = f"empty_{sha256(repr((statements, duckdb.__version__)).encode()).hexdigest()[:16]}"
    if (made,) in work.execute("SELECT database_name FROM duckdb_databases()").fetchall():
        return made
    with suppress(duckdb.Error, OSError, RuntimeError):
        kept = _cache() / f"{made}.duckdb"
        os.utime(kept)  # the last ones are kept
        work.execute(f"ATTACH {ddl.literal(str(kept))} AS {made} (READ_ONLY)")
        return made
    home = work.execute("SELECT current_database()").fetchall()[0][0]
    work.execute(f"ATTACH ':memory:' AS {made}")
    try:
        work.execute(f"USE {made}")
        for statement in statements:
            work.execute(statement)
    except BaseException:
        work.execute(f"USE {ddl.quoted(home)}")
        work.execute(f"DETACH {made}")
        raise
    work.execute(f"USE {ddl.quoted(home)}")
    with suppress(duckdb.Error, OSError, RuntimeError):
        _keep(work, made, _cache() / f"{made}.duckdb")
    return made


def _cache() -> Path:
    """The user's folder for what can be made anew. Raises RuntimeError where the user has none."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stswatch"


def _keep(work: duckdb.DuckDBPyConnection, made: str, kept: Path) -> None:
    """Write an attached database without rows to a file, whole or not at all; what others have kept there goes."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        new = Path(folder) / kept.name
        work.execute(f"ATTACH {ddl.literal(str(new))} AS kept_{made} (STORAGE_VERSION '{READABLE_FROM}')")
        try:
            work.execute(f"COPY FROM DATABASE {made} TO kept_{made} (SCHEMA)")
        finally:
            work.execute(f"DETACH kept_{made}")
        os.replace(new, kept)
    last = sorted(kept.parent.glob("empty_*.duckdb"), key=lambda path: path.stat().st_mtime_ns)
    for old in last[:-_KEPT]:
        old.unlink(missing_ok=True)
