"""A real JupyterLab on loopback, with settings, kernels and state of its own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentfx.cluster._port import free_port

START_SECONDS = 60.0
STOP_SECONDS = 15.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def browser_path() -> str | None:
    """A browser of this machine: tests never download one."""
    given = os.environ.get("AGENTFX_CHROMIUM")
    return given or next((path for name in BROWSERS if (path := shutil.which(name))), None)


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab.

    Attributes:
        url: Where it listens.
        root: The folder that it shows.
    """

    url: str
    root: Path

    def notebook(self, name: str, *cells: str, metadata: dict[str, Any] | None = None) -> str:
        """Write a notebook of code cells; the address that opens it."""
        content: dict[str, Any] = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                **(metadata or {}),
            },
            "cells": [
                {
                    "id": f"cell-{number}", "cell_type": "code", "execution_count": None,
                    "metadata": {}, "outputs": [], "source": source.strip("\n"),
                }
                for number, source in enumerate(cells)
            ],
        }  # fmt: skip
        # In a folder of its own, and so on a cluster of its own.
        path = self.root / name / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        return self.address(name)

    def address(self, name: str) -> str:
        """The address that opens a notebook, in a workspace that remembers nothing."""
        return f"{self.url}/lab/tree/{name}/{name}.ipynb?reset"

    def end_kernels(self) -> None:
        """Shut down all kernels."""
        for kernel in json.loads(self._request("api/kernels")):
            self._request(f"api/kernels/{kernel['id']}", "DELETE")

    def _request(self, path: str, method: str = "GET") -> bytes:
        request = urllib.request.Request(f"{self.url}/{path}", method=method)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
            found: bytes = answer.read()
        return found


def _setting(base: Path, plugin: str, values: dict[str, Any]) -> None:
    package, _, name = plugin.partition(":")
    path = base / package / f"{name}.jupyterlab-settings"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))


def _environment(work: Path, theme: str) -> dict[str, str]:
    settings = work / "settings"
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    _setting(settings, "@jupyterlab/apputils-extension:notification", quiet)
    _setting(settings, "@jupyterlab/apputils-extension:themes", {"theme": theme})
    # Cells out of sight must stay in the page, where tests look for them.
    _setting(settings, "@jupyterlab/notebook-extension:tracker", {"windowingMode": "none"})
    own = {
        "JUPYTERLAB_SETTINGS_DIR": settings, "JUPYTERLAB_WORKSPACES_DIR": work / "workspaces",
        "JUPYTER_CONFIG_DIR": work / "config", "JUPYTER_RUNTIME_DIR": work / "runtime",
        "JUPYTER_DATA_DIR": work / "data", "IPYTHONDIR": work / "ipython",
    }  # fmt: skip
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("III_", "AGENTFX_"))}
    return {**clean, **{name: str(path) for name, path in own.items()}}


@contextmanager
def jupyterlab(work: Path, *, theme: str = "JupyterLab Light") -> Generator[Lab]:
    """Start JupyterLab; it ends with the context, and its kernels with it.

    Args:
        work: A folder for all it writes; its notebooks are in `root` there.
        theme: Of the front end.
    """
    root = work / "root"
    root.mkdir(parents=True)
    held = free_port(None)
    with (work / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [
                sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
                "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={held.number}",
                "--ServerApp.port_retries=0", "--IdentityProvider.token=",
                "--ServerApp.disable_check_xsrf=True",
                f"--ServerApp.root_dir={root}", "--LabApp.expose_app_in_browser=True",
                "--LabApp.extension_manager=readonly", "--ServerApp.use_redirect_file=False",
            ],
            stdout=log, stderr=subprocess.STDOUT, env=_environment(work, theme), cwd=root,
            start_new_session=True,
        )  # fmt: skip
    url = f"http://127.0.0.1:{held.number}"
    try:
        _until_up(server, url, work / "server.log")
        yield Lab(url, root)
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        held.close()


def _until_up(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"JupyterLab did not start: {log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(f"{url}/api/status", timeout=1).read()  # noqa: S310 - ours
        except OSError:
            time.sleep(0.1)
        else:
            return
