"""`run_dist` and what goes with it: which backend, which run, and listings."""

import importlib
import inspect
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, Never, TypeGuard, overload

from typing_extensions import TypeVar

from agentfx._clock import SystemClock
from agentfx._errors import AgentfxError
from agentfx.algebra import AnyEffect, DistEnv, Effect, Exit, Stream, tasks
from agentfx.cluster._cluster import Engine, enclosing, local, open_engine
from agentfx.cluster._find import ClusterError, find_engine
from agentfx.cluster._home import Home
from agentfx.interpreters import Backend, Run, RunDriver, admit, run_sync
from agentfx.jobs import new_run_id

A = TypeVar("A")
E = TypeVar("E")
R = TypeVar("R")


@overload
async def run_dist(
    program: Effect[A, E, Never],
    *,
    backend: Backend | None = None,
    run_id: str | None = None,
    fresh: bool = False,
) -> Exit[A, E]: ...
@overload
async def run_dist(
    program: Effect[A, E, R],
    env: DistEnv[R],
    *,
    backend: Backend | None = None,
    run_id: str | None = None,
    fresh: bool = False,
) -> Exit[A, E]: ...
async def run_dist(
    program: Effect[A, E, Any],
    env: Any = None,
    *,
    backend: Backend | None = None,
    run_id: str | None = None,
    fresh: bool = False,
) -> Exit[A, E]:
    """Run a program on an engine: its tasks are durable jobs, its driver steps journaled.

    Args:
        program: What to run.
        env: The capabilities that it needs, such as `LLM.of(impl) | DB.of(db)`.
        backend: A cluster or connection; without it the enclosing one, else `III_URL`, else
            this folder's running cluster, else a local cluster started for this run.
        run_id: A new id starts a run; a known one goes on with it, attaches to its live driver,
            or gives the recorded result.
        fresh: Start a known run over: what it has on record is deleted first.

    Returns:
        `Ok(value)` or `Err(failure)`. Exceptions that nobody declared are raised unchanged; the
        run can be resumed then.
    """
    admit(program, env, run_id)
    async with chosen(backend) as engine:
        return await _driver(program, env, engine, run_id, fresh=fresh).run()


@overload
async def start(
    program: Effect[A, E, Never],
    *,
    backend: Backend | None = None,
    run_id: str | None = None,
    fresh: bool = False,
) -> Run[A, E]: ...
@overload
async def start(
    program: Effect[A, E, R],
    env: DistEnv[R],
    *,
    backend: Backend | None = None,
    run_id: str | None = None,
    fresh: bool = False,
) -> Run[A, E]: ...
async def start(
    program: Effect[A, E, Any],
    env: Any = None,
    *,
    backend: Backend | None = None,
    run_id: str | None = None,
    fresh: bool = False,
) -> Run[A, E]:
    """Start a run, and go on without waiting for its end; arguments as for `run_dist`.

    Raises:
        ClusterError: No backend is given, and none encloses the call.
    """
    engine = backend or enclosing.get()
    if engine is None:
        raise ClusterError("give start a backend=, or call it inside `async with fx.local()`")
    return await Run.start(_driver(program, env, engine, run_id, fresh=fresh), engine)


def _driver(
    program: AnyEffect, env: Any, engine: Backend, run_id: str | None, *, fresh: bool
) -> RunDriver:
    clock = SystemClock()
    chosen_id = run_id or new_run_id(clock.wall(), token_hex(3))
    name = name_of_program(program)
    return RunDriver(engine, chosen_id, program, env, name, clock, fresh=fresh)


@asynccontextmanager
async def chosen(backend: Backend | None) -> AsyncGenerator[Backend]:
    """The backend to use; one that is opened here is closed again. It says which it is."""
    outer = backend or enclosing.get()
    if outer is not None:
        yield outer
        return
    found = find_engine(None, None, Home.of())
    if found is not None:
        _say(f"running on {found.url} ({found.how})")
        async with await open_engine(found, SystemClock()) as engine:
            yield engine
        return
    async with local() as cluster:
        _say(f"running on a local cluster started for this run, store in {Home.of().path}")
        yield cluster


@cache
def _say(text: str) -> None:
    """Say something, once."""
    print(f"agentfx: {text}", file=sys.stderr)  # noqa: T201 - said wherever the user looks


