"""The rows of all services in one SQLite transaction."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SqliteTransaction:
    """Implements `Transaction` on one connection."""

    connection: sqlite3.Connection
