"""Durable jobs of functions that are no tasks: a worker within the services calls them.

To dispatch it is a worker like any other, with slots, pings and outcomes, so nothing about
queueing, recovery or records is said twice. Its work is a call over the host. Why it is here and
not in agentfx's workers: docs/design/0010-foreign-jobs.md.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable

from agentfx.jobs import Worker, task_error
from agentfx.services._host import DEFAULT_NAMESPACE, FunctionError
from agentfx.services.dispatch._core import Core, exec_id
from agentfx.services.dispatch._messages import Functions, Outcome, Outcomes
from agentfx.wire import ABSENT, Json, declared_errors, failure_in, unpacked

SLOTS = 256
"""Calls under way at once; they cost this process next to nothing."""
LABEL = "remote"
_NOT_CALLED = ("agentfx::exec::", "agentfx::driver::")
"""By which services reach workers and drivers, under ids that are never used again."""


class Foreign:
    """Calls functions of other workers, as a worker.

    Args:
        core: Of the services.
        report: Puts outcomes on record.
    """

    def __init__(
        self, core: Core, report: Callable[[Outcomes, str | None], Awaitable[Json]]
    ) -> None:
        self._core, self._report = core, report
        self._held: dict[str, str] = {}  # jobs by start
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._additions, self._came = 0, dict[str, int]()

    async def start(self) -> None:
        """Join as a worker; the generation of the services is known by now."""
        core = self._core
        self._id = f"{LABEL}.{core.generation}"
        core.labels[self._id] = LABEL
        core.host.serve(exec_id(self._id), self._hear, metadata={"internal": True})
        core.host.on_function_added(self._added)
        now = core.clock.monotonic()
        worker = Worker(self._id, SLOTS, frozenset(), home=None, heard_at=now, foreign=True)
        core.apply(core.dispatch.joined(worker, []))
        for task in {j.route.task for j in core.dispatch.jobs.values() if j.route.is_foreign}:
            await self._look_for(task)

    # Which functions there are

    def _added(self, namespace: str, function_id: str) -> None:
        if namespace == DEFAULT_NAMESPACE and not function_id.startswith(_NOT_CALLED):
            self._additions += 1
            self._came[function_id] = self._additions
            self._brings(function_id)

    def _brings(self, function_id: str) -> None:
        self._core.apply(self._core.dispatch.brings(self._id, [function_id]))

    async def unserved(self, message: Functions, caller: str | None) -> Json:
        """Those of some functions that nobody has registered."""
        return [task for task in message.functions if not await self._look_for(task)]

    async def _look_for(self, task: str) -> bool:
        # It may have been there before the services were, and may be gone without a word.
        found = await self._info(task) is not None
        if found:
            self._brings(task)
        return found

    async def _info(self, function_id: str) -> Json:
        try:
            return await self._core.host.call(
                "engine::functions::info", {"function_id": function_id}
            )
        except FunctionError:
            return None

    # What dispatch says

    async def _hear(self, message: Json, caller: str | None) -> Json:
        if message.get("ping"):
            return {"held": [[start, job] for start, job in self._held.items()]}
        for start in unpacked(message, "confirm"):
            self._held.pop(start, None)
        for start in unpacked(message, "stop"):
            self._stop(start)
        for item in unpacked(message, "starts"):
            self._held[item["start"]] = item["id"]
            self._calls[item["start"]] = self._core.tasks.spawn(self._run(item))
        return None

    def _stop(self, start: str) -> None:
        self._held.pop(start, None)
        call = self._calls.pop(start, None)
        if call is not None:
            call.cancel()  # the function itself cannot be called back

    async def _run(self, item: Json) -> None:
        start, job_id = item["start"], item["id"]
        begun, known = self._core.clock.monotonic(), self._additions
        try:
            outcome = await self._outcome(item)
        except FunctionError:
            self._held.pop(start, None)
            self._core.apply(self._core.dispatch.let_go(self._id, start, item["task"]))
            if self._came.get(item["task"], 0) > known:  # it is back already
                self._brings(item["task"])
            return
        finally:
            self._calls.pop(start, None)
        text, error, dead = outcome
        ms = round((self._core.clock.monotonic() - begun) * 1000, 3)
        row = Outcome(start, job_id, text, ms, error, dead)
        await self._report(Outcomes(self._id, [row]), None)

    async def _outcome(self, item: Json) -> tuple[str, str | None, bool]:
        """Outcome, failure in one line, and whether the job is dead.

        Raises:
            FunctionError: Nobody has the function now; the job waits for it.
        """
        task, seconds = item["task"], item["timeout_seconds"]
        try:
            async with asyncio.timeout(seconds):
                answer = await self._core.host.call(task, json.loads(item["input"]))
        except TimeoutError:
            message = f"no answer within {seconds:g} s"
            return task_error(task, "timeout", message), f"timeout: {message}", True
        except FunctionError as error:
            if error.code in ABSENT:
                raise
            return await self._failed(task, error)
        value = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
        return json.dumps({"ok": value}), None, False

    async def _failed(self, task: str, error: FunctionError) -> tuple[str, str, bool]:
        failure = failure_in(error.code, error.message)
        if failure is not None:
            info = await self._info(task)
            if info is not None and failure[0] in declared_errors(info.get("metadata")):
                wire = {"err": failure[0], "value": failure[1], "declared": True}
                return json.dumps(wire), " ".join(failure)[:500], False
        return task_error(task, "crashed", str(error)), f"crashed: {error}"[:500], True
