"""What people see of a defect in a program: their own frames, or the one line that we say of it."""

from types import TracebackType

_SPEAKING = ("agentfx.algebra.", "agentfx.interpreters.")
_MISTAKES = (TypeError, ValueError, LookupError)
_MACHINERY = (
    "agentfx.interpreters.",
    "agentfx.notebook.",
    "agentfx.cluster.",
    "agentfx.cli.",
    "agentfx.streams.",
    "typer.",
    "click.",
    "asyncio.",
    "concurrent.",
    "importlib.",
)


def said_by_us(error: BaseException) -> str | None:
    """What agentfx itself says of a mistake in a program, None if the error is another one."""
    trace, module = error.__traceback__, ""
    while trace is not None:
        module = _module_of(trace)
        trace = trace.tb_next
    if type(error) not in _MISTAKES or not f"{module}.".startswith(_SPEAKING):
        return None
    notes: list[str] = getattr(error, "__notes__", [])
    where = "".join(f" ({note.removeprefix('agentfx: ')})" for note in notes)
    return f"{error}{where}"


def without_own_frames(error: BaseException) -> BaseException:
    """Drop frames of the machinery from a traceback: the user's own are left, if there are any."""
    frames: list[TracebackType] = []
    trace = error.__traceback__
    while trace is not None:
        if not f"{_module_of(trace)}.".startswith(_MACHINERY):
            frames.append(trace)
        trace = trace.tb_next
    if not frames:  # a defect of ours: all of it is needed
        return error
    kept: TracebackType | None = None
    for frame in reversed(frames):
        kept = TracebackType(kept, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return error.with_traceback(kept)


def _module_of(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", ""))
