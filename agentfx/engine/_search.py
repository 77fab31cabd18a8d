"""What listings have in common: filters, order, and the names of workers."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from agentfx.engine._state import Function, State
from agentfx.services._input import Input
from agentfx.wire import Json, is_object

Row = TypeVar("Row")

# Who serves the functions of this process, by the beginning of their ids.
_IN_PROCESS = {
    "engine::queue::": "iii-queue",
    "iii::": "iii-queue",
    "engine::": "iii-engine-functions",
    "state::": "iii-state",
}


def hidden(entry_id: str, metadata: Json) -> bool:
    """Whether a listing leaves an entry out unless it is asked for internal ones."""
    if is_object(metadata) and metadata.get("internal") is True:
        return True
    return entry_id.startswith("engine::") and not entry_id.startswith("engine::queue::")


def in_process_worker(entry_id: str) -> str:
    """The name under which this process shows what it serves."""
    for beginning, name in _IN_PROCESS.items():
        if entry_id.startswith(beginning):
            return name
    return "agentfx"


def worker_name(state: State, owner: str | None, entry_id: str) -> str:
    """The name of whoever has an entry."""
    if owner is None:
        return in_process_worker(entry_id)
    return state.connections[owner].name or entry_id.split("::", 1)[0]


def function_worker(state: State, function: Function) -> str:
    """The name of the worker that runs a function."""
    return worker_name(state, function.owner, function.id)


def selected(
    rows: Iterable[Row], asked: Input, texts: Callable[[Row], tuple[str, str | None]]
) -> list[Row]:
    """The rows that `search` and `prefix` ask for: by id, or the best matches first.

    Args:
        rows: What there is.
        asked: Holds the two filters.
        texts: The id and the description of a row.
    """
    search, prefix = asked.text_or_none("search"), asked.text_or_none("prefix") or ""
    ranked: list[tuple[int, str, int, Row]] = []
    for number, row in enumerate(rows):
        entry_id, description = texts(row)
        rank = 0 if search is None else _rank(search.lower(), entry_id.lower(), description)
        if rank is not None and entry_id.startswith(prefix):
            ranked.append((rank, entry_id, number, row))
    return [row for *_, row in sorted(ranked, key=lambda entry: entry[:3])]


def _rank(search: str, entry_id: str, description: str | None) -> int | None:
    if search == entry_id:
        return 0
    if entry_id.startswith(search):
        return 1
    if search in entry_id:
        return 2
    return 3 if search in (description or "").lower() else None
