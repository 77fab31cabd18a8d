"""`agentfx gen`: types from the contracts of a live registry."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agentfx.cli._app import HomeOption, Token, Url, Where, app, engine_of, run
from agentfx.cli._show import err, out

if TYPE_CHECKING:
    from agentfx.contracts import Known


@app.command()
def gen(
    out_file: Annotated[Path, typer.Option("--out", help="Module to write.")] = Path(
        "contracts.py"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if the registry has changed.")
    ] = False,
    url: Url = None,
    token: Token = None,
    home: HomeOption = None,
) -> None:
    """Write typed Python for every function in the registry that declares a contract."""
    from agentfx.contracts import GenError, write_module

    where = Where.of(url, token, home)
    where.running()  # else there are no workers whose functions could be written down
    registry = run(lambda: _registry(where))
    if check:
        _check(out_file, registry)
        return
    source = write_module(registry)
    try:
        out_file.write_text(source, "utf-8")
    except OSError as error:
        raise GenError(f"cannot write {out_file}: {error.strerror}") from None
    err.print(f"{out_file}: {len(registry)} functions", soft_wrap=True)


async def _registry(where: Where) -> "list[Known]":
    from agentfx.contracts import read_registry

    async with engine_of(where) as engine:
        return await read_registry(engine.connection)


def _check(file: Path, registry: "list[Known]") -> None:
    from agentfx.contracts import GenError, compare, published_in

    try:
        before = published_in(file.read_text("utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise GenError(
            f"{file} cannot be checked: {why}; `agentfx gen --out {file}` writes it"
        ) from None
    changes = compare(before, registry)
    for change in changes:
        out.print(str(change), style="red" if change.kind == "breaking" else None, soft_wrap=True)
    if changes:
        broken = sum(change.kind == "breaking" for change in changes)
        text = f"{len(changes)} changes, {broken} of them breaking: run `agentfx gen` again"
        err.print(text, soft_wrap=True)
        raise typer.Exit(1)
    err.print(f"{file} is what the registry has", soft_wrap=True)
