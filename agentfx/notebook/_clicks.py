"""Whether clicks reach this kernel while a cell runs."""

import asyncio

from agentfx._packages import installed


def major_minor(text: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    numbers = [int(part) if part.isdigit() else 0 for part in [*text.split("."), "0", "0"][:2]]
    return numbers[0], numbers[1]


def nest_asyncio_is_patched_in() -> bool:
    """Whether plain nest_asyncio was applied, which loses clicks; its fork only delays them."""
    return hasattr(asyncio, "_nest_patched") and not hasattr(asyncio, "_nest_asyncio2")


def click_notice(mode: str, ipykernel: str | None = None) -> str | None:
    """What to say of clicks on this kernel; None where they arrive.

    Args:
        mode: `awaited`, `blocking`, `detached` or `memory`: how the cell waits.
        ipykernel: Its version, the installed one without it.
    """
    found = ipykernel or installed("ipykernel")
    if mode == "detached" or found is None:
        return None
    if nest_asyncio_is_patched_in():
        return (
            "nest_asyncio is patched in: clicks are lost while this cell runs. Restart the kernel "
            "without it; agentfx does not need it."
        )
    if major_minor(found) < (7, 0):
        return (
            f"This kernel (ipykernel {found}) takes clicks only between cells: use --detach, "
            "or ipykernel 7.4 or newer."
        )
    if (7, 0) <= major_minor(found) < (7, 4):
        return (
            f"This kernel (ipykernel {found}) hears clicks at once in JupyterLab; elsewhere they "
            "wait until the cell ends, which ipykernel 7.4 mends."
        )
    if mode == "blocking" and major_minor(found) >= (7, 4):
        return (
            "This cell blocks the kernel: outside JupyterLab, clicks wait until it ends. "
            "Without %%time or %%capture around it they arrive at once."
        )
    return None
