"""The rows of all services in one SQLite transaction."""

import sqlite3
from dataclasses import dataclass

from agentfx.services._sqlite._jobs import SqliteJobs
from agentfx.services._sqlite._queues import SqliteQueues
from agentfx.services._sqlite._runs import SqliteRoster, SqliteRuns
from agentfx.services._sqlite._sessions import SqliteSessions
from agentfx.services._sqlite._state import SqliteState


@dataclass(frozen=True, slots=True)
class SqliteTransaction:
    """Implements `Transaction` on one connection."""

    connection: sqlite3.Connection

    @property
    def state(self) -> SqliteState:
        """See `Transaction.state`."""
        return SqliteState(self.connection)

    @property
    def queues(self) -> SqliteQueues:
        """See `Transaction.queues`."""
        return SqliteQueues(self.connection)

    @property
    def runs(self) -> SqliteRuns:
        """See `Transaction.runs`."""
        return SqliteRuns(self.connection)

    @property
    def jobs(self) -> SqliteJobs:
        """See `Transaction.jobs`."""
        return SqliteJobs(self.connection)

    @property
    def roster(self) -> SqliteRoster:
        """See `Transaction.roster`."""
        return SqliteRoster(self.connection)

    @property
    def sessions(self) -> SqliteSessions:
        """See `Transaction.sessions`."""
        return SqliteSessions(self.connection)
