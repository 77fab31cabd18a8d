"""Tasks that foreign workers call."""

import asyncio
from pathlib import Path

from pydantic import BaseModel

import agentfx as fx


class Page(BaseModel):
    url: str
    text: str


class NotFound(fx.Failure):
    url: str


@fx.task("docs::fetch", raises=NotFound)
async def fetch(ctx: fx.TaskContext, url: str) -> Page:
    """Get a page.

    `hold:FOLDER` says who runs it in a file of the folder, then waits for a file `go`.
    """
    kind, _, rest = url.partition(":")
    if kind == "gone":
        raise NotFound(url=url)
    if kind == "hold":
        folder = Path(rest)
        (folder / f"started-{ctx.delivery}").write_text(ctx.worker)
        while not (folder / "go").exists():  # noqa: ASYNC110 - the test is another process
            await asyncio.sleep(0.01)
        return Page(url=url, text=f"run by {ctx.worker}")
    return Page(url=url, text="one two three")
