"""Workers in any language, started beside the engine: their manifests and their processes."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any, NoReturn

import yaml

from agentfx.cluster._find import ClusterError
from agentfx.cluster._options import ForeignOptions
from agentfx.wire import Json, is_array, is_object

MANIFEST = "iii.worker.yaml"
MOST_LINES = 3
_LANGUAGES = {
    "node": "Node.js", "npm": "Node.js", "npx": "Node.js", "bun": "Bun", "deno": "Deno",
    "go": "Go", "cargo": "Rust", "ruby": "Ruby", "java": "Java", "dotnet": ".NET",
}  # fmt: skip
"""What people call the language of a program that runs it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is read of a worker's `iii.worker.yaml`.

    Attributes:
        folder: Where it lies; commands run there.
        name: Of the worker.
        start: Command that runs it.
        install: Command that has to have been run once, if any.
        functions: Ids that are registered once it has started.
    """

    folder: Path
    name: str
    start: str
    install: str | None
    functions: tuple[str, ...]


def read_manifest(path: str) -> Manifest:
    """The manifest of the worker in a folder.

    Raises:
        ClusterError: There is none, or it does not say how to start the worker.
    """
    folder = Path(path).absolute()
    file = folder / MANIFEST if folder.is_dir() else folder

    def refuse(why: str) -> NoReturn:
        raise ClusterError(f"cannot serve {path}: {why}")

    try:
        raw: Json = yaml.safe_load(file.read_text("utf-8"))
    except OSError:
        refuse(f"it has no {MANIFEST}")
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        refuse(f"its {MANIFEST} is no YAML: {str(error).splitlines()[0]}")
    scripts: Json = raw.get("scripts") if is_object(raw) else None
    name: Json = raw.get("name") if is_object(raw) else None
    if not isinstance(name, str) or not is_object(scripts) or not isinstance(scripts["start"], str):
        refuse(f"its {MANIFEST} needs a name, and a start command under scripts")
    functions: Json = raw.get("functions") or []
    install: Json = scripts.get("install")
    return Manifest(
        file.parent,
        name,
        scripts["start"],
        install if isinstance(install, str) else None,
        tuple(map(str, functions)) if is_array(functions) else (),
    )


async def make_ready(manifest: Manifest) -> None:
    """Install what a worker needs where it can be seen that this was not done yet.

    That is the case for packages of JavaScript, which lie in the worker's own folder. Python's
    would go into the environment of this very process: the user does that.

    Raises:
        ClusterError: Its language is not here, or the command that installs failed.
    """
    for command in (manifest.start, manifest.install or ""):
        program = next((word for word in command.split() if word != "exec"), "")
        if program in _LANGUAGES and shutil.which(program) is None:
            raise ClusterError(
                f"worker {manifest.name} needs {_LANGUAGES[program]}: there is no `{program}` on "
                "PATH; install it, or leave this worker out"
            )
    package, modules = manifest.folder / "package.json", manifest.folder / "node_modules"
    if manifest.install is None or not package.exists() or modules.exists():
        return
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", manifest.install,
        cwd=manifest.folder, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    if process.returncode:
        last = said.decode(errors="replace").strip().splitlines()[-MOST_LINES:]
        raise ClusterError(
            f"worker {manifest.name}: `{manifest.install}` failed in {manifest.folder}: "
            f"{' / '.join(last)}"
        )


def run_foreign(options: ForeignOptions) -> int:
    """Run a worker's command until it ends; its exit status.

    This process stays beside it: whoever ends one of them ends their whole group, and so does
    the end of the supervisor.
    """
    environment = {
        **os.environ,
        "III_URL": options.url,
        # Another name at each start: an engine refuses a name that it has not let go of yet.
        "III_WORKER_NAME": f"{options.label}.{token_hex(4)}",
        # `python` in a manifest is the interpreter that agentfx runs on.
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
    }
    if options.token is not None:
        environment["III_TOKEN"] = options.token

    def pass_on(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        os.killpg(0, number)

    signal.signal(signal.SIGTERM, pass_on)
    # What the manifest of the user's own worker says.
    command: list[Any] = ["/bin/sh", "-c", options.command]
    return subprocess.Popen(command, cwd=options.folder, env=environment).wait()  # noqa: S603
