"""Payloads of messages that were just stored, so that most need not be read again."""

from agentfx.services._store import Message

MAX_BYTES = 16 << 20


class Payloads:
    """A bounded store of messages by place; what does not fit is left to the real one."""

    def __init__(self) -> None:
        self._messages: dict[int, Message] = {}
        self._bytes = 0

    def put(self, seq: int, message: Message) -> None:
        """Keep a message, if there is room."""
        if self._bytes + len(message.payload) <= MAX_BYTES:
            self._messages[seq] = message
            self._bytes += len(message.payload)

    def take(self, seq: int) -> Message | None:
        """Hand over a message, if it was kept."""
        message = self._messages.pop(seq, None)
        if message is not None:
            self._bytes -= len(message.payload)
        return message
