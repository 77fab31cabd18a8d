"""How long a cluster waits for users, on a clock that the test moves."""

import asyncio
import socket
from pathlib import Path

from agentfx.cluster._control import User
from agentfx.cluster._fork_server import ForkServer
from agentfx.cluster._home import Home
from agentfx.cluster._supervisor import LINGER_SECONDS, Supervisor
from tests.services.kit import HandClock


async def test_each_user_that_dies_is_waited_for(tmp_path: Path) -> None:
    channel, other = socket.socketpair()
    clock = HandClock()
    supervisor = Supervisor(
        Home(tmp_path), "ws://127.0.0.1:1", None, None, ForkServer(0, channel, 0), clock
    )

    async def passes(seconds: float) -> bool:
        """Whether it is over then."""
        for step in (0, seconds):  # what was begun waits first
            clock.advance(step)
            for _ in range(3):
                await asyncio.sleep(0)
        return supervisor._over.is_set()

    with channel, other:
        supervisor._spawn(supervisor._end_if_unused())  # as when it begins to serve
        user = User()
        await supervisor._serve(user, {"op": "attach"})
        assert not await passes(LINGER_SECONDS - 1)
        supervisor._left(user)
        assert not await passes(2)  # the wait from its beginning ends, that for the user does not
        assert not await passes(LINGER_SECONDS - 3)
        assert await passes(1)
