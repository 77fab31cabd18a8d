"""The rows of all services in one SQLite transaction."""

import sqlite3

from agentfx.services._sqlite._jobs import SqliteJobs
from agentfx.services._sqlite._queues import SqliteQueues
from agentfx.services._sqlite._runs import SqliteRoster, SqliteRuns
from agentfx.services._sqlite._sessions import SqliteSessions
from agentfx.services._sqlite._state import SqliteState


class SqliteTransaction:
    """Implements `Transaction` on one connection, for whichever transaction it is in."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.state = SqliteState(connection)
        self.queues = SqliteQueues(connection)
        self.runs = SqliteRuns(connection)
        self.jobs = SqliteJobs(connection)
        self.roster = SqliteRoster(connection)
        self.sessions = SqliteSessions(connection)
