"""Running programs from cells, with a panel that shows how they go."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.algebra import AnyEffect, Err, Exit, Ok, brief
from agentfx.cluster import Cluster, Engine, load_program
from agentfx.interpreters import BackendError, RunCancelledError, run_memory
from agentfx.jobs import Told
from agentfx.jobs._event import Event
from agentfx.notebook._clicks import click_notice
from agentfx.notebook._errors import UserError
from agentfx.notebook._identity import CellKey, unfinished
from agentfx.notebook._kit import KernelRun, Kit
from agentfx.notebook._listings import where
from agentfx.notebook._log import plain
from agentfx.notebook._loop import WAKE_SECONDS, awaited
from agentfx.notebook._outline import Stage, name_of, outline
from agentfx.notebook._panel import RunPanel
from agentfx.notebook._replay import More
from agentfx.notebook._screen import Screen
from agentfx.notebook._view import View
from agentfx.notebook._watch import (
    PACE_SECONDS,
    POLL_SECONDS,
    Following,
    Pace,
    keep_looking,
    look_around,
    read_events,
)

LAST_EVENTS_SECONDS = 3.0
WRITE_SECONDS = 3.0
MOST_RUNS = 1000
RESULT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class DistOptions:
    """How a cell runs a program on an engine.

    Attributes:
        run_id: New or known; without it a cell goes on with its own unfinished run.
        fresh: Start over.
        workers: How many a cluster of this folder has at least, None for some.
        cell: Whose run it is, None for one that no cell has.
    """

    run_id: str | None = None
    fresh: bool = False
    workers: int | None = None
    cell: CellKey | None = None


@dataclass(slots=True)
class Watched:
    """A run that a cell watches.

    Attributes:
        exit: How it ends; done when the panel shows the end as well.
        left: Done when somebody pressed "Stop watching".
        run: The run itself, to wait for or to cancel; None for one in memory.
    """

    run_id: str
    view: View
    panel: RunPanel
    exit: "Future[Exit[Any, Any]]"
    left: "Future[None]"
    run: KernelRun | None = None
    watching: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class _Chosen:
    """Which engine and which run, and what to tell about it."""

    engine: Engine
    run_id: str
    said: list[str] = field(default_factory=list[str])


class Runner:
    """Runs programs for cells.

    Args:
        kit: Of this kernel.
        screen: Where panels go.
    """

    def __init__(self, kit: Kit, screen: Screen) -> None:
        self._kit, self._screen = kit, screen
        self._memory: list[Told] = []

    # On an engine

    async def begin(
        self, program: AnyEffect, env: Any, options: DistOptions, *, detached: bool = False
    ) -> Watched:
        """Start a run and show its panel; awaited on the loop of the cell."""
        kit, mode = self._kit, "detached" if detached else "awaited"
        chosen = await awaited(kit.cluster.submit(self._choose(options)))
        watched = self._show_chosen(chosen, program, mode)
        loop = asyncio.get_running_loop()
        drive = self._drive(watched, chosen, program, env, options, loop)
        return await awaited(kit.cluster.submit(drive))

    def begin_blocking(
        self, program: AnyEffect, env: Any, options: DistOptions, *, detached: bool = False
    ) -> Watched:
        """See `begin`; for a cell that cannot await. Capabilities run on the driver's thread."""
        kit, mode = self._kit, "detached" if detached else "blocking"
        chosen = kit.call(self._choose(options))
        watched = self._show_chosen(chosen, program, mode)
        return kit.call(self._drive(watched, chosen, program, env, options, None))

    def _show_chosen(self, chosen: _Chosen, program: AnyEffect, mode: str) -> Watched:
        for line in chosen.said:
            self._screen.say(line)
        return self._show(chosen.run_id, chosen.engine, outline(program), mode)

    async def _drive(
        self,
        watched: Watched,
        chosen: _Chosen,
        program: AnyEffect,
        env: Any,
        options: DistOptions,
        loop: asyncio.AbstractEventLoop | None,
    ) -> Watched:
        watched.run = await self._kit.drive(
            program, env, chosen.engine, chosen.run_id, fresh=options.fresh, loop=loop
        )
        watched.run.shown = watched.exit
        watching = self._watch(watched, chosen.engine)
        watched.watching = asyncio.ensure_future(watching)
        return watched

    async def _choose(self, options: DistOptions) -> _Chosen:
        kit = self._kit
        known = kit.engine_in_use
        engine = await kit.engine_with_workers(options.workers)
        chosen = _Chosen(engine, options.run_id or "")
        if known is None:
            chosen.said.append(f"running on {where(engine)}")
        if chosen.run_id:
            return chosen
        wall = kit.clock.wall()
        if options.cell is None:
            chosen.run_id = CellKey("", "").new_run(wall, token_hex(3)).rstrip("-")
            return chosen
        chosen.run_id = options.cell.new_run(wall, token_hex(3))
        same, other = unfinished(
            await engine.request("runs::list", {"limit": MOST_RUNS}), options.cell
        )
        if same is not None and not options.fresh:
            chosen.run_id = same
            chosen.said.append(
                f"this cell's unfinished run {same} goes on: finished steps are not run again "
                "(--fresh starts over)"
            )
        elif same is not None:
            chosen.run_id = same
        elif other is not None:
            chosen.said.append(
                f"the cell was changed, so this is a new run; {other} is not finished: "
                f"%resume {other} PROGRAM goes on with it"
            )
        return chosen

    def _show(
        self, run_id: str, engine: Engine | None, stages: tuple[Stage, ...], mode: str
    ) -> Watched:
        view = View(run_id, "dist" if engine is not None else "memory", stages)
        foreign = engine is not None and not isinstance(engine, Cluster)
        watching = mode != "detached" and engine is not None
        view.note(
            name=name_of(stages), notice=click_notice(mode), watched=watching or None,
            foreign=foreign or None,
        )  # fmt: skip
        left: Future[None] = Future()
        more = _events_of(engine, run_id) if engine is not None else self._remembered
        panel = RunPanel(self._kit, view, more, engine, lambda: _set(left))
        self._screen.show(panel.widget, view.snapshot())
        return Watched(run_id, view, panel, Future(), left)

    async def _watch(self, watched: Watched, engine: Engine) -> None:
        """Bring the panel up to date until the run has ended, and on from there."""
        kit, view, panel, driven = self._kit, watched.view, watched.panel, watched.run
        assert driven is not None  # noqa: S101 - set before
        following = Following(engine, view, Pace(kit.clock, PACE_SECONDS), panel.push)
        tasks = [
            asyncio.ensure_future(work)
            for work in (
                following.follow(), panel.keep_pushing(POLL_SECONDS), self._keep_writing(watched)
            )
        ]  # fmt: skip
        looking = asyncio.ensure_future(keep_looking(engine, view, kit.clock, panel.push))
        notice: str | None = None
        try:
            ended = asyncio.wrap_future(driven.exit)
            await asyncio.wait({ended})
            tasks[0].cancel()  # its rest would keep the cell waiting
            broken = None if ended.cancelled() else ended.exception()
            if broken is not None and not isinstance(broken, AgentfxError):
                notice = (
                    f"stopped here by {type(broken).__name__}: mend it and run the cell again, "
                    "which goes on from here"
                )
            elif broken is None and not ended.cancelled():
                view.result(result_text(ended.result()))
            last = [look_around(engine, view)]
            if not ended.cancelled() and isinstance(broken, RunCancelledError | None):
                last.append(following.finish())
            with suppress(BackendError, TimeoutError):
                async with asyncio.timeout(LAST_EVENTS_SECONDS):
                    await asyncio.gather(*last)
        finally:
            for task in tasks:
                task.cancel()
            view.note(watched=None, notice=notice)
            panel.finish()
            self._screen.update(panel.widget, view.snapshot())
            settle(watched.exit, driven.exit)
            looking.cancel()

    async def _keep_writing(self, watched: Watched) -> None:
        """Write now and then what would be left if the kernel died."""
        while True:
            await self._kit.clock.sleep(WRITE_SECONDS)
            self._screen.update(watched.panel.widget, watched.view.snapshot())

    async def outcome(self, watched: Watched) -> Exit[Any, Any] | None:
        """Wait for a run; None if somebody stopped watching, which does not stop the run."""
        try:
            mine = asyncio.wrap_future(watched.exit)
            left = asyncio.wrap_future(watched.left)
            either: set[asyncio.Future[Any]] = {mine, left}
            while not mine.done() and not left.done():
                # Wake now and then: a kernel's Interrupt only queues a callback on the loop.
                await asyncio.wait(
                    either, timeout=WAKE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
        except asyncio.CancelledError:
            self._stop_watching(watched)
            return None
        if mine.done():
            return mine.result()
        self._stop_watching(watched)
        return None

    def outcome_blocking(self, watched: Watched) -> Exit[Any, Any] | None:
        """See `outcome`; for a cell that cannot await."""
        try:
            return watched.exit.result()
        except KeyboardInterrupt:
            self._stop_watching(watched)
            return None

    def _stop_watching(self, watched: Watched) -> None:
        watched.view.note(watched=None)
        self._screen.say(
            f"stopped watching; run {watched.run_id} goes on: `%resume {watched.run_id}` waits "
            "for it again"
        )

    # In this process

    def _note_into(self, view: View) -> Callable[[Event], None]:
        def note(event: Event) -> None:
            told = Told.of(event.model_dump())
            self._memory.append(told)
            view.apply([told])

        return note

    async def _remembered(self, after: int) -> list[Told]:
        return self._memory[after : after + 1000]  # numbered from 1

    async def memory(self, program: AnyEffect, env: Any) -> Exit[Any, Any]:
        """Run a program in this process, on the loop of the cell."""
        watched = self._show("", None, outline(program), "memory")
        pushing = self._kit.cluster.submit(watched.panel.keep_pushing())
        running = asyncio.ensure_future(
            run_memory(program, env, observe=self._note_into(watched.view))
        )
        try:
            while not running.done():
                await asyncio.wait({running}, timeout=WAKE_SECONDS)
            broken = None if running.cancelled() else running.exception()
            if broken is not None:
                watched.view.note(notice=f"stopped here by {type(broken).__name__}")
            exit_ = running.result()
            watched.view.result(result_text(exit_))
            watched.view.failed_at(exit_.at if isinstance(exit_, Err) else None)
            return exit_
        finally:
            running.cancel()
            pushing.cancel()
            watched.panel.finish()
            self._screen.update(watched.panel.widget, watched.view.snapshot())


def _events_of(engine: Engine, run_id: str) -> More:
    return lambda after: read_events(engine, run_id, after)


def _set(left: "Future[None]") -> None:
    if not left.done():
        left.set_result(None)


def settle(mine: "Future[Any]", theirs: "Future[Any]") -> None:
    """End a future as another one ended."""
    if theirs.cancelled():
        mine.cancel()
    elif (error := theirs.exception()) is not None:
        mine.set_exception(error)
    else:
        mine.set_result(theirs.result())


def result_text(exit_: Exit[Any, Any]) -> str:
    """How a run ended, in one line of a bounded length."""
    text = brief(exit_.value) if isinstance(exit_, Ok) else repr(exit_.error)
    return plain(text)[:RESULT_CHARACTERS]


async def program_of(kit: Kit, run_id: str, program: AnyEffect | None) -> AnyEffect:
    """The program to go on with: the one given, this kernel's, or the one that the run names.

    Raises:
        UserError: There is no such run, or only its notebook has its program.
    """
    program = program or kit.programs.get(run_id)
    if program is not None:
        return program
    driven = await kit.request("run::get", {"run": run_id})
    if driven is None:
        raise UserError(f"no run {run_id}: %runs lists them")
    if driven["status"] == "cancelled":
        raise UserError(f"run {run_id} was cancelled, and cannot go on: run its program anew")
    if driven["program"] is None:
        raise UserError(
            f"only a notebook has the program of run {run_id}: run its cell again, or give the "
            f"program, %resume {run_id} PROGRAM"
        )
    return load_program(driven["program"])
