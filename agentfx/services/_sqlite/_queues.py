"""`QueueRows` on SQLite."""

import sqlite3
from typing import Literal

from agentfx.services._store import DeadLetter, Message, QueueKey, QueueRow, Ticket

_TICKET = "seq, namespace, function_id, group_key, attempts, losses, due_ms"
_MESSAGE = "message_id, namespace, function_id, payload, group_key, traceparent, baggage"


class SqliteQueues:
    """Implements `QueueRows` on one connection, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute

    def queues(self) -> list[QueueRow]:
        """See `QueueRows.queues`."""
        rows = self._execute(
            "SELECT id, kind, name, namespace, function_id, detached_ms FROM queue ORDER BY id"
        )
        return [_queue_row(*row) for row in rows]

    def open(self, key: QueueKey) -> QueueRow:
        """See `QueueRows.open`."""
        row: tuple[int, int | None] = self._execute(
            """
            INSERT INTO queue (kind, name, namespace, function_id) VALUES (?, ?, ?, ?)
            ON CONFLICT (kind, name, namespace, function_id) DO UPDATE SET name = name
            RETURNING id, detached_ms
            """,
            (key.kind, key.name, key.namespace, key.function_id),
        ).fetchone()
        return QueueRow(row[0], key, row[1])

    def subscribers(self, topic: str) -> list[QueueRow]:
        """See `QueueRows.subscribers`."""
        rows = self._execute(
            """
            SELECT id, kind, name, namespace, function_id, detached_ms FROM queue
            WHERE kind = 'topic' AND name = ? AND function_id <> '' ORDER BY id
            """,
            (topic,),
        )
        return [_queue_row(*row) for row in rows]

    def count(self, queue_id: int) -> int:
        """See `QueueRows.count`."""
        row: tuple[int] = self._execute(
            "SELECT count(*) FROM queue_message WHERE queue_id = ?", (queue_id,)
        ).fetchone()
        return row[0]

    def set_detached(self, queue_id: int, detached_ms: int | None) -> None:
        """See `QueueRows.set_detached`."""
        self._execute("UPDATE queue SET detached_ms = ? WHERE id = ?", (detached_ms, queue_id))

    def tickets(self, queue_id: int) -> list[Ticket]:
        """See `QueueRows.tickets`."""
        rows = self._execute(
            f"SELECT {_TICKET} FROM queue_message WHERE queue_id = ? ORDER BY seq",
            (queue_id,),
        )
        return [Ticket(*row) for row in rows]

    def add(self, queue_id: int, message: Message) -> Ticket:
        """See `QueueRows.add`."""
        cursor = self._execute(
            f"""
            INSERT INTO queue_message (queue_id, {_MESSAGE}, attempts, losses, due_ms)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0)
            """,
            (queue_id, *_message_row(message)),
        )
        seq = cursor.lastrowid or 0
        return Ticket(seq, message.namespace, message.function_id, message.group)

    def messages(self, seqs: list[int]) -> dict[int, Message]:
        """See `QueueRows.messages`."""
        marks = ",".join("?" * len(seqs))
        rows = self._execute(
            f"SELECT seq, {_MESSAGE} FROM queue_message WHERE seq IN ({marks})",
            seqs,
        )
        return {seq: Message(*row) for seq, *row in rows}

    def move(self, source_id: int, target_id: int) -> list[Ticket]:
        """See `QueueRows.move`."""
        rows = self._execute(
            f"""
            UPDATE queue_message SET queue_id = ?1,
              (namespace, function_id) = (SELECT namespace, function_id FROM queue WHERE id = ?1)
            WHERE queue_id = ?2 RETURNING {_TICKET}
            """,
            (target_id, source_id),
        ).fetchall()
        return sorted((Ticket(*row) for row in rows), key=lambda ticket: ticket.seq)

    def update(self, ticket: Ticket) -> None:
        """See `QueueRows.update`."""
        self._execute(
            "UPDATE queue_message SET attempts = ?, losses = ?, due_ms = ? WHERE seq = ?",
            (ticket.attempts, ticket.losses, ticket.due_ms, ticket.seq),
        )

    def remove(self, seq: int) -> None:
        """See `QueueRows.remove`."""
        self._execute("DELETE FROM queue_message WHERE seq = ?", (seq,))

    def bury(self, ticket: Ticket, error: str, failed_at: int) -> None:
        """See `QueueRows.bury`."""
        self._execute(
            f"""
            INSERT INTO dead_letter (queue_id, {_MESSAGE}, attempts, error, failed_at)
            SELECT queue_id, {_MESSAGE}, ?, ?, ? FROM queue_message WHERE seq = ?
            """,
            (ticket.attempts, error, failed_at, ticket.seq),
        )
        self.remove(ticket.seq)

    def dead_count(self, queue_id: int) -> int:
        """See `QueueRows.dead_count`."""
        row: tuple[int] = self._execute(
            "SELECT count(*) FROM dead_letter WHERE queue_id = ?", (queue_id,)
        ).fetchone()
        return row[0]

    def dead(self, queue_ids: list[int], offset: int, limit: int) -> list[DeadLetter]:
        """See `QueueRows.dead`."""
        marks = ",".join("?" * len(queue_ids))
        rows = self._execute(
            f"""
            SELECT attempts, error, failed_at, {_MESSAGE} FROM dead_letter
            WHERE queue_id IN ({marks}) ORDER BY seq DESC LIMIT ? OFFSET ?
            """,
            (*queue_ids, limit, offset),
        )
        return [
            DeadLetter(Message(*message), attempts, error, failed_at)
            for attempts, error, failed_at, *message in rows
        ]

    def revive(self, queue_id: int, message_id: str | None = None) -> list[Ticket]:
        """See `QueueRows.revive`."""
        rows = self._execute(
            f"""
            DELETE FROM dead_letter WHERE queue_id = ?1 AND coalesce(?2, message_id) = message_id
            RETURNING seq, {_MESSAGE}
            """,
            (queue_id, message_id),
        ).fetchall()
        return [self.add(queue_id, Message(*row)) for _, *row in sorted(rows)]

    def discard(self, queue_id: int, message_id: str) -> int:
        """See `QueueRows.discard`."""
        return self._execute(
            "DELETE FROM dead_letter WHERE queue_id = ? AND message_id = ?", (queue_id, message_id)
        ).rowcount


def _queue_row(
    queue_id: int,
    kind: Literal["named", "topic"],
    name: str,
    namespace: str,
    function_id: str,
    detached_ms: int | None,
) -> QueueRow:
    return QueueRow(queue_id, QueueKey(kind, name, namespace, function_id), detached_ms)


def _message_row(message: Message) -> tuple[object, ...]:
    return (
        message.id,
        message.namespace,
        message.function_id,
        message.payload,
        message.group,
        message.traceparent,
        message.baggage,
    )
