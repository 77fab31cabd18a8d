"""What the listing magics show, as DataFrames; and what they do."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentfx.cluster import Engine
from agentfx.jobs import Told
from agentfx.notebook._errors import UserError
from agentfx.notebook._kit import Kit, the_kit
from agentfx.notebook._log import detail

if TYPE_CHECKING:
    import pandas as pd

RUN_COLUMNS = ("id", "status", "program", "driven", "started_at", "ended_at")
WORKER_COLUMNS = ("label", "state", "pid", "slots", "runs", "tasks")
QUEUE_COLUMNS = ("task", "queued", "running", "dead")
DEAD_COLUMNS = ("job", "run", "task", "path", "reason", "message", "redrivable", "died_at")
EVENT_COLUMNS = (
    "seq", "at", "type", "path", "index", "task", "worker", "attempt", "delivery", "ms", "detail",
)  # fmt: skip


def runs(limit: int = 100, *, kit: Kit | None = None) -> "pd.DataFrame":
    """Recent runs, newest first."""
    return frame(_request(kit, "runs::list", {"limit": limit}), RUN_COLUMNS)


def workers(*, kit: Kit | None = None) -> "pd.DataFrame":
    """The workers, and what each runs now."""
    rows = _request(kit, "workers::list", {})
    for row in rows:
        row["runs"] = ", ".join(sorted({job["task"] for job in row["running"]}))
        row["tasks"] = ", ".join(row["tasks"])
    return frame(rows, WORKER_COLUMNS)


def queues(*, kit: Kit | None = None) -> "pd.DataFrame":
    """Tasks with jobs that wait, run, or are dead."""
    return frame(_request(kit, "queues::list", {}), QUEUE_COLUMNS)


def dead_letters(limit: int = 100, *, kit: Kit | None = None) -> "pd.DataFrame":
    """Jobs of all runs that ended in a task error, and are parked."""
    rows = _request(kit, "dead::list", {"limit": limit})
    for row in rows:
        row["job"] = row["id"]
    return frame(rows, DEAD_COLUMNS)


def events(run_id: str | None = None, *, kit: Kit | None = None) -> "pd.DataFrame":
    """All that happened in a run, and to workers meanwhile; in the newest run without an id."""
    chosen = kit or the_kit()
    run_id = run_id or _newest(kit)
    found: list[dict[str, Any]] = []
    while page := chosen.call(_page(chosen, run_id, found)):
        found += page
    begun = next((at for at, row in enumerate(found) if row["type"] == "run_started"), 0)
    rows = [{**row, "detail": detail(Told.of(row))} for row in found[begun:]]
    return frame(rows, EVENT_COLUMNS)


def _newest(kit: Kit | None) -> str:
    rows = _request(kit, "runs::list", {"limit": 1})
    if not rows:
        raise UserError("there is no run yet: %%run_dist starts one")
    return str(rows[0]["id"])


async def _page(kit: Kit, run_id: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    after = found[-1]["seq"] if found else 0
    rows: list[dict[str, Any]] = await kit.request("run::events", {"run": run_id, "after": after})
    return rows


def spawn(*, kit: Kit | None = None) -> str:
    """Start a worker; its label."""
    chosen = kit or the_kit()

    async def go() -> str:
        cluster = await chosen.own_cluster()
        label = await cluster.spawn(owned=False)
        await cluster.joined([label])
        return label

    return chosen.call(go())


def kill(label: str, *, kit: Kit | None = None) -> None:
    """Kill a worker with SIGKILL: what it runs starts elsewhere."""
    chosen = kit or the_kit()

    async def go() -> None:
        await (await chosen.own_cluster()).kill(label)

    chosen.call(go())


def stop(label: str, *, kit: Kit | None = None) -> None:
    """Let a worker finish what it runs, then end it."""
    chosen = kit or the_kit()

    async def go() -> None:
        await (await chosen.own_cluster()).stop(label)

    chosen.call(go())


def redrive(job: str, *, kit: Kit | None = None) -> str:
    """Run a dead letter again.

    Args:
        job: Its id, or the first letters of it.
        kit: Of this kernel.

    Returns:
        What happens now, in a sentence.
    """
    found = _dead_job(kit, job)
    chosen = kit or the_kit()
    answer = chosen.call(chosen.redrive(found))
    if answer["reopened"]:
        return f"queued again; its run is open again: %resume {answer['run']}"
    return f"queued again: {found}"


def discard(job: str, *, kit: Kit | None = None) -> str:
    """Take a job out of the dead letters for good; arguments as for `redrive`."""
    found = _dead_job(kit, job)
    _request(kit, "dead::discard", {"job": found})
    return f"discarded for good: {found}; its failure stays on record"


def _dead_job(kit: Kit | None, text: str) -> str:
    rows: list[dict[str, Any]] = _request(kit, "dead::list", {"limit": 10_000})
    found = sorted(row["id"] for row in rows if row["id"].startswith(text))
    if text in found:
        return text
    if len(found) != 1:
        many = "several dead letters begin" if found else "no dead letter begins"
        raise UserError(f"{many} with {text}: %dlq lists them")
    return str(found[0])


def _request(kit: Kit | None, name: str, data: dict[str, Any]) -> Any:
    chosen = kit or the_kit()
    return chosen.call(chosen.request(name, data))


def frame(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> "pd.DataFrame":
    """Rows as a DataFrame, with times as times."""
    try:
        import pandas as pd
    except ImportError:
        raise UserError('listings need pandas: pip install "agentfx-kit[notebook]"') from None
    made = pd.DataFrame.from_records(list(rows), columns=list(columns))
    for name in ("at", "started_at", "ended_at", "died_at", "created_at"):
        if name in columns:
            made[name] = pd.to_datetime(made[name], unit="s", utc=True).dt.round("us")
    for name in ("path", "task", "worker", "program"):
        if name in columns:
            made[name] = made[name].fillna("")
    for name in ("pid", "index", "attempt", "delivery"):
        if name in columns:
            made[name] = made[name].astype("Int64")  # whole numbers, some of them missing
    return made


def where(engine: Engine | None) -> str:
    """An engine in a few words."""
    if engine is None:
        return "none yet"
    home = engine.found.home
    ours = home is not None and home.path == Path.cwd() / ".agentfx"
    return f"{engine.url} ({'the cluster of this folder' if ours else engine.found.how})"
