"""The catalogue: one SQLite file of a data folder that knows sources, slices, late rows, alerts and requests.

    catalogue.sqlite    a table for each, of rows (key, crc, content): JSON, and the CRC-32 of key and content

A file of the lake or a slice counts only when the catalogue leads to it, and what one transaction enters counts at
once or not at all. Beside each row's checksum the catalogue keeps how many rows each table has and the sum of their
checksums, by triggers: a row that is gone, or stands there twice, is missed. Worker processes never open it: they
return receipts, which the process that gave them work enters (docs/decisions/0013).
"""

from __future__ import annotations

import errno
import json
import os
import resource
import sqlite3
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any, Self, TypeVar

from stswatch.errors import StswatchError
from stswatch.pipeline.store.files import DamagedFile, check_spare_files, sync_path

NAME = "catalogue.sqlite"
VERSION = 1  # of the tables and of what is written into them, in user_version
TABLES = ("sources", "chunks", "slices", "late_rows", "marks", "alerts", "requests")
_WAIT_S = 60.0  # for another process that writes; a transaction takes milliseconds
_WHOLE_TABLE = 500  # rows that changed, above which a table is read from its beginning to its end
_LACKING: Mapping[int, int] = {  # what SQLite says -> what the system would
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT)

T = TypeVar("T")
Known = dict[tuple[str, str], tuple[int, Any]]  # what was read, by table and key: its checksum, and what it was


class CatalogueError(StswatchError, ValueError):
    """The lake or the catalogue no longer holds what was written; the message says what and what to do.

    source: the id of the one source that this is about, if it is one; path: where it lay, if that is known. Picklable.
    """

    def __init__(self, message: str, source: str = "", path: str | None = None) -> None:
        super().__init__(message, source, path)
        self.source, self.path = source, path

    def __str__(self) -> str:
        return str(self.args[0])


def _statements() -> Iterator[str]:
    """What makes the tables; the text of each is compared with what the file says of itself."""
    yield "CREATE TABLE sums (name TEXT PRIMARY KEY, n INTEGER, crc INTEGER) WITHOUT ROWID"
    for table in TABLES:
        yield f"CREATE TABLE {table} (number INTEGER PRIMARY KEY, key TEXT UNIQUE, crc INTEGER, content BLOB)"
        for when, rows, crc in (
            ("INSERT", "n + 1", "crc + NEW.crc"),
            ("DELETE", "n - 1", "crc - OLD.crc"),
            ("UPDATE", "n", "crc + NEW.crc - OLD.crc"),
        ):
            yield f"""CREATE TRIGGER {table}_{when.lower()} AFTER {when} ON {table}
                BEGIN UPDATE sums SET n = {rows}, crc = {crc} WHERE name = '{table}'; END"""


