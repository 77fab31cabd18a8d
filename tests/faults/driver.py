"""A driver in a process of its own, for tests that kill or stop it.

`python -m tests.faults.driver HOME RUN_ID LOG JOBS SECONDS [N before|after]`: drives the story to
its end and prints the exit; dies, as by SIGKILL, at the nth thing that it asks of the services.
"""

import asyncio
import os
import signal
import sys
from typing import Any

import agentfx as fx
from agentfx.backends import Connection
from tests.faults.jobs import pay, step, work


@fx.do
def story(log: str, jobs: int, seconds: float) -> fx.Do[list[Any], Any]:
    first = yield from fx.attempt(lambda: step(log, "first"), returns=int)
    squares = yield from fx.for_each(
        range(jobs), lambda n: work(log, n, seconds), concurrency=jobs
    ).map(sum)
    yield from fx.sleep(0.01)
    paid = yield from pay(log, 7, seconds)
    second = yield from fx.attempt(lambda: step(log, "second"), returns=int)
    return [first, squares, paid, second]


async def drive(home: str, run_id: str, log: str, jobs: int, seconds: float) -> None:
    async with fx.connect(home=home) as backend:
        exit_ = await fx.run_dist(story(log, jobs, seconds), backend=backend, run_id=run_id)
    sys.stdout.write(f"{exit_}\n")


class Death:
    """Ends this process around the nth message about its run."""

    def __init__(self, number: int, when: str) -> None:
        self._left, self._when = number, when
        self._call, self._send = Connection.call, Connection.send
        setattr(Connection, "call", self._around_call())  # noqa: B010
        setattr(Connection, "send", self._around_send())  # noqa: B010

    def _here(self, function_id: str) -> bool:
        if not function_id.startswith("agentfx::run::"):
            return False
        self._left -= 1
        return self._left == 0

    def _around_call(self) -> Any:
        async def call(
            connection: Connection, function_id: str, data: Any, timeout_seconds: float = 3600.0
        ) -> Any:
            here = self._here(function_id)
            if here and self._when == "before":
                _die()
            answer = await self._call(connection, function_id, data, timeout_seconds)
            if here:
                _die()
            return answer

        return call

    def _around_send(self) -> Any:
        def send(connection: Connection, function_id: str, data: Any) -> None:
            here = self._here(function_id)
            if here and self._when == "before":
                _die()
            self._send(connection, function_id, data)
            if here:  # once it has left this process
                connection.call_soon(lambda: connection.call_soon(_die))

        return send


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    home, run_id, log, jobs, seconds, *death = sys.argv[1:]
    if death:
        Death(int(death[0]), death[1])
    asyncio.run(drive(home, run_id, log, int(jobs), float(seconds)))


if __name__ == "__main__":
    main()
