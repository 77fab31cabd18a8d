"""What a user did, said in one line."""

import re

from agentfx._errors import AgentfxError

_COMMAND = re.compile(r"`agentfx ([a-z]+)( list)?( --?[^`]*)?([^`]*)`")
_MAGICS = {"worker": "%workers spawn", "dlq": "%dlq", "runs": "%runs", "resume": "%resume"}


class UserError(AgentfxError):
    """A mistake in a cell; the message says what to do."""


def in_notebook_words(text: str) -> str:
    """A message that names commands of a terminal, with the magics that do the same."""

    def magic(found: re.Match[str]) -> str:
        command, _, options, rest = found.groups(default="")
        known = _MAGICS.get(command)
        return f"{known}{rest}" if known is not None else f"%agentfx {command}{options}{rest}"

    return _COMMAND.sub(magic, text).replace("(...) when it is run", "(…), by --env NAME")


def needed(value: str | None, question: str) -> str:
    """An argument that may not be missing here.

    Raises:
        UserError: It is; the message is the question.
    """
    if value is None:
        raise UserError(question)
    return value
