"""The magics: each reads its arguments and calls a function that works without IPython."""

import asyncio
import os
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from IPython.core.error import UsageError

from agentfx._errors import AgentfxError
from agentfx.algebra import AnyEffect
from agentfx.harness import Session
from agentfx.interpreters import Run, run_memory_sync, said_by_us, without_own_frames
from agentfx.notebook import _contracts, _doctor, _listings, _status
from agentfx.notebook._arguments import PARSERS, MagicParser
from agentfx.notebook._cell import CellCode, checked, is_environment, named
from agentfx.notebook._effect import EffectTree, effect
from agentfx.notebook._errors import UserError, in_notebook_words, needed
from agentfx.notebook._identity import CellKey
from agentfx.notebook._kit import Kit
from agentfx.notebook._running import DistOptions, Runner, Watched, program_of
from agentfx.notebook._screen import print_in_cell, screen_of
from agentfx.notebook._transformer import PREFIX

LineOrCell = Callable[..., Any]
NO_EXPANSION = "_ipython_magic_no_var_expand"
AWAITED = frozenset({"run_memory", "run_dist", "resume"})
"""Magics with an awaited twin, called so where the cell can await."""
MOST_TOLD = 16
"""Panels that are told who asked for the end of a worker."""
_IDS = frozenset(
    {"at", "branch", "call", "job", "label", "left", "name", "right", "run_id", "session"}
)


def one_line(function: LineOrCell) -> LineOrCell:
    """Show what agentfx says of a mistake as one line; the user's own errors keep their trace."""

    def shown(line: str, cell: str | None = None) -> Any:
        __tracebackhide__ = True
        try:
            result = function(line, cell)
        except Exception as error:
            raise _for_people(error) from None
        return _later(result) if asyncio.iscoroutine(result) else result

    return shown


async def _later(work: Coroutine[Any, Any, Any]) -> Any:
    __tracebackhide__ = True
    try:
        return await work
    except Exception as error:
        raise _for_people(error) from None


def _for_people(error: Exception) -> BaseException:
    said = str(error) if isinstance(error, AgentfxError) else said_by_us(error)
    return without_own_frames(error) if said is None else UsageError(in_notebook_words(said))


def register(
    shell: Any, magics: object, parsers: Mapping[str, MagicParser], awaited: frozenset[str]
) -> list[tuple[str, str]]:
    """Make IPython know magics; (kind, name) of each.

    Args:
        shell: IPython's.
        magics: Has a method for each parser, and an awaited twin for some.
        parsers: What each magic takes; one whose help begins with `%%` may have a cell.
        awaited: Those with a twin.
    """
    made: list[tuple[str, str]] = []
    for name, parser in parsers.items():
        kind = "line_cell" if parser.prog.startswith("%%") else "line"
        for variant in ("", PREFIX) if name in awaited else ("",):
            method: Callable[..., Any] = getattr(magics, f"{variant}{name}")
            read = _reading(shell, parser, method)
            _add(shell, kind, f"{variant}{name}", parser.format_help(), read)
            kinds = ("line", "cell") if kind == "line_cell" else ("line",)
            made += [(each, f"{variant}{name}") for each in kinds]
    return made


def _reading(shell: Any, parser: MagicParser, method: Callable[..., Any]) -> LineOrCell:
    def read(line: str, cell: str | None = None) -> Any:
        args = parser.read(line)
        for field in _IDS & vars(args).keys():
            setattr(args, field, _id(shell, getattr(args, field)))
        return method(args, cell)

    return read


def _id(shell: Any, word: str | None) -> str | None:
    """An id as it was written, or `$name` for what has it."""
    if word is None or not word.startswith("$"):
        return word
    value = named(shell, word[1:])
    return value.id if isinstance(value, Run | Session) else str(value)


def _add(shell: Any, kind: str, name: str, help_text: str, function: LineOrCell) -> None:
    magic = one_line(function)
    magic.__name__, magic.__doc__ = name, help_text
    setattr(magic, NO_EXPANSION, True)  # braces belong to the cell
    shell.register_magic_function(magic, kind, name)


