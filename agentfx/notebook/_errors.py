"""What a user did, said in one line."""

from types import TracebackType

from agentfx._errors import AgentfxError

_OURS = (
    "agentfx.interpreters.",
    "agentfx.notebook.",
    "agentfx.cluster.",
    "asyncio.",
    "concurrent.",
)


class UserError(AgentfxError):
    """A mistake in a cell; the message says what to do."""


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
