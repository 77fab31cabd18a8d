"""The cluster of a folder, started, ended, and shown."""

from dataclasses import dataclass
from typing import Any

from agentfx.cluster import Engine
from agentfx.notebook._html import table, text_of
from agentfx.notebook._kit import ClusterOptions, Kit, the_kit

_COLUMNS = ("worker", "state", "pid", "slots", "runs now")


@dataclass(frozen=True, slots=True)
class Status:
    """An engine and its workers, at one moment; shows itself as text and HTML.

    Attributes:
        url: Of the engine, None if none is in use.
        how: How it was found.
        workers: As the services list them.
    """

    url: str | None
    how: str
    workers: tuple[dict[str, Any], ...] = ()

    def rows(self) -> list[tuple[Any, ...]]:
        """The workers as rows of a table."""
        return [
            (row["label"], row["state"], row["pid"], row["slots"], len(row["running"]))
            for row in self.workers
        ]

    def __str__(self) -> str:
        if self.url is None:
            return f"no engine: {self.how}"
        names = ", ".join(f"{row['label']} (pid {row['pid']})" for row in self.workers)
        return f"engine {self.url}, {self.how}\nworkers: {names or 'none'}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if self.url is None:
            return f"<p>No engine: {text_of(self.how)}</p>"
        head = f"<p>Engine <code>{text_of(self.url)}</code>, {text_of(self.how)}</p>"
        return f"<div>{head}{table('Workers', _COLUMNS, self.rows())}</div>"


def up(
    workers: int = 2,
    tasks: tuple[str, ...] = (),
    *,
    slots: int = 4,
    url: str | None = None,
    token: str | None = None,
    config: str | None = None,
    serve: tuple[str, ...] = (),
    kit: Kit | None = None,
) -> Status:
    """Start the cluster of this folder, or attach to it.

    Args:
        workers: How many it has at least, afterwards.
        tasks: Modules whose tasks new workers have; tasks of cells travel by themselves.
        slots: Jobs at once, of each new worker.
        url: Of an iii engine that runs already, instead of the embedded one.
        token: For that engine.
        config: An iii configuration file for the embedded engine.
        serve: Folders of workers in any language.
        kit: Of this kernel.
    """
    chosen = kit or the_kit()
    options = ClusterOptions(workers, tasks, slots, url, token, config, serve)

    async def go() -> Status:
        return await status_of(await chosen.up(options))

    return chosen.call(go())


def down(*, kit: Kit | None = None) -> bool:
    """End the cluster of this folder, whoever uses it; whether there was one."""
    chosen = kit or the_kit()
    return chosen.call(chosen.down())


def status(*, kit: Kit | None = None) -> Status:
    """The engine in use and its workers; starts nothing."""
    chosen = kit or the_kit()
    engine = chosen.engine_in_use
    if engine is None:
        found = chosen.home.find()
        where = f"a cluster runs in {chosen.home.path}, not used by this kernel yet"
        return Status(None, where if found is not None else "%agentfx up starts one")
    return chosen.call(status_of(engine))


async def status_of(engine: Engine) -> Status:
    """An engine and its workers, as they are now."""
    workers = await engine.request("workers::list", {})
    return Status(engine.url, engine.found.how, tuple(workers))
