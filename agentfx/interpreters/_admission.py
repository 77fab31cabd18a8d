"""What can be run at all: asked before anything is started for it."""

from typing import Any

from agentfx.algebra import Effect, Stream, brief, is_task
from agentfx.interpreters._walk import table_of


def admit(program: object, env: Any, run_id: object = None) -> None:
    """Refuse what cannot be run.

    Raises:
        TypeError: It is no program, no environment, or no run id.
    """
    shown = brief(program)
    if isinstance(program, Stream):
        raise TypeError(f"{shown} is a stream, not yet an effect: add .to_list()")
    if not isinstance(program, Effect):
        instead = "a program is a call of a task, fx.for_each(…), fx.succeed(…)"
        if is_task(program) or callable(program):
            instead = f"call it, such as {getattr(program, '__name__', 'it')}(…)"
        raise TypeError(f"{shown} is not a program that can be run: {instead}")
    if run_id is not None and not isinstance(run_id, str):
        raise TypeError(f"a run id is text, not {brief(run_id)}: give run_id={str(run_id)!r}")
    table_of(env)
