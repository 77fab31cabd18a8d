"""Everything that can be wrong around a notebook, and how to mend it."""

import asyncio
import json
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from agentfx._errors import AgentfxError
from agentfx._packages import installed
from agentfx.cluster import Finding, find_engine, finding, machine_findings
from agentfx.notebook._clicks import major_minor, nest_asyncio_is_patched_in
from agentfx.notebook._html import table
from agentfx.notebook._kit import Kit, the_kit
from agentfx.notebook._status import Status, status_of

ASK_SECONDS, ENGINE_SECONDS = 20.0, 10.0
_SERVED = ("anywidget", "jupyterlab_widgets", "jupyterlab")
_VERSIONS = (
    "import json, importlib.metadata as m\n"
    "def v(n):\n"
    "    try: return m.version(n)\n"
    "    except m.PackageNotFoundError: return None\n"
    f"print(json.dumps({{n: v(n) for n in {_SERVED!r}}}))"
)


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor found; shows itself as text and HTML."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.ok for finding in self.findings)

    def rows(self) -> list[tuple[str, ...]]:
        """As rows of a table."""
        return [(f.check, "✓" if f.ok else "✗ mend", f.found, f.mend) for f in self.findings]

    def __str__(self) -> str:
        lines = [
            f"{mark[:1]} {check}: {found}" + (f"  →  {mend}" if mend else "")
            for check, mark, found, mend in self.rows()
        ]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return table("What the doctor found", ("check", "", "found", "mend"), self.rows())


def doctor(*, kit: Kit | None = None) -> Report:
    """Check everything that can be wrong, and say how to mend it."""
    chosen = kit or the_kit()
    findings = [
        *_kernel(),
        *_server(),
        *machine_findings(chosen.home),
        *_engine(chosen),
        _token(chosen),
    ]
    return Report(tuple(findings))


def _kernel() -> Iterator[Finding]:
    ipykernel = installed("ipykernel")
    new = ipykernel is not None and major_minor(ipykernel) >= (7, 4)
    yield finding(
        "ipykernel", new, ipykernel or "missing",
        'clicks wait for the cell: pip install "ipykernel>=7.4" where the kernel runs',
    )  # fmt: skip
    for name in ("anywidget", "pandas", "nest-asyncio2"):
        found = installed(name)
        mend = 'pip install "agentfx-kit[notebook]" where the kernel runs'
        yield finding(name, found is not None, found or "missing", mend)
    patched = nest_asyncio_is_patched_in()
    yield finding(
        "asyncio", not patched, "nest_asyncio is patched in" if patched else "not patched",
        "clicks are lost: restart the kernel, and do not apply nest_asyncio",
    )  # fmt: skip


def _server() -> Iterator[Finding]:
    """The environment that serves the page: JupyterLab takes the widgets' front end from it."""
    python = _server_python()
    if python is None:
        yield Finding("server", True, "none found above this kernel: nothing to check")
        return
    versions = _versions_of(python)
    if versions is None:
        yield Finding("server", True, f"{python}, which does not say what it has")
        return
    for name in ("anywidget", "jupyterlab_widgets"):
        mend = f"panels do not show: {python} -m pip install {name}, then reload the page"
        found = versions.get(name)
        yield finding(f"{name} of the server", found is not None, found or "missing", mend)


def _server_python() -> str | None:
    for process in psutil.Process().parents():
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        if any("jupyter" in word for word in words[1:3]):
            return words[0]
    return None


def _versions_of(python: str) -> dict[str, str | None] | None:
    try:
        asked = subprocess.run(  # noqa: S603 - the interpreter that runs our own server
            [python, "-c", _VERSIONS], capture_output=True, timeout=ASK_SECONDS, check=True
        )
        found: dict[str, str | None] = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return found


def _engine(kit: Kit) -> Iterator[Finding]:
    found = find_engine(None, None, kit.home)
    if kit.engine_in_use is None and found is None:
        yield Finding("engine", True, "none runs here; %agentfx up starts one")
        return
    try:
        state = kit.call(_state(kit))
    except (AgentfxError, TimeoutError) as error:
        url = found.url if found is not None else "gone"
        yield Finding("engine", False, url, f"{str(error) or 'no answer'}: %agentfx down, then up")
        return
    yield Finding("engine", True, f"{state.url} ({state.how})")
    names = ", ".join(row["label"] for row in state.workers)
    yield finding("workers", bool(names), names or "none", "start one: %workers spawn")


async def _state(kit: Kit) -> Status:
    async with asyncio.timeout(ENGINE_SECONDS):
        return await status_of(await kit.engine())


def _token(kit: Kit) -> Finding:
    path = kit.home.path / "cluster.json"
    if not path.exists():
        return Finding("token", True, "no cluster runs here: there is none")
    private = not stat.S_IMODE(path.stat().st_mode) & 0o077
    found = f"in {path}, " + ("for you alone" if private else "readable by others")
    return finding("token", private, found, f"others can use this cluster: chmod 600 {path}")
