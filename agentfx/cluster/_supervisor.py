"""The supervisor: keeps one engine and some workers going, for as long as somebody uses them."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from agentfx._clock import Clock, SystemClock
from agentfx._errors import AgentfxError
from agentfx.cluster._control import ControlError, ControlServer, User
from agentfx.cluster._core_keeper import CoreKeeper, CoreRefusedError
from agentfx.cluster._fork_server import ForkServer, start_fork_server
from agentfx.cluster._home import Discovery, Home
from agentfx.cluster._nursery import Nursery
from agentfx.cluster._refusal import say_why
from agentfx.cluster._worker_keeper import WorkerKeeper

LINGER_SECONDS = 10.0
"""How long a cluster waits for a user whose process died: a kernel that is restarted."""
LOCK_SECONDS = 0.1


class Supervisor:
    """One cluster in one home.

    Args:
        home: Where everything is.
        url: Of an engine that runs already; None starts the embedded one.
        token: For that engine.
        config: An iii configuration file for the embedded engine.
        server: Forks engine and workers.
        clock: The time.
    """

    def __init__(
        self,
        home: Home,
        url: str | None,
        token: str | None,
        config: str | None,
        server: ForkServer,
        clock: Clock,
    ) -> None:
        self._home, self._clock = home, clock
        self._over = asyncio.Event()
        self._core = CoreKeeper(home, url, token, config, clock, self._over, self._spawn)
        self._nursery = Nursery(server, self._over.set)
        self._workers = WorkerKeeper(
            home, self._core, self._nursery, clock, self._over, self._spawn
        )
        self._users = 0
        self._deaths = 0
        self._watching: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the last user is gone."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, self._over.set)
        if self._core.embedded:
            self._core.choose_address()
        await self._nursery.start()
        serving = asyncio.ensure_future(self._begin())
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((serving, over), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                control = await serving
                await over
                await control.stop()
        finally:
            self._home.withdraw()
            serving.cancel()
            over.cancel()
            await self._shut_down()

    async def _begin(self) -> ControlServer:
        """Start the engine, then be found."""
        await self._core.start(self._nursery)
        control = ControlServer(self._home.control, self._serve, self._left)
        await control.start()
        self._announce()
        self._spawn(self._end_if_unused())
        return control

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def _announce(self) -> None:
        me = psutil.Process()
        self._home.announce(
            Discovery(
                self._core.url or "", self._core.token or "", me.pid, me.create_time(),
                str(self._home.control),
            )
        )  # fmt: skip

    async def _serve(self, user: User, request: dict[str, Any]) -> Any:
        match request.get("op"):
            case "attach":
                if self._over.is_set():
                    raise ControlError("this cluster ends")
                user.attached = True
                self._users += 1
                return {"url": self._core.url, "token": self._core.token}
            case "kill_engine":
                if self._core.pid is None or not self._core.embedded:
                    raise ControlError("the engine is not ours: it was started by somebody else")
                return self._core.kill()
            case "status":
                return self._status()
            case "down":
                self._end()
                return None
            case op:
                return await self._workers.answer(user, str(op), request)

    def _status(self) -> dict[str, Any]:
        core = self._core.pid
        return {
            "url": self._core.url,
            "supervisor": os.getpid(),
            "engine": core if self._core.embedded else None,
            "services": core,
            "users": self._users,
        }

    def _left(self, user: User) -> None:
        """A user said goodbye, or its link closed without: its process is gone."""
        if not user.attached:
            return
        user.attached = False
        self._users -= 1
        if not user.said_goodbye:
            self._deaths += 1
            self._spawn(self._end_if_unused())
            return
        self._workers.stop_owned(user)
        if not self._users:
            self._end()

    async def _end_if_unused(self) -> None:
        deaths = self._deaths
        await self._clock.sleep(LINGER_SECONDS)
        if not self._users and deaths == self._deaths:  # each death has a wait of its own
            self._end()

    def _end(self) -> None:
        """Be found no longer, at once: who comes next must not connect to an engine that ends."""
        self._home.withdraw()
        self._over.set()

    async def _shut_down(self) -> None:
        for task in list(self._watching):
            task.cancel()
        await self._workers.close()
        await self._core.close()
        await self._nursery.close()


def supervise(home: Home, url: str | None, token: str | None, config: str | None) -> int:
    """Run a supervisor, unless one runs in this home already; the exit status."""
    home.make()
    server = start_fork_server()  # before the lock, which its children would keep
    lock = FileLock(home.lock)
    while True:
        try:
            lock.acquire(timeout=LOCK_SECONDS)
            break
        except Timeout:
            if home.find() is not None:  # it serves; else it ends, and we come after it
                return 0
    try:
        asyncio.run(Supervisor(home, url, token, config, server, SystemClock()).run())
    except CoreRefusedError:
        return 1
    except AgentfxError as error:
        say_why(error)
        return 1
    finally:
        lock.release()
    return 0


def main() -> None:
    """A supervisor's process: home, and where an engine runs already, its url and config.

    Its token comes over stdin: whoever lists processes sees their arguments.
    """
    home, url, config = sys.argv[1:4]
    token = sys.stdin.readline().rstrip()
    sys.exit(supervise(Home(Path(home)), url or None, token or None, config or None))


if __name__ == "__main__":
    main()
