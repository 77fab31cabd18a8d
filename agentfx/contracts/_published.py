"""What a registry has of functions: read from an engine, kept in generated modules."""

import ast
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agentfx.algebra import RESERVED, Published
from agentfx.backends import Connection, registered


@dataclass(frozen=True, slots=True)
class Known:
    """A function with a contract.

    Attributes:
        worker: Name of its worker, which differs from start to start; not part of the contract.
    """

    id: str
    description: str
    published: Published
    worker: str = ""


async def read_registry(connection: Connection) -> list[Known]:
    """All functions of a registry that declare a contract; engines' and services' own left out."""
    return [
        Known(row.id, row.description, row.published, row.worker)
        for row in await registered(connection)
        if not row.id.startswith(RESERVED)
        and not (row.published.request is None and row.published.response is None)
    ]


def published_text(registry: Iterable[Known]) -> str:
    """What a generated module keeps of a registry, as JSON text."""
    table = {
        known.id: {
            "description": known.description,
            "request": known.published.request,
            "response": known.published.response,
            "errors": dict(known.published.errors),
            "language": known.published.language,
        }
        for known in registry
    }
    return json.dumps(table, sort_keys=True, ensure_ascii=True)


def published_in(source: str) -> list[Known]:
    """The registry that a generated module was made from; the module is not run.

    Raises:
        ValueError: It is no generated module.
    """
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "PUBLISHED":
            return _known(json.loads(ast.literal_eval(statement.value)))
    raise ValueError("it was not written by `agentfx gen`")


def _known(table: dict[str, Any]) -> list[Known]:
    return [
        Known(
            function_id,
            row["description"],
            Published(row["request"], row["response"], row["errors"], row["language"]),
        )
        for function_id, row in table.items()
    ]
