"""Contracts of the registry: a table of all, and one in full."""

from typing import TYPE_CHECKING

from agentfx.contracts import Known, brief_fields, brief_type, read_registry
from agentfx.notebook._errors import UserError
from agentfx.notebook._html import table, text_of
from agentfx.notebook._kit import Kit, the_kit
from agentfx.notebook._listings import frame

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("id", "language", "worker", "input", "result", "fails with")
NEAR = 5


class ContractDisplay:
    """A function's contract as its worker publishes it, to be read by a person.

    Attributes:
        known: What the registry has of it.
    """

    def __init__(self, known: Known) -> None:
        self.known = known

    @property
    def request_schema(self) -> object:
        """JSON Schema of the input, None if there is none."""
        return self.known.published.request

    @property
    def response_schema(self) -> object:
        """JSON Schema of the result, None if there is none."""
        return self.known.published.response

    def __repr__(self) -> str:
        known = self.known
        lines = [f"{known.id}  ({_who(known)})", *known.description.strip().splitlines(), ""]
        for what, schema in _parts(known):
            lines.append(f"{what:<8} {brief_type(schema)}")
            for name, kind, about in brief_fields(schema):
                lines.append(f"           {name}: {kind}" + (f": {about}" if about else ""))
        return "\n".join(_printable(line).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        known = self.known
        head = f"<p><b><code>{text_of(known.id)}</code></b> {text_of(_who(known))}</p>"
        about = f"<p>{text_of(known.description)}</p>" if known.description else ""
        return f"<div>{head}{about}{''.join(_html(*part) for part in _parts(known))}</div>"


def contract(function_id: str, *, kit: Kit | None = None) -> ContractDisplay:
    """The contract of a function in the registry, whatever language it is written in.

    Args:
        function_id: Such as `pymath::add`.
        kit: Of this kernel, without it.

    Raises:
        UserError: Nobody has registered it, or it declares no contract.
    """
    found = _registry(kit)
    for known in found:
        if known.id == function_id:
            return ContractDisplay(known)
    first = function_id.partition("::")[0]
    near = [known.id for known in found if known.id.startswith(f"{first}::")][:NEAR]
    hint = f"there are {', '.join(near)}" if near else "%contracts lists those that do"
    raise UserError(f"no function {function_id} declares a contract: {hint}")


def contracts(*, kit: Kit | None = None) -> "pd.DataFrame":
    """All functions of the registry that declare a contract."""
    return frame(
        [
            {
                "id": known.id,
                "language": known.published.language or "",
                "worker": known.worker.partition(".")[0],
                "input": brief_type(known.published.request),
                "result": brief_type(known.published.response),
                "fails with": ", ".join(known.published.errors),
            }
            for known in _registry(kit)
        ],
        COLUMNS,
    )


def _registry(kit: Kit | None) -> list[Known]:
    chosen = kit or the_kit()

    async def read() -> list[Known]:
        return await read_registry((await chosen.engine()).connection)

    return chosen.call(read())


def _who(known: Known) -> str:
    language = known.published.language or "unknown language"
    return f"{language}, worker {known.worker.partition('.')[0]}" if known.worker else language


def _parts(known: Known) -> list[tuple[str, object]]:
    published = known.published
    return [
        ("input", published.request),
        ("result", published.response),
        *((name, schema) for name, schema in published.errors.items()),
    ]


def _html(what: str, schema: object) -> str:
    rows = brief_fields(schema)
    if not rows:
        return f"<p>{text_of(what)}: <code>{text_of(brief_type(schema))}</code></p>"
    return table(what, ("field", "type", "description"), rows)


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