class Catalogue:
    """An open catalogue. Threads may share it, processes open their own; while one writes all others read.

    Whatever the disk does not do is raised as OSError, a catalogue that is damaged as CatalogueError.
    """

    def __init__(self, data: Path, connection: sqlite3.Connection, known: Known | None = None) -> None:
        self.data, self.path, self.known = data, data / NAME, {} if known is None else known
        self._connection, self._lock = connection, RLock()
        self._within = 0

    @classmethod
    def open(cls, data: Path, known: Known | None = None, verify: bool = True) -> Self:
        """Open it to write, and make it where there is none.

        known: what an earlier opening in this process has read, and verified. verify: read every page of it and compare
        the sums; an opening beside one that did may leave that out.
        Raises CatalogueError, also where the lake is of another version or the catalogue of a lake is gone.
        """
        path = data / NAME
        with _translated(path):
            if not path.exists():
                _check_no_lake(data, "is not there")
            uri = path.absolute().as_uri()
            return cls._prepared(data, _connected(uri), known, verify and known is None)

    @classmethod
    def read(cls, data: Path) -> Self | None:
        """Open it to read; None where there is none, or somebody is making it."""
        path = data / NAME
        if not path.exists():
            return None
        uri, at_rest = path.absolute().as_uri(), not path.with_name(f"{NAME}-wal").exists()
        writable = os.access(path, os.W_OK) and os.access(data, os.W_OK)
        with _translated(path):
            try:  # SQLite makes files beside it even to read, which only those who may write remove again
                return cls._to_read(data, _connected(f"{uri}?mode={'rw' if writable else 'ro'}"))
            except sqlite3.OperationalError:
                if not at_rest:
                    raise
                return cls._to_read(data, _connected(f"{uri}?mode=ro&immutable=1"))

    @classmethod
    def _to_read(cls, data: Path, connection: sqlite3.Connection) -> Self | None:
        connection.text_factory = bytes
        catalogue = cls(data, connection)
        try:
            connection.execute("PRAGMA query_only = ON")
            if not catalogue._tables():
                catalogue.close()
                return None
            catalogue._check_version()
        except BaseException:
            connection.close()
            raise
        return catalogue

    @classmethod
    def _prepared(cls, data: Path, connection: sqlite3.Connection, known: Known | None, verify: bool) -> Self:
        connection.text_factory = bytes
        catalogue = cls(data, connection, known)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            catalogue._make()
            catalogue._check_version()
            if verify:
                catalogue.verify()
        except BaseException:
            connection.close()
            raise
        return catalogue

    def _make(self) -> None:
        """Make the tables in an empty file."""
        if self._tables():
            return
        with self.transaction():
            if self._tables():
                return  # another process has made them meanwhile
            if self._connection.execute("PRAGMA user_version").fetchone()[0]:
                raise self._damaged("it holds no tables")
            _check_no_lake(self.data, "is empty")
            for statement in _statements():
                self._connection.execute(statement)
            self._connection.executemany("INSERT INTO sums VALUES (?, 0, 0)", [(table,) for table in TABLES])
            self._connection.execute(f"PRAGMA user_version = {VERSION}")
        # not the file itself: closing any descriptor of it would give up the locks that SQLite holds on it (fcntl(2))
        sync_path(self.data)

    def _tables(self) -> int:
        return int(self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0])

    def _check_version(self) -> None:
        found = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if found != VERSION:
            raise CatalogueError(
                f"{self.path}: is of another version of stswatch ({found}, not {VERSION}), or damaged; {_REMEDY}"
            )

    def verify(self) -> None:
        """Raise CatalogueError where a page is damaged, or a table has other rows than were written."""
        found = self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != b"ok":
            raise self._damaged(found.decode(errors="replace").splitlines()[-1])
        made = {
            row[0].decode(errors="replace")
            for row in self._connection.execute("SELECT sql FROM sqlite_schema")
            if row[0] is not None
        }
        if made != set(_statements()):
            raise self._damaged("its tables are others")
        sums = {
            name.decode(errors="replace"): (n, crc) for name, n, crc in self._connection.execute("SELECT * FROM sums")
        }
        for table in TABLES:
            rows = self._connection.execute(f"SELECT count(*), coalesce(sum(crc), 0) FROM {table}").fetchone()  # nosec B608
            if rows != sums.get(table):
                raise self._damaged(f"its table {table} has other rows than were written")

    def _damaged(self, found: str) -> CatalogueError:
        return CatalogueError(f"{self.path}: is damaged ({found.rstrip('. ')}); {_REMEDY}")

    def close(self) -> None:
        """Let go of it; what was written lies in the one file, unless somebody else has it open."""
        with self._lock, suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------ rows

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[None]:
        """All that is written in the block counts at once when it ends, or, where it raises, nothing of it.

        durable: the disk holds it by then; else a power cut, but no kill, may take it back.
        """
        with self._lock, _translated(self.path):
            if self._within:
                yield
                return
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            self._within += 1
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # some errors have rolled back already
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._within -= 1

    def put(self, table: str, rows: Mapping[str, Any], durable: bool = True) -> None:
        """Write rows, key -> what is kept as JSON, in place of those of the same keys, which keep their order."""
        written = []
        for key, value in rows.items():
            content = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
            written.append((key, _crc(key, content), content))
        if written:
            with self.transaction(durable):
                self._connection.executemany(
                    f"INSERT INTO {table} (key, crc, content) VALUES (?, ?, ?)"  # nosec B608
                    " ON CONFLICT (key) DO UPDATE SET crc = excluded.crc, content = excluded.content",
                    written,
                )

    def delete(self, table: str, keys: Iterable[str], durable: bool = True) -> None:
        """Remove rows, those that are there."""
        gone = [(key,) for key in keys]
        if gone:
            with self.transaction(durable):
                self._connection.executemany(f"DELETE FROM {table} WHERE key = ?", gone)  # nosec B608

    def keys(self, table: str) -> list[str]:
        """The keys of a table in the order in which they were first written."""
        with self._lock, _translated(self.path):
            found = self._connection.execute(f"SELECT key FROM {table} ORDER BY number").fetchall()  # nosec B608
        return [_text(key) for (key,) in found]

    def one(self, table: str, key: str, parse: Callable[[str, Any], T]) -> T | None:
        """A row, parsed from its key and its content; None where there is none. Raises DamagedFile."""
        query = f"SELECT key, crc, content FROM {table} WHERE key = ?"  # nosec B608
        with self._lock, _translated(self.path):
            found = self._connection.execute(query, (key,)).fetchall()
        return self._parsed(table, found[0], parse) if found else None

    def every(self, table: str, parse: Callable[[str, Any], T]) -> dict[str, T | DamagedFile]:
        """All rows in the order in which they were first written, each parsed or, where it is damaged, the error.

        What was parsed before by this object is parsed again only where its checksum is another.
        """
        with self._lock, _translated(self.path):
            query = f"SELECT number, key, crc FROM {table} ORDER BY number"  # nosec B608
            rows = [(number, _text(key), crc) for number, key, crc in self._connection.execute(query)]
            new = [number for number, key, crc in rows if self.known.get((table, key), (None,))[0] != crc]
            damaged: dict[str, DamagedFile] = {}
            for row in self._contents(table, new):
                key = _text(row[0])
                self.known.pop((table, key), None)
                try:
                    self.known[table, key] = row[1], self._parsed(table, row, parse)
                except DamagedFile as error:
                    damaged[key] = error
        keys = [key for _, key, _ in rows]
        for gone in {key for of, key in self.known if of == table} - set(keys):
            del self.known[table, gone]
        return {key: damaged[key] if key in damaged else self.known[table, key][1] for key in keys}

    def _contents(self, table: str, numbers: Collection[int]) -> Iterator[tuple[bytes, int, bytes]]:
        query = f"SELECT key, crc, content FROM {table}"  # nosec B608
        if len(numbers) > _WHOLE_TABLE:
            yield from self._connection.execute(query)
        else:
            for number in numbers:
                yield from self._connection.execute(f"{query} WHERE number = ?", (number,))

    def _parsed(self, table: str, row: tuple[Any, int, Any], parse: Callable[[str, Any], T]) -> T:
        key, crc, content = _text(row[0]), row[1], row[2]
        if not isinstance(content, bytes) or _crc(key, content) != crc:
            raise DamagedFile(str(self.path), f"is damaged (the checksum of its row {key} in {table} is another)")
        try:
            return parse(key, json.loads(content, object_pairs_hook=_named))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DamagedFile(str(self.path), f"is damaged (its row {key} in {table} is none)") from error


