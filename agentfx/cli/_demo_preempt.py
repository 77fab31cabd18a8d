"""`agentfx demo preempt`: newer inputs preempt older ones, and the fence holds."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import agentfx as fx
from agentfx.cli._show import out
from agentfx.demos import Preemption
from agentfx.demos._preempt import QUESTIONS, cancellable, unstoppable

_CASES: tuple[tuple[str, Callable[[str], fx.Effect[list[str], Any]]], ...] = (
    ("Case A: the work can be cancelled", cancellable),
    ("Case B: a call is under way that cannot be cancelled", unstoppable),
)


async def preempt() -> bool:
    """Two cases, with work that can be cancelled and without; whether both hold."""
    out.print(
        f"Somebody types {len(QUESTIONS)} questions; each preempts the one before it. An answer "
        "is sent\nbehind `fence.guard(send(answer))`, and cannot be taken back.\n"
    )
    with tempfile.TemporaryDirectory(prefix="agentfx-demo-") as home:
        async with fx.local(workers=2, home=home) as cluster:
            held = [await _case(cluster, title, build, home) for title, build in _CASES]
    out.print("● came  ━ runs  ┄ runs, though overtaken  ✗ cancelled  ⊘ refused  ✔ sent")
    out.print(f"only the latest was sent: {'yes' if all(held) else 'NO'}", style="bold")
    return all(held)


async def _case(
    cluster: fx.Cluster, title: str, build: Callable[[str], fx.Effect[list[str], Any]], home: str
) -> bool:
    outbox = Path(home) / f"{build.__name__}.outbox"
    started = await fx.start(build(str(outbox)), backend=cluster)
    events = [event async for event in started.events()]
    result = await started.result()
    for event in events:
        if event.type == "output" and event.label:
            out.print(f"  {event.worker}: {event.label.strip()}", style="dim", markup=False)
    picture = Preemption(events, title)
    out.print(f"{picture!r}", markup=False, highlight=False, soft_wrap=True)
    sent = outbox.read_text().splitlines() if outbox.exists() else []
    out.print(f"sent: {', '.join(sent) or 'nothing'}\n", markup=False, highlight=False)
    latest = f"the answer to: {QUESTIONS[-1]}"
    return (result, sent, picture.fired) == (fx.Ok([latest]), [latest], [len(QUESTIONS)])
