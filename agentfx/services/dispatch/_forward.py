"""Every task under its own id, for callers of any language: replicas and failover.

An iii function has one owner. The services own the ids of all tasks and hand calls to a live
worker; when that worker is lost, a task runs elsewhere.
"""

import asyncio
import itertools
from secrets import token_hex

import orjson

from agentfx.jobs import Job
from agentfx.services._host import FunctionError, Handler
from agentfx.services.dispatch._core import CALL, Core
from agentfx.services.dispatch._messages import Contract
from agentfx.wire import ERRORS, Json, is_object


class Forward:
    """Registers the ids of tasks while a worker brings them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._served: dict[str, Contract] = {}
        self._brought: dict[str, set[str]] = {}
        self._calls = itertools.count(1)
        self._life = token_hex(4)

    def publish(self, worker_id: str, contracts: list[Contract]) -> None:
        """A worker brings these tasks."""
        self._brought.setdefault(worker_id, set()).update(contract.id for contract in contracts)
        for contract in contracts:
            if contract.id not in self._served:
                self._serve(contract)

    def withdraw(self, worker_id: str) -> None:
        """A worker is gone; tasks that nobody else brings are no longer functions."""
        gone = self._brought.pop(worker_id, set())
        still = set[str]().union(*self._brought.values())
        for task in gone - still:
            if self._served.pop(task, None) is not None:
                self._core.host.withdraw(task)

    def _serve(self, contract: Contract) -> None:
        try:
            self._core.host.serve(
                contract.id,
                self._handler(contract),
                description=contract.description,
                request_format=contract.request_format,
                response_format=contract.response_format,
                metadata={ERRORS: contract.errors, "language": "python"},
            )
        except FunctionError:
            return  # somebody else has this id: calls from outside are theirs
        self._served[contract.id] = contract

    def _handler(self, contract: Contract) -> Handler:
        async def handle(data: Json, caller: str | None) -> Json:
            return await self._call(contract, data)

        return handle

    async def _call(self, contract: Contract, data: Json) -> Json:
        core = self._core
        if not is_object(data):
            raise FunctionError(
                "deserialization_error", f"{contract.id} takes an object, keyed by parameter"
            )
        arguments = {name: data[name] for name in data if name != "_caller_worker_id"}
        job_id = f"{CALL}{self._life}-{next(self._calls)}#1"
        job = Job(
            job_id, "", "", 1, contract.id, orjson.dumps(arguments).decode(), job_id,
            at_most_once=contract.at_most_once, timeout_seconds=contract.timeout_seconds,
        )  # fmt: skip
        future: asyncio.Future[tuple[str, bool]] = asyncio.get_running_loop().create_future()

        def ended(outcome: str, failed: bool) -> None:
            if not future.done():
                future.set_result((outcome, failed))

        core.ended[job_id] = ended
        try:
            core.apply(core.dispatch.submit([core.remember(0, job)]))
            return _answer(*await future)
        finally:
            core.ended.pop(job_id, None)
            core.forget(job_id)
            core.apply(core.dispatch.cancel([job_id]))


def _answer(outcome: str, failed: bool) -> Json:
    wire = orjson.loads(outcome)
    if not failed:
        return orjson.loads(wire["ok"])
    # The convention of typed failures: the code is the failure's name, the message its JSON.
    name = wire["err"].rpartition(":")[2].rpartition(".")[2]
    raise FunctionError(name, wire["value"], wire.get("trace"))
