"""Commands about processes: up, down, engine, worker, ps, queues, dlq."""

import asyncio
import os
import signal
from secrets import token_urlsafe
from typing import Annotated, Any

import typer

from agentfx.cli._app import AsJson, HomeOption, Token, Url, Where, app, ask, run, say
from agentfx.cli._show import out, show

dlq_app = typer.Typer(help="List, redrive or discard dead letters.", no_args_is_help=True)
app.add_typer(dlq_app, name="dlq")


@app.command()
def up(
    workers: Annotated[int, typer.Option(min=0, help="Workers to start.")] = 2,
    tasks: Annotated[list[str] | None, typer.Option(help="Module whose tasks they have.")] = None,
    slots: Annotated[int, typer.Option(min=1, help="Jobs at once, of each worker.")] = 4,
    config: Annotated[str | None, typer.Option(help="An iii configuration file.")] = None,
    serve: Annotated[
        list[str] | None, typer.Option(help="Folder of a worker in any language.")
    ] = None,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Start an engine and workers, or bring workers to those of this folder; until Ctrl-C."""
    from agentfx.cluster import local

    async def go() -> None:
        async with local(
            workers,
            tasks or [],
            slots=slots,
            url=url,
            token=token,
            home=home,
            config=config,
            serve=serve or [],
        ) as cluster:
            done = asyncio.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, done.set)
            out.print(f"engine: {cluster.url}")
            say(f"engine: {await cluster.about()}")
            out.print(f"token:  {cluster.token}")
            labels = ", ".join(row["label"] for row in sorted(await cluster.workers(), key=_order))
            if serve:
                out.print(f"serving: {', '.join(serve)}")
            out.print(f"workers: {labels or 'none'}; Ctrl-C leaves, the last user ends it")
            await cluster.until_gone(done)

    run(go)


@app.command()
def down(home: HomeOption = None) -> None:
    """End the cluster of this folder, whoever uses it."""
    from agentfx.cluster import ClusterError, attach

    where = Where.of(None, None, home)

    async def go() -> None:
        control = await attach(where.home)
        if control is None:
            raise ClusterError(f"no cluster runs in {where.home.path}")
        await control.ask("down")

    run(go)
    out.print(f"the cluster in {where.home.path} ends")


@app.command()
def engine(
    config: Annotated[str | None, typer.Option(help="An iii configuration file.")] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port; that of the configuration, or 49134, without it."
        ),
    ] = None,
    services: Annotated[
        bool, typer.Option(help="Host the services, or leave them to `agentfx services`.")
    ] = True,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Run the embedded engine alone, in the foreground; without a token it makes one."""
    from agentfx.cluster import EngineOptions, run_engine

    where = Where.of(None, token, home)
    wanted = token or os.environ.get("III_TOKEN") or token_urlsafe(24)
    options = EngineOptions(str(where.home.path), port, wanted, config=config, services=services)

    def ready(url: str) -> None:
        out.print(f"export III_URL={url} III_TOKEN={wanted}", markup=False, soft_wrap=True)

    raise typer.Exit(run_engine(options, ready))


@app.command()
def services(
    config: Annotated[str | None, typer.Option(help="An iii configuration file.")] = None,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Serve runs, jobs, state and queues on an iii engine that runs already; until Ctrl-C."""
    from agentfx.cluster import ClusterError, ServicesOptions, run_services

    where = Where.of(url, token, home)
    found = where.engine()
    if found is None:
        raise ClusterError("no engine: give --url, or set III_URL")
    options = ServicesOptions(str(where.home.path), found.url, found.token, config)
    raise typer.Exit(run_services(options))


@app.command()
def worker(
    name: Annotated[str, typer.Option(help="Label, such as w1.")],
    tasks: Annotated[list[str] | None, typer.Option(help="Module whose tasks it has.")] = None,
    slots: Annotated[int, typer.Option(min=1, help="Jobs at once.")] = 4,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Run a worker on an engine, in the foreground; SIGTERM lets it finish what it runs."""
    from agentfx.cluster import WorkerOptions, run_worker

    where = Where.of(url, token, home)
    found = where.running()
    say(f"engine: {found.url} ({found.how})")
    options = WorkerOptions(
        name, found.url, found.token, slots, tasks or [],
        home=str(found.home.path) if found.home is not None else None, path=[""],
    )  # fmt: skip
    raise typer.Exit(run_worker(options))


@app.command()
def ps(
    url: Url = None, token: Token = None, home: HomeOption = None, as_json: AsJson = False
) -> None:
    """List workers, and what each runs now."""
    where = Where.of(url, token, home)
    where.running()  # else there is nobody to list
    rows = sorted(ask(where, "workers::list", {}), key=_order)
    show(rows, ("label", "state", "pid", "host", "slots", "running", "tasks"), as_json=as_json)


def _order(worker: dict[str, Any]) -> tuple[int, str]:
    """By label, `w10` after `w9`."""
    return len(worker["label"]), worker["label"]


@app.command()
def queues(
    url: Url = None, token: Token = None, home: HomeOption = None, as_json: AsJson = False
) -> None:
    """List tasks with queued, running and dead jobs."""
    rows = ask(Where.of(url, token, home), "queues::list", {})
    show(rows, ("task", "queued", "running", "dead"), as_json=as_json)


@dlq_app.command("list")
def dlq_list(
    url: Url = None, token: Token = None, home: HomeOption = None, as_json: AsJson = False
) -> None:
    """List dead letters, of all runs."""
    rows = ask(Where.of(url, token, home), "dead::list", {})
    show(rows, ("id", "run", "task", "reason", "message", "redrivable", "died_at"), as_json=as_json)


@dlq_app.command("redrive")
def dlq_redrive(job: str, url: Url = None, token: Token = None, home: HomeOption = None) -> None:
    """Run a dead letter again."""
    answer: dict[str, Any] = ask(Where.of(url, token, home), "dead::redrive", {"job": job})
    out.print(f"queued again: {job}")
    if answer["reopened"]:
        out.print(f"its run is open again: agentfx resume {answer['run']}")


@dlq_app.command("discard")
def dlq_discard(job: str, url: Url = None, token: Token = None, home: HomeOption = None) -> None:
    """Take a job out of the dead letters for good."""
    ask(Where.of(url, token, home), "dead::discard", {"job": job})
    out.print(f"discarded: {job}")
