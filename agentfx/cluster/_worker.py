"""A worker process: runs the jobs that the services hand it."""

import asyncio
import logging
import os
import platform
import re
import signal
import sys
from pathlib import Path
from secrets import token_hex
from typing import Any

import psutil

from agentfx._clock import Clock, SystemClock
from agentfx._errors import AgentfxError
from agentfx.algebra import AnyTask, failure_schemas
from agentfx.backends import CallError, Connection, LinkLostError
from agentfx.cluster._bundle import BundleError, load_bundle, tasks_of
from agentfx.cluster._executor import Executor
from agentfx.cluster._home import Home
from agentfx.cluster._options import RESTART_ME, WorkerOptions
from agentfx.cluster._output import Outputs, capture
from agentfx.interpreters import ServiceError, let_ask
from agentfx.jobs import home_of
from agentfx.wire import ABSENT, Json, packed, unpacked

DRAIN_SECONDS = 30.0
OUTPUT_SECONDS = 0.05
RESEND_SECONDS = 2.0
RETRY_SECONDS = 0.02
MISSING_SECONDS = 1.0
_LABEL = re.compile(r"\w[\w.-]{0,63}", re.ASCII)


def run_worker(options: WorkerOptions) -> int:
    """Serve until SIGTERM; the exit status."""
    if not _LABEL.fullmatch(options.label):
        raise LabelError(
            f"{options.label!r} is no name for a worker: write letters, digits, - and _, as in w1"
        )
    os.environ.pop("III_WORKER_NAME", None)  # it would override the worker's own name
    outputs = Outputs()
    capture(outputs)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(name)s: %(message)s")
    for noisy in ("iii", "websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    sys.path[:0] = [entry for entry in options.path if entry not in sys.path]
    return asyncio.run(_Worker(options, SystemClock(), outputs).run())


class LabelError(AgentfxError):
    """A worker cannot have this label, or another one has it."""


class _Worker:
    """Everything of one worker; runs on the main thread's loop, beside the SDK's."""

    def __init__(self, options: WorkerOptions, clock: Clock, outputs: Outputs) -> None:
        self._options, self._clock, self._outputs = options, clock, outputs
        self._id = f"{options.label}.{token_hex(4)}"
        self._home = Home(Path(options.home)) if options.home is not None else None
        self._generation = 0
        self._draining = False
        self._leave = asyncio.Event()
        self._refusal: str | None = None
        self._begun, self._has_said = clock.monotonic(), False
        self._arrived: dict[str, str] = {}  # jobs by start, on their way to the main loop
        self._brought: dict[str, AnyTask] = {}
        self._loaded: dict[str, AnyTask] = {}
        self._bundles: dict[str, dict[str, AnyTask]] = {}

    async def run(self) -> int:
        for module in self._options.modules:
            self._brought.update(_imported(module))
        self._loop = asyncio.get_running_loop()
        self._executor = Executor(
            self._options.label, self._options.slots, self._find, self._clock, self._report
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._leave.set)
        self._connection = await Connection.connect(
            self._options.url, self._options.token, self._id
        )
        let_ask(self._call)
        self._connection.serve(self._function, self._hear, metadata={"internal": True})
        self._connection.on_change(self._link_changed)
        await self._hello()
        beside = [asyncio.ensure_future(w) for w in (self._forward_output(), self._look_after())]
        leaving = [asyncio.ensure_future(e.wait()) for e in (self._leave, self._executor.stuck)]
        await asyncio.wait(leaving, return_when=asyncio.FIRST_COMPLETED)
        status = 0 if self._leave.is_set() else RESTART_ME
        await self._drain()
        for task in (*beside, *leaving):
            task.cancel()
        await self._connection.close()
        if self._refusal is not None:
            raise LabelError(self._refusal)
        return status

    @property
    def _function(self) -> str:
        return f"agentfx::exec::{self._id}"

    # The services, on the SDK's thread

    async def _hear(self, message: Json) -> Json:
        # Only the answer to a hello raises it: whoever calls us could name any number.
        if message["gen"] < self._generation:
            raise RuntimeError(f"services of generation {self._generation} took over")
        if message.get("back"):  # the services were restarted, our link was not
            self._loop.call_soon_threadsafe(self._say_hello_soon)
            return None
        if message.get("ping"):
            # Answered here: a task that keeps the main loop busy does not make a worker silent,
            # and what waits for that loop is no less held. First what moves from here to there.
            arrived = list(self._arrived.items())
            return {"held": list(dict.fromkeys((*arrived, *self._executor.held())))}
        starts = unpacked(message, "starts")
        self._arrived.update((item["start"], item["id"]) for item in starts)
        self._loop.call_soon_threadsafe(self._take, message, starts)
        return None

    def _take(self, message: Json, starts: list[Json]) -> None:
        try:
            for start in unpacked(message, "confirm"):
                self._executor.confirm(start)
            for start in unpacked(message, "stop"):
                self._executor.stop(start)
            for item in starts:
                self._executor.start(item)
        finally:  # what was not taken is missing at the next ping, and is sent again
            for item in starts:
                self._arrived.pop(item["start"], None)

    def _link_changed(self, is_open: bool) -> None:
        if is_open:
            self._loop.call_soon_threadsafe(self._say_hello_soon)

    def _say_hello_soon(self) -> None:
        self._saying_hello = asyncio.ensure_future(self._hello())

    async def _hello(self) -> None:
        """Say what this worker brings and holds; again after every reconnect."""
        while True:
            try:
                await self._connection.served(self._function, self._clock)
                answer = await self._connection.call("agentfx::worker::hello", self._greeting())
            except LinkLostError:
                return  # the next reconnect says hello
            except CallError as error:
                if error.code == "label_taken" and not self._generation:
                    self._refusal = error.message
                    self._leave.set()
                    return
                if self._leave.is_set():
                    return
                self._say_who_is_missing(error)
                await self._clock.sleep(0.05)  # the services are not there yet
                continue
            self._generation = max(self._generation, answer["gen"])
            self._resend()
            return

    def _say_who_is_missing(self, error: CallError) -> None:
        """Once, before this worker was ever heard: else nobody knows what it waits for."""
        if self._generation or self._has_said or error.code != "function_not_found":
            return
        if self._clock.monotonic() - self._begun > MISSING_SECONDS:
            self._has_said = True
            url = self._options.url
            print(  # noqa: T201 - in a terminal, or in the log of the cluster
                f"worker {self._options.label} waits: the engine at {url} has no agentfx "
                f"services; start them with `agentfx services --url {url}`",
                file=sys.stderr,
                flush=True,
            )

    def _greeting(self) -> Json:
        process = psutil.Process()
        return {
            "worker": self._id,
            "label": self._options.label,
            "host": platform.node(),
            "pid": process.pid,
            "born": process.create_time(),
            "slots": self._options.slots,
            "tasks": [_contract(task) for task in self._brought.values()],
            "home": self._home.mark if self._home is not None else None,
            "loaded": [_contract(task) for task in self._loaded.values()],
            "draining": self._draining,
            "held": [{"start": start, "job": job} for start, job in self._executor.held()],
        }

    def _report(self, outcomes: list[Json]) -> None:
        if outcomes:
            self._send_output()  # first: whoever watches a run looks no further than its end
            message = {"worker": self._id, "outcomes": packed(outcomes)}
            self._connection.send("agentfx::worker::outcomes", message)

    def _resend(self) -> None:
        self._report(self._executor.unconfirmed())

    # Tasks

    def _find(self, task: str, code: str | None) -> AnyTask | None:
        home = self._home
        if code is not None and (home is None or home_of(code) != home.mark):
            return self._brought.get(task)  # of a driver elsewhere: we bring the task ourselves
        if code is not None and home is not None:
            if code not in self._bundles:
                self._bundles[code] = load_bundle(home, code)
                self._loaded.update(self._bundles[code])
                brings = [_contract(task) for task in self._bundles[code].values()]
                message = {"worker": self._id, "tasks": brings}
                self._connection.send("agentfx::worker::brings", message)
            if task in self._bundles[code]:
                return self._bundles[code][task]
        return self._brought.get(task) or self._loaded.get(task)

    async def _call(self, function_id: str, data: Json) -> Json:
        """See `Ask`: again after a lost link, for as long as this worker lives."""
        while True:
            try:
                return await self._connection.call(function_id, data)
            except LinkLostError:
                await self._clock.sleep(RETRY_SECONDS)
            except CallError as error:
                if not (error.code in ABSENT and function_id.startswith("agentfx::")):
                    raise ServiceError(error.code, error.message) from None
                await self._clock.sleep(RETRY_SECONDS)

    # Beside the jobs

    async def _forward_output(self) -> None:
        while True:
            await self._clock.sleep(OUTPUT_SECONDS)
            self._send_output()

    def _send_output(self) -> None:
        lines = [{"job": job, "text": text} for job, text in self._outputs.take()]
        if lines:
            self._connection.send("agentfx::worker::output", {"worker": self._id, "lines": lines})

    async def _look_after(self) -> None:
        while True:
            await self._clock.sleep(RESEND_SECONDS)
            self._executor.sweep()
            self._resend()

    async def _drain(self) -> None:
        """Take nothing new, finish what runs, say goodbye."""
        self._draining = True
        await self._ask("agentfx::worker::drain")
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._executor.idle.wait()
                while self._executor.unconfirmed():
                    await self._clock.sleep(0.01)
        except TimeoutError:
            await self._executor.cancel()
        self._send_output()
        await self._ask("agentfx::worker::bye")

    async def _ask(self, function_id: str) -> None:
        try:
            await self._connection.call(function_id, {"worker": self._id}, timeout_seconds=2.0)
        except (CallError, LinkLostError):
            return  # without services there is nobody to tell


def _imported(module: str) -> dict[str, AnyTask]:
    try:
        return tasks_of(module)
    except Exception as error:
        raise BundleError(
            f"cannot import {module}, whose tasks a worker should have: {type(error).__name__}: "
            f"{error}; name a module that imports in {os.getcwd()}"  # noqa: PTH109 - as a text
        ) from error


def _contract(task: AnyTask) -> dict[str, Any]:
    return {
        "id": task.id,
        "description": (task.function.__doc__ or "").strip().partition("\n")[0] or None,
        "request_format": task.contract.request_schema,
        "response_format": task.contract.response_schema,
        "errors": failure_schemas(task.options.raises),
        "at_most_once": task.at_most_once,
        "timeout_seconds": task.options.timeout_seconds,
    }
