"""Rows by table and key, with versions: what a front end holds, and how it catches up."""

from collections.abc import Mapping
from typing import Any, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
"""One JSON object that is only read."""
Row: TypeAlias = dict[str, Any]
"""One JSON object; replaced as a whole, never changed in place."""
Snapshot: TypeAlias = dict[str, Any]
"""`version`, and `tables`: rows by table and key."""
Diff: TypeAlias = dict[str, Any]
"""`from`, `to`, `set` (rows by table and key) and `drop` (keys by table)."""


class Tables:
    """Keyed rows whose changes since any version can be asked for.

    Attributes:
        version: Grows with every change.
    """

    def __init__(self) -> None:
        self.version = 0
        self._rows: dict[str, dict[str, Row]] = {}
        # By table, in the order of their last change, so that a diff looks at nothing older.
        self._changed: dict[str, dict[str, int]] = {}

    def put(self, table: str, key: str, row: Row) -> None:
        """Set a row; nothing changes if it is there already."""
        rows = self._rows.setdefault(table, {})
        if rows.get(key) != row:
            rows[key] = row
            self._touch(table, key)

    def drop(self, table: str, key: str) -> None:
        """Remove a row, if it is there."""
        if self._rows.get(table, {}).pop(key, None) is not None:
            self._touch(table, key)

    def get(self, table: str, key: str) -> Row | None:
        """A row, None if there is none."""
        return self._rows.get(table, {}).get(key)

    def rows(self, table: str) -> Mapping[str, Row]:
        """All rows of a table, by key."""
        return self._rows.get(table, {})

    def clear(self, table: str) -> None:
        """Remove every row of a table."""
        for key in list(self._rows.get(table, {})):
            self.drop(table, key)

    def _touch(self, table: str, key: str) -> None:
        self.version += 1
        changed = self._changed.setdefault(table, {})
        changed.pop(key, None)
        changed[key] = self.version

    def snapshot(self) -> Snapshot:
        """Everything, as of now; later changes do not show in it."""
        tables = {name: dict(rows) for name, rows in self._rows.items() if rows}
        return {"version": self.version, "tables": tables}

    def diff(self, since: int) -> Diff:
        """What changed after a version."""
        found: Diff = {"from": since, "to": self.version, "set": {}, "drop": {}}
        for table, changed in self._changed.items():
            rows = self._rows.get(table, {})
            kept: dict[str, Row] = {}
            gone: list[str] = []
            for key, version in reversed(changed.items()):
                if version <= since:
                    break
                row = rows.get(key)
                if row is None:
                    gone.append(key)
                else:
                    kept[key] = row
            if kept:
                found["set"][table] = kept
            if gone:
                found["drop"][table] = gone
        return found


def apply_diff(snapshot: Snapshot, diff: Diff) -> Snapshot:
    """The snapshot that a diff leads to.

    Raises:
        ValueError: The diff starts at another version: ask for a snapshot.
    """
    if diff["from"] != snapshot["version"]:
        raise ValueError(f"a diff from {diff['from']} does not fit version {snapshot['version']}")
    tables = {name: dict(rows) for name, rows in snapshot["tables"].items()}
    for table, rows in diff["set"].items():
        tables.setdefault(table, {}).update(rows)
    for table, keys in diff["drop"].items():
        for key in keys:
            tables.get(table, {}).pop(key, None)
    return {"version": diff["to"], "tables": {n: rows for n, rows in tables.items() if rows}}


def difference(old: Snapshot, new: Snapshot) -> Diff:
    """The diff between two snapshots that do not share a history."""
    found: Diff = {"from": old["version"], "to": new["version"], "set": {}, "drop": {}}
    before, after = old["tables"], new["tables"]
    for table in {*before, *after}:
        was, now = before.get(table, {}), after.get(table, {})
        changed = {key: row for key, row in now.items() if was.get(key) != row}
        gone = [key for key in was if key not in now]
        if changed:
            found["set"][table] = changed
        if gone:
            found["drop"][table] = gone
    return found
