"""A real kernel without a browser."""

import asyncio
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

WAIT_SECONDS = 45.0
"""A busy machine takes its time: what is promised is measured apart from it."""
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class CellError(Exception):
    """A cell ended in an error."""


def is_said(kind: str, message: str, content: dict[str, Any]) -> bool:
    """Whether a message is a custom one of a panel, of a kind."""
    if message != "comm_msg" or content["data"].get("method") != "custom":
        return False
    return bool(content["data"]["content"].get("kind") == kind)


class Ran:
    """What came of a cell."""

    def __init__(self, messages: list[tuple[float, str, dict[str, Any]]], status: str) -> None:
        self.messages, self.status = messages, status

    @property
    def text(self) -> str:
        """All that it printed."""
        return "".join(c["text"] for _, kind, c in self.messages if kind == "stream")

    @property
    def shown(self) -> list[dict[str, Any]]:
        """Mime bundles that it displayed, in their latest form."""
        found: dict[str, dict[str, Any]] = {}
        for number, (_, kind, content) in enumerate(self.messages):
            if kind in ("display_data", "update_display_data", "execute_result"):
                key = content.get("transient", {}).get("display_id", str(number))
                found[key] = content["data"]
        return list(found.values())

    @property
    def error(self) -> str:
        """The traceback, if there is one."""
        traces = [c["traceback"] for _, kind, c in self.messages if kind == "error"]
        return "\n".join(line for trace in traces for line in trace)

    def comm(self, kind: str) -> list[tuple[float, dict[str, Any]]]:
        """Custom messages of the panel of one kind, with their times."""
        return [
            (at, content["data"]["content"])
            for at, name, content in self.messages
            if is_said(kind, name, content)
        ]


class Kernel:
    """A kernel, and what a front end does with it."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager, self.client = manager, client

    def run(self, code: str, *, cell: str | None = None, check: bool = True) -> Ran:
        """Run a cell to its end."""
        ran = self.collect(self.start(code, cell=cell))
        if check and ran.status != "ok":
            raise CellError(ran.error or ran.text)
        return ran

    def start(self, code: str, *, cell: str | None = None) -> str:
        """Run a cell without waiting for it."""
        content: dict[str, Any] = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True,
        }  # fmt: skip
        metadata = {"cellId": cell} if cell is not None else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def collect(self, cell: str) -> Ran:
        """All messages until a cell is done."""
        messages: list[tuple[float, str, dict[str, Any]]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT_SECONDS)
            kind, content = message["msg_type"], message["content"]
            # When it was sent: it may have waited for us.
            messages.append((message["header"]["date"].timestamp(), kind, content))
            mine = message["parent_header"].get("msg_id") == cell
            if mine and kind == "status" and content["execution_state"] == "idle":
                return Ran(messages, self._status(cell))

    def _status(self, cell: str) -> str:
        while True:
            reply = self.client.get_shell_msg(timeout=WAIT_SECONDS)
            if reply["parent_header"].get("msg_id") == cell:
                return str(reply["content"]["status"])

    def wait_for(self, kind: str, field: str, value: Any) -> dict[str, Any]:
        """Wait for a message on the side channel whose content has a field of this value."""
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT_SECONDS)
            content: dict[str, Any] = message["content"]
            if message["msg_type"] == kind and content.get(field) == value:
                return content

    def wait_for_comm(self, kind: str) -> dict[str, Any]:
        """Wait for a custom message of a panel of a kind."""
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT_SECONDS)
            content: dict[str, Any] = message["content"]
            if is_said(kind, message["msg_type"], content):
                said: dict[str, Any] = content["data"]["content"]
                return said

    def open_panel(self) -> str:
        """Wait until a panel is opened; the id by which it is spoken to."""
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT_SECONDS)
            if message["msg_type"] == "comm_open":
                content = message["content"]
                if content["data"]["state"].get("_model_name") == "AnyModel":
                    return str(content["comm_id"])

    def click(self, comm: str, *, subshell: str | None = None, **content: Any) -> None:
        """Say to a panel what was clicked, as a front end does.

        Args:
            comm: Id of the panel.
            subshell: Where the kernel shall hear it, as JupyterLab asks for; other front ends
                do not.
            **content: What was clicked.
        """
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": comm, "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)

    def subshell(self) -> str | None:
        """A new subshell, as JupyterLab makes one for widgets; None where there are none."""
        self.client.kernel_info()
        info: dict[str, Any] = self.client.get_shell_msg(timeout=WAIT_SECONDS)["content"]
        if "kernel subshells" not in info.get("supported_features", ()):
            return None
        message = self.client.session.msg("create_subshell_request", {})
        self.client.control_channel.send(message)
        reply = self.client.get_control_msg(timeout=WAIT_SECONDS)
        return str(reply["content"]["subshell_id"])

    def value(self, expression: str) -> Any:
        """The value of an expression, by its text."""
        return self.run(f"print(repr({expression}))").text.strip()

    def interrupt(self) -> None:
        """What the stop button does."""
        asyncio.run(self.manager._async_interrupt_kernel())

    def restart(self) -> None:
        """Kill the kernel, and start another one in its place."""
        asyncio.run(self.manager._async_restart_kernel(now=True))
        self.client.wait_for_ready(timeout=WAIT_SECONDS)


@contextmanager
def started_kernel(
    folder: Path, *, python: str | None = None, **environment: str
) -> Generator[Kernel]:
    """A kernel in a folder, with no settings of this machine's user.

    Args:
        folder: Where it runs.
        python: Which Python has the kernel, this one without it.
        **environment: More of its variables.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("III_", "AGENTFX_"))}
    manager = KernelManager(kernel_name="python3")
    if python is not None and manager.kernel_spec is not None:
        manager.kernel_spec.argv[0] = python
    own = {"IPYTHONDIR": str(folder / ".ipython"), **environment}
    manager.start_kernel(cwd=str(folder), env={**clean, **own})
    client: BlockingKernelClient = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=WAIT_SECONDS)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
