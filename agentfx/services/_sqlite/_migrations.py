"""Schema versions: numbered SQL files, applied in order, each in one transaction."""

import sqlite3
from importlib.resources import files

from agentfx.services._store import StoreTooNewError


def migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring a store to the newest schema.

    Raises:
        StoreTooNewError: It was written by a version that knows later schemas.
    """
    scripts = _scripts()
    have: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if have > len(scripts):
        raise StoreTooNewError(
            f"{name} has schema {have}, this agentfx knows {len(scripts)}: "
            "upgrade agentfx-kit, or use another --home"
        )
    for version, script in enumerate(scripts[have:], start=have + 1):
        connection.executescript(f"BEGIN;\n{script}\nPRAGMA user_version = {version};\nCOMMIT;")


def _scripts() -> list[str]:
    folder = files("agentfx.services") / "_migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(folder / name).read_text("utf-8") for name in names]
