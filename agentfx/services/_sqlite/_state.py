"""`StateRows` on SQLite."""

import sqlite3


class SqliteState:
    """Implements `StateRows` on one connection, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def get(self, scope: str, key: str) -> bytes | None:
        """See `StateRows.get`."""
        row: tuple[bytes] | None = self._execute(
            "SELECT value FROM state WHERE scope = ? AND key = ?", (scope, key)
        ).fetchone()
        return None if row is None else row[0]

    def put(self, scope: str, key: str, value: bytes) -> None:
        """See `StateRows.put`."""
        self._execute(
            """
            INSERT INTO state (scope, key, value, place) VALUES (
              ?1, ?2, ?3, (SELECT coalesce(max(place), 0) + 1 FROM state WHERE scope = ?1)
            ) ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value
            """,
            (scope, key, value),
        )

    def remove(self, scope: str, key: str) -> None:
        """See `StateRows.remove`."""
        self._execute("DELETE FROM state WHERE scope = ? AND key = ?", (scope, key))

    def size(self, scope: str) -> int:
        """See `StateRows.size`."""
        row: tuple[int] = self._execute(
            "SELECT coalesce(sum(length(value)), 0) FROM state WHERE scope = ?", (scope,)
        ).fetchone()
        return row[0]

    def values(self, scope: str) -> list[bytes]:
        """See `StateRows.values`."""
        rows = self._execute("SELECT value FROM state WHERE scope = ? ORDER BY place", (scope,))
        return [value for (value,) in rows]

    def scopes(self) -> list[str]:
        """See `StateRows.scopes`."""
        # From each scope straight to the next one: their keys may be many.
        rows = self._execute(
            """
            WITH RECURSIVE found (scope) AS (
              SELECT min(scope) FROM state
              UNION ALL
              SELECT (SELECT min(scope) FROM state WHERE state.scope > found.scope)
              FROM found WHERE found.scope IS NOT NULL
            )
            SELECT scope FROM found WHERE scope IS NOT NULL
            """
        )
        return [scope for (scope,) in rows]