class NotebookMagics:
    """`%agentfx`, `%%run_dist` and the others.

    Args:
        shell: IPython's.
        kit: Of this kernel.
    """

    def __init__(self, shell: Any, kit: Kit) -> None:
        self._shell, self._kit = shell, kit
        self._cell_id = ""
        self._cells: dict[str, list[Watched]] = {}
        self._recent: deque[Watched] = deque(maxlen=MOST_TOLD)

    def register(self) -> list[tuple[str, str]]:
        """Make IPython know them; (kind, name) of each."""
        made = register(self._shell, self, PARSERS, AWAITED)
        _add(
            self._shell, "line", "effect", "Show a program's tree without running it.", self.effect
        )
        return [*made, ("line", "effect")]

    def before_cell(self, info: Any) -> None:
        """A cell is about to run: its former panels belong to output that is gone."""
        self._cell_id = str(info.cell_id or "")
        for watched in self._cells.pop(self._cell_id, []):
            watched.panel.close()

    @property
    def _runner(self) -> Runner:
        return Runner(self._kit, screen_of(self._shell))

    # Running

    def run_memory(self, args: Namespace, cell: str | None) -> Any:
        """See `agentfx.run_memory_sync`."""
        program, env = self._program_of(args, cell), self._value(args.env)
        return self._kept(args, run_memory_sync(program, env))

    async def _awaited_run_memory(self, args: Namespace, cell: str | None) -> Any:
        program = await self._program_awaited(args, cell)
        return self._kept(args, await self._runner.memory(program, self._value(args.env)))

    def run_dist(self, args: Namespace, cell: str | None) -> Any:
        """See `Runner.begin_blocking`."""
        program = self._program_of(args, cell)
        return self._block(args, program, self._options(args, cell, program))

    async def _awaited_run_dist(self, args: Namespace, cell: str | None) -> Any:
        program = await self._program_awaited(args, cell)
        return await self._wait(args, program, self._options(args, cell, program))

    def resume(self, args: Namespace, cell: str | None) -> Any:
        """See `agentfx.resume`."""
        return self._block(args, self._program_to_resume(args), DistOptions(run_id=args.run_id))

    async def _awaited_resume(self, args: Namespace, cell: str | None) -> Any:
        program = self._program_to_resume(args)
        return await self._wait(args, program, DistOptions(run_id=args.run_id))

    def _block(self, args: Namespace, program: AnyEffect, options: DistOptions) -> Any:
        runner, detached = self._runner, bool(getattr(args, "detach", False))
        env = self._value(args.env)
        watched = self._own(runner.begin_blocking(program, env, options, detached=detached))
        return self._kept(args, watched.run if detached else runner.outcome_blocking(watched))

    async def _wait(self, args: Namespace, program: AnyEffect, options: DistOptions) -> Any:
        runner, detached = self._runner, bool(getattr(args, "detach", False))
        env = self._value(args.env)
        watched = self._own(await runner.begin(program, env, options, detached=detached))
        return self._kept(args, watched.run if detached else await runner.outcome(watched))

    def _program_of(self, args: Namespace, cell: str | None) -> AnyEffect:
        if cell is not None:
            return CellCode(self._shell, _alone(args, cell)).run()
        return self._named_program(args)

    async def _program_awaited(self, args: Namespace, cell: str | None) -> AnyEffect:
        if cell is not None:
            return await CellCode(self._shell, _alone(args, cell)).run_awaited()
        return self._named_program(args)

    def _named_program(self, args: Namespace) -> AnyEffect:
        expression = needed(
            _expression(args), "which program: give its name, or an expression such as fetch(1)"
        )
        return checked(named(self._shell, expression), f"{expression} is")

    def _program_to_resume(self, args: Namespace) -> AnyEffect:
        given = self._named_program(args) if args.program else None
        return self._kit.call(program_of(self._kit, args.run_id, given))

    def _options(self, args: Namespace, cell: str | None, program: AnyEffect) -> DistOptions:
        notebook = os.environ.get("JPY_SESSION_NAME", "")
        source = cell if cell is not None else str(_expression(args))
        key = CellKey.of(notebook, self._cell_id or source, source, program)
        return DistOptions(args.run_id, args.fresh, args.workers, key)

    def _value(self, expression: str | None) -> Any:
        if expression is None:
            return None
        value: Any = named(self._shell, expression)
        if not is_environment(value):
            raise UserError(
                f"--env {expression}: that is a value of type {type(value).__name__}; give "
                "capabilities as LLM.of(implementation), several joined by |"
            )
        return value

    def _own(self, watched: Watched) -> Watched:
        self._recent.append(watched)
        # Without an id nobody can tell whether the next cell is this one again.
        if self._cell_id:
            self._cells.setdefault(self._cell_id, []).append(watched)
        return watched

    def _kept(self, args: Namespace, value: Any) -> Any:
        if args.out is None or value is None:
            return value
        self._shell.user_ns[args.out] = value
        return None

    # The cluster

    def agentfx(self, args: Namespace, cell: str | None) -> Any:
        """See `up`, `down`, `status` and `doctor`."""
        match args.what:
            case "up":
                return _status.up(
                    args.workers, tuple(args.tasks), slots=args.slots, url=args.url,
                    token=args.token, config=args.config, serve=tuple(args.serve), kit=self._kit,
                )  # fmt: skip
            case "down":
                return print_in_cell(
                    "ended" if _status.down(kit=self._kit) else "no cluster runs here"
                )
            case "doctor":
                return _doctor.doctor(kit=self._kit)
            case _:
                return _status.status(kit=self._kit)

    def workers(self, args: Namespace, cell: str | None) -> Any:
        """See `workers`, `spawn`, `kill` and `stop`."""
        match args.what:
            case "spawn":
                return print_in_cell(f"started {_listings.spawn(kit=self._kit)}")
            case "kill":
                label = needed(args.label, "which worker: %workers kill w1")
                for watched in self._recent:
                    watched.view.kill_asked(label)
                _listings.kill(label, kit=self._kit)
                return print_in_cell(f"killed {label}: tasks that it ran start elsewhere")
            case "stop":
                label = needed(args.label, "which worker: %workers stop w1")
                _listings.stop(label, kit=self._kit)
                return print_in_cell(f"{label} finished what it ran, and ended")
            case _:
                return _listings.workers(kit=self._kit)

    def runs(self, args: Namespace, cell: str | None) -> Any:
        """See `runs`."""
        return _listings.runs(args.limit, kit=self._kit)

    def queues(self, args: Namespace, cell: str | None) -> Any:
        """See `queues`."""
        return _listings.queues(kit=self._kit)

    def dlq(self, args: Namespace, cell: str | None) -> Any:
        """See `dead_letters`, `redrive` and `discard`."""
        if args.what == "list":
            return _listings.dead_letters(kit=self._kit)
        job = needed(args.job, f"which job: %dlq {args.what} JOB; %dlq lists them")
        act = _listings.redrive if args.what == "redrive" else _listings.discard
        return print_in_cell(act(job, kit=self._kit))

    def events(self, args: Namespace, cell: str | None) -> Any:
        """See `events`."""
        return _listings.events(args.run_id, kit=self._kit)

    def contracts(self, args: Namespace, cell: str | None) -> Any:
        """See `contracts`."""
        return _contracts.contracts(kit=self._kit)

    def effect(self, line: str, cell: str | None) -> EffectTree:
        """See `effect`."""
        expression = needed(line.strip() or None, "which program: %effect program")
        return effect(checked(named(self._shell, expression), f"{expression} is"))


def _expression(args: Namespace) -> str | None:
    return " ".join(args.program) or None


def _alone(args: Namespace, cell: str) -> str:
    if args.program:
        raise UserError(
            f"two programs, {_expression(args)} on the line and the cell: with a name on the line "
            "write one %, with a cell only options"
        )
    return cell
