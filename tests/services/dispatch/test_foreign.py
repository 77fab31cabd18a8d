"""Durable calls of functions that are no tasks."""

from typing import Any

from agentfx.jobs import FOREIGN
from agentfx.services._host import FunctionError
from tests.services.dispatch.kit import Kit, job


async def test_a_function_that_is_registered_while_its_call_fails_is_called_again(
    kit: Kit,
) -> None:
    first, second = kit.host.connect(), kit.host.connect()

    async def answer(data: Any, caller: str | None) -> Any:
        return 7

    async def leaves(data: Any, caller: str | None) -> Any:
        kit.host.cut(first)
        kit.host.register(second, "x::f", answer)
        raise FunctionError("invocation_stopped", "its worker is gone")

    kit.host.register(first, "x::f", leaves)
    driver = kit.driver()
    await driver.open()
    await driver.submit(job(task="x::f", code=FOREIGN, timeout_seconds=60.0))
    assert await driver.settled() == {job().id: {"ok": "7"}}
