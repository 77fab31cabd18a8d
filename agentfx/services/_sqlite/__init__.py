"""The store on SQLite."""

from agentfx.services._sqlite._store import SqliteStore as SqliteStore
