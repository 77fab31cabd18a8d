"""Which engine: the one given, the environment's, this folder's."""

import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agentfx._clock import Clock
from agentfx._errors import AgentfxError
from agentfx.cluster._control import ControlClient, ControlError
from agentfx.cluster._home import Home, open_private
from agentfx.cluster._refusal import reasons, size_of

START_SECONDS = 45.0
LOG_TAIL = 2000


class ClusterError(AgentfxError):
    """A cluster did not start, or cannot do what it was asked."""


@dataclass(frozen=True, slots=True)
class Found:
    """An engine, and how it was found, for people.

    Attributes:
        home: Of the cluster it belongs to, where workers find code; None for another's engine.
    """

    url: str
    token: str | None = field(repr=False)
    how: str
    home: Home | None


def find_engine(
    url: str | None, token: str | None, home: Home, environ: dict[str, str] | None = None
) -> Found | None:
    """The engine at `url`, else at `III_URL`, else of the cluster that runs in `home`."""
    environment = os.environ if environ is None else environ
    token = token or environment.get("III_TOKEN")
    here = home.find()
    for address, how in ((url, "given"), (environment.get("III_URL"), "III_URL")):
        if address:
            ours = here is not None and here.url == address
            return Found(
                address, token or (here.token if ours and here else None), how,
                home if ours else None,
            )  # fmt: skip
    if here is not None:
        return Found(here.url, here.token, f"the cluster in {home.path}", home)
    return None


async def start_supervisor(
    home: Home, url: str | None, token: str | None, config: str | None, clock: Clock
) -> tuple[ControlClient, dict[str, Any]]:
    """Attach to the cluster of a home; one is started if none runs. What it answered, too.

    Raises:
        ClusterError: It did not start; the message has the end of its log.
    """
    home.make()
    before = size_of(home.log)
    process: subprocess.Popen[bytes] | None = None
    deadline = clock.monotonic() + START_SECONDS
    while True:
        client = await attach(home)
        if client is not None:
            try:
                return client, await client.ask("attach")
            except ControlError:  # it is ending: another one starts when it is gone
                await client.close()
        if process is None or process.poll() == 0:  # 0: another one was faster
            process = _spawn(home, url, token, config)
        if process.poll() not in (None, 0) or clock.monotonic() > deadline:
            process.terminate()
            why = reasons(home.log, before) or log_tail(home)
            raise ClusterError(f"the cluster did not start: {why}")
        await clock.sleep(0.01)


async def attach(home: Home) -> ControlClient | None:
    """Connect to the supervisor of a home, None if none runs there."""
    found = home.find()
    if found is None:
        return None
    try:
        return await ControlClient.connect(found.control)
    except OSError:
        return None


def _spawn(
    home: Home, url: str | None, token: str | None, config: str | None
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "agentfx.cluster._supervisor"]
    with open_private(home.log) as log:
        process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, str(home.path), url or "", config or ""],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    assert process.stdin is not None  # noqa: S101 - narrows the type
    with suppress(BrokenPipeError), process.stdin as channel:  # broken: its log says why it ended
        channel.write(f"{token or ''}\n".encode())
    # It outlives this function, maybe this process; while we live, somebody has to reap it.
    threading.Thread(target=process.wait, name="agentfx-reaper", daemon=True).start()
    return process


def log_tail(home: Home) -> str:
    """The end of what the processes of a cluster have printed."""
    try:
        text = home.log.read_text(errors="replace")[-LOG_TAIL:].strip()
    except OSError:
        text = ""
    return text or f"it says nothing in {home.log}"