_REMEDY = "remove it and the folder lake beside it, and run again with all archives, or give another folder with `data`"


def _connected(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, timeout=_WAIT_S, isolation_level=None, check_same_thread=False, uri=True)


def _check_no_lake(data: Path, found: str) -> None:
    """Raise CatalogueError where there is a lake, of which a catalogue that is not there or empty cannot know."""
    lake = data / "lake"
    if lake.is_dir() and any(lake.iterdir()):
        raise CatalogueError(
            f"{data / NAME}: {found}, though {lake} is, as an older version of stswatch left it; {_REMEDY}"
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Raise what SQLite says as what it is about: OSError, MemoryError or CatalogueError."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_NOMEM:
            raise MemoryError(str(error)) from error
        if code in _LACKING:
            lacking = _lacking(code, path)
            raise OSError(lacking, os.strerror(lacking), str(path)) from error
        if code in _DAMAGED:
            raise CatalogueError(f"{path}: is damaged ({error}); {_REMEDY}") from error
        raise
    except UnicodeDecodeError as error:  # of the words of SQLite, which quote what is damaged
        raise CatalogueError(f"{path}: is damaged (not even its tables can be named); {_REMEDY}") from error


def _lacking(code: int, path: Path) -> int:
    """What the system would say where SQLite gives this code. Raises OSError where no more files may be opened.

    Never opens the file: closing it would give up the locks that SQLite holds on it for another connection here.
    """
    if code == sqlite3.SQLITE_IOERR and resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        return errno.EFBIG
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        check_spare_files(4)  # the catalogue, what lies beside it, and its folder
        with suppress(FileNotFoundError):
            return errno.EROFS if os.statvfs(path.parent).f_flag & os.ST_RDONLY else errno.EACCES
    return _LACKING[code]


def _crc(key: str, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(key.encode()))


def _text(key: Any) -> str:
    return key.decode(errors="replace") if isinstance(key, bytes) else str(key)


def _named(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Names in JSON are kept once, whichever row they are in."""
    return {sys.intern(name): value for name, value in pairs}
