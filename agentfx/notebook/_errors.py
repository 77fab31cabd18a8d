"""What a user did, said in one line."""

import re
from types import TracebackType

from agentfx._errors import AgentfxError

_SPEAKING = ("agentfx.algebra.", "agentfx.interpreters.")
_MISTAKES = (TypeError, ValueError, LookupError)
_OURS = (
    "agentfx.interpreters.",
    "agentfx.notebook.",
    "agentfx.cluster.",
    "asyncio.",
    "concurrent.",
)


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


def said_by_us(error: BaseException) -> str | None:
    """What agentfx itself says of a mistake in a program, None if the error is another one."""
    trace, module = error.__traceback__, ""
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    ours = type(error) in _MISTAKES and f"{module}.".startswith(_SPEAKING)
    if not ours:
        return None
    notes: list[str] = getattr(error, "__notes__", [])
    where = "".join(f" ({note.removeprefix('agentfx: ')})" for note in notes)
    return f"{error}{where}"


def without_own_frames(error: BaseException) -> BaseException:
    """Drop frames of the machinery from a traceback: the user's own are left."""
    frames: list[TracebackType] = []
    trace = error.__traceback__
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if not f"{module}.".startswith(_OURS):
            frames.append(trace)
        trace = trace.tb_next
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return error.with_traceback(kept)
