"""What has changed between two registries, and whether callers notice.

A change is compatible if whoever calls by the old contract goes on working: the function accepts
all that it accepted, and answers with nothing that it did not answer with. What cannot be decided
counts as breaking.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agentfx.contracts._published import Known
from agentfx.contracts._read import read_schema
from agentfx.contracts._within import within

Kind = Literal["breaking", "compatible"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        text: What changed, for a person.
    """

    function_id: str
    kind: Kind
    text: str

    def __str__(self) -> str:
        line = f"{self.kind:<10}  {self.function_id}: {self.text}"
        # Ids and keys are others' words: nothing in them may move the cursor.
        return "".join(c if c.isprintable() else " " for c in line)


def compare(before: Sequence[Known], after: Sequence[Known]) -> list[Change]:
    """All differences, breaking ones first."""
    old = {known.id: known for known in before}
    new = {known.id: known for known in after}
    changes = [Change(name, "breaking", "is gone") for name in old.keys() - new.keys()]
    changes += [Change(name, "compatible", "is new") for name in new.keys() - old.keys()]
    for name in old.keys() & new.keys():
        changes += _of_function(old[name], new[name])
    return sorted(changes, key=lambda change: (change.kind, change.function_id, change.text))


def _of_function(old: Known, new: Known) -> Iterator[Change]:
    name, before, after = old.id, old.published, new.published
    if old.description != new.description:
        yield Change(name, "compatible", "its description changed")
    if before.language != after.language:
        yield Change(
            name, "compatible", f"its language was {before.language}, and is {after.language}"
        )
    yield from _schemas(name, "input", before.request, after.request)
    yield from _schemas(name, "result", after.response, before.response)
    for error in before.errors.keys() - after.errors.keys():
        yield Change(name, "compatible", f"it no longer fails with {error}")
    for error in after.errors.keys() - before.errors.keys():
        yield Change(name, "breaking", f"it can fail with {error} now")
    for error in before.errors.keys() & after.errors.keys():
        yield from _schemas(name, error, after.errors[error], before.errors[error])


def _schemas(name: str, what: str, narrow: Any, wide: Any) -> Iterator[Change]:
    """Compare two schemas of which each value of the first has to be one of the second."""
    if _text(narrow) == _text(wide):
        return
    reason = within(read_schema(narrow, what), read_schema(wide, what))
    if reason is None:
        yield Change(name, "compatible", f"its {what} changed")
    else:
        yield Change(name, "breaking", f"its {what} changed: {reason}")


def _text(schema: Any) -> str:
    return json.dumps(schema, sort_keys=True)
