"""The items of a fan-out as asyncio tasks."""

import asyncio

from agentfx.interpreters._fan_out import FanOut
from agentfx.interpreters._walk import AnyExit, Item


async def run_window(fan: FanOut, item: Item) -> AnyExit:
    """Run items as the fan-out decides, until it ends.

    Cancelled items have cleaned up when this returns. A defect in one item cancels the others
    and is raised unchanged.
    """
    tasks: dict[int, asyncio.Task[None]] = {}

    async def one(index: int) -> None:
        exit_ = await item(index)
        del tasks[index]
        for other in fan.end(index, exit_):
            tasks.pop(other).cancel()
        start()

    def start() -> None:
        for index in fan.start():
            tasks[index] = group.create_task(one(index))

    defect: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            start()
    except BaseExceptionGroup as defects:
        defect = defects.exceptions[0]
    if defect is not None:
        raise defect
    exit_ = fan.exit
    if exit_ is None:
        raise asyncio.CancelledError
    return exit_