@overload
def run_dist_sync(program: Effect[A, E, Never], *, run_id: str | None = None) -> Exit[A, E]: ...
@overload
def run_dist_sync(
    program: Effect[A, E, R], env: DistEnv[R], *, run_id: str | None = None
) -> Exit[A, E]: ...
def run_dist_sync(
    program: Effect[A, E, Any], env: Any = None, *, run_id: str | None = None
) -> Exit[A, E]:
    """`run_dist` for scripts, and for cells without `await`."""
    return run_sync(lambda: run_dist(program, env, run_id=run_id))


class ProgramError(AgentfxError):
    """There is no such run or program."""


async def resume(
    run_id: str,
    program: AnyEffect | None = None,
    env: Any = None,
    *,
    backend: Backend | None = None,
) -> Exit[Any, Any]:
    """Go on with a run.

    Args:
        run_id: Of the run.
        program: As it was started; not needed where the run has stored `module:attribute`.
        env: Its capabilities.
        backend: As for `run_dist`.

    Raises:
        ProgramError: There is no such run, or only its notebook has its program.
    """
    if program is not None:
        admit(program, env, run_id)
    async with chosen(backend) as engine:
        name: str | None = None
        if program is None:
            name = await _stored_name(engine, run_id)
            program = load_program(name)
        driver = RunDriver(engine, run_id, program, env, name, SystemClock())
        return await driver.run()


async def _stored_name(engine: Backend, run_id: str) -> str:
    row = await engine.request("run::get", {"run": run_id}) if isinstance(engine, Engine) else None
    if row is None:
        raise ProgramError(f"no run {run_id}: `agentfx runs` lists them")
    if row["program"] is None:
        raise ProgramError(
            f"only its notebook or script has the program of run {run_id}: give it, "
            f"resume({run_id!r}, program)"
        )
    return str(row["program"])


async def cancel(run_id: str, *, backend: Backend | None = None) -> int:
    """Cancel a run; how many of its jobs still run, having been asked to stop."""
    async with chosen(backend) as engine:
        return await engine.cancel_run(run_id)


def runs(limit: int = 1000) -> list[dict[str, Any]]:
    """Recent runs, newest first."""
    found: list[dict[str, Any]] = run_sync(lambda: _request("runs::list", {"limit": limit}))
    return found


def prune(keep: int = 1000, days: float = 7.0) -> int:
    """Delete ended runs beyond a number or an age; how many went."""
    gone: int = run_sync(lambda: _request("runs::prune", {"keep": keep, "days": days}))
    return gone


async def _request(name: str, data: dict[str, Any]) -> Any:
    async with chosen(None) as engine:
        if not isinstance(engine, Engine):
            raise TypeError("this needs an engine, not another backend")
        return await engine.request(name, data)


def name_of_program(program: AnyEffect) -> str | None:
    """`module:attribute` of a program that a module has, None for one that only runs here."""
    for module in {task.function.__module__ for task in tasks()} - {"__main__"}:
        for name, value in vars(sys.modules.get(module, object)).items():
            if value is program:
                return f"{module}:{name}"
    return None


def load_program(name: str) -> AnyEffect:
    """The program that `module:attribute` names; a function of no arguments is called.

    Raises:
        ProgramError: There is none.
    """
    module, _, attribute = name.partition(":")
    if not module or not attribute:
        raise ProgramError(f"{name} names no program: write MODULE:PROGRAM")
    if "/" in module or module.endswith(".py"):
        meant = ".".join(part for part in Path(module).with_suffix("").parts if part != "/")
        raise ProgramError(f"{name} names a file: name its module, such as {meant}:{attribute}")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ProgramError(
            f"no program {name}: {error}; name it MODULE:ATTRIBUTE, with a module that can be "
            "imported from this folder"
        ) from None
    if inspect.iscoroutinefunction(found):
        raise ProgramError(f"{name} is an async function: make the program in a plain one")
    made = found() if _makes(found) else found
    if isinstance(made, Stream):
        raise ProgramError(f"{name} is a stream, not yet a program: add .to_list()")
    if not is_program(made):
        raise ProgramError(
            f"{name} is no program, but {type(made).__name__}: name an effect, or a function "
            "without parameters that returns one"
        )
    return made


def _makes(found: Any) -> bool:
    """Whether it is a function without parameters that have to be given."""
    if is_program(found) or not callable(found):
        return False
    parameters = inspect.signature(found).parameters.values()
    given = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(p.default is not p.empty or p.kind in given for p in parameters)


def is_program(value: object) -> TypeGuard[AnyEffect]:
    """Whether a value is an effect."""
    return isinstance(value, Effect)
