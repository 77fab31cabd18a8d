"""A registry as a Python module: models, and a typed `remote`."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agentfx._errors import AgentfxError
from agentfx.contracts._names import IMPORTABLE, class_words, fields
from agentfx.contracts._published import Known, published_text
from agentfx.contracts._read import read_schema
from agentfx.contracts._shape import Anything, Mapping, Record
from agentfx.contracts._write import (
    Types,
    Writer,
    docstring,
    literal,
    module_names,
    one_line,
)

_HEAD = '''"""Functions of other workers, typed from what an engine's registry had of them.

Written by `agentfx gen`, which overwrites it; `agentfx gen --check` compares it with a registry.
"""

# ruff: noqa
from __future__ import annotations

'''
_PIECE = 80
_ALWAYS = "ContractViolation | TaskError"


class GenError(AgentfxError):
    """Types cannot be generated."""


@dataclass(frozen=True, slots=True)
class _Signature:
    """How a function is called.

    Attributes:
        parameters: Source, after `self`.
        about: What the function does, and what its parameters are.
        takes: Name of the input's type.
        gives: Name of the result's type.
        fails: Source of the union of its failures.
        failures: Classes by their names on the wire.
    """

    parameters: str
    about: str
    takes: str
    gives: str
    fails: str
    failures: dict[str, str]


def write_module(registry: Sequence[Known]) -> str:
    """The source of a module for the functions of a registry, formatted.

    Raises:
        GenError: There are no functions, or nothing to format the source with.
    """
    if not registry:
        raise GenError("no function in the registry declares a contract")
    return formatted(module_source(registry))


def module_source(registry: Sequence[Known]) -> str:
    """See `write_module`; not formatted."""
    module = _Module(registry)
    body = [module.function(known) for known in sorted(registry, key=lambda known: known.id)]
    table = ",\n".join(module.table)
    source = "\n\n".join(
        [
            *module.writer.classes,
            *body,
            *module.overloads,
            _REMOTE,
            f"CONTRACTS: dict[str, TypedContract] = {{\n{table},\n}}\n",
            f"PUBLISHED = (\n{_pieces(published_text(registry))}\n)\n",
        ]
    )
    return _HEAD + _imports(source) + source


class _Module:
    def __init__(self, registry: Sequence[Known]) -> None:
        schemas = [schema for known in registry for schema in known.published.schemas()]
        self.writer = Writer(module_names(schemas))
        self.table: list[str] = []
        self.overloads: list[str] = []
        self._failures: dict[tuple[str, str], str] = {}

    def function(self, known: Known) -> str:
        """The types of a function; its overloads and its row in the table are kept aside."""
        callable_name = self.writer.names.take(class_words(known.id))
        job_name = self.writer.names.take(f"{callable_name}Job")
        signature = self._signature(known)
        self._overload(known.id, callable_name, job_name)
        failures = ", ".join(f"{literal(k)}: {v}" for k, v in signature.failures.items())
        language = None if known.published.language is None else literal(known.published.language)
        self.table.append(
            f"{literal(known.id)}: TypedContract({literal(known.id)}, {signature.takes}, "
            f"{signature.gives}, {{{failures}}}, {language})"
        )
        return "\n\n".join(
            _protocol(name, kind, signature, known.id)
            for name, kind in ((callable_name, "Effect"), (job_name, "Replayable"))
        )

    def _overload(self, function_id: str, callable_name: str, job_name: str) -> None:
        # Two for each function: a checker refuses a single overload.
        for flag, default, name in (("False", " = ...", callable_name), ("True", "", job_name)):
            self.overloads.append(
                f"@overload\ndef remote(function_id: Literal[{literal(function_id)}], *, "
                f"replayable: Literal[{flag}]{default}, timeout: float = ...) -> {name}: ..."
            )

    def _signature(self, known: Known) -> _Signature:
        published = known.published
        request = self._types(published.request, f"{known.id} input")
        takes = self._name(request, f"{known.id} input")
        parameters = _parameters(request, takes)
        response = self._types(published.response, f"{known.id} result")
        gives = self._name(response, f"{known.id} result")
        failures = {
            name: self._failure(known.id, name, schema)
            for name, schema in sorted(published.errors.items())
        }
        fails = " | ".join([*dict.fromkeys(failures.values()), _ALWAYS])
        about = _about(known.description, request)
        return _Signature(parameters, about, takes, gives, fails, failures)

    def _types(self, schema: Any, words: str) -> Types:
        return self.writer.types(read_schema(schema, words))

    def _name(self, types: Types, words: str) -> str:
        """A name for the whole type of a schema."""
        expression = types.root()
        if isinstance(types.resolved(types.shapes.root), Record):
            return expression
        name = self.writer.names.take(class_words(words))
        comments = "".join(f"# {why}\n" for why in types.whys())
        self.writer.classes.append(f"{comments}{name}: TypeAlias = {expression}\n")
        return name

    def _failure(self, function_id: str, name: str, schema: Any) -> str:
        """The class of a declared failure; shared by functions that declare it alike."""
        key = (name, json.dumps(schema, sort_keys=True))
        if key not in self._failures:
            words = f"{function_id} {name}"
            types = self._types(schema, words)
            shape = types.resolved(types.shapes.root)
            record = shape if isinstance(shape, Record) else Record(words, ())
            body = types.body(record, of_failure=True)
            # A name that starts with an underscore may mean something to Python.
            wanted = class_words(words) if name.startswith("_") else name
            taken = self.writer.names.take(wanted)
            if taken != name:
                taken = self.writer.names.take(class_words(words))
            self.writer.classes.append(f"class {taken}(Failure):\n{body}\n")
            self._failures[key] = taken
        return self._failures[key]


def _protocol(name: str, kind: str, signature: _Signature, function_id: str) -> str:
    return (
        f"class {name}(Protocol):\n"
        f"{docstring(f'How {one_line(function_id)} is called.', '    ')}\n"
        f"    def __call__(self{signature.parameters}) -> "
        f"{kind}[{signature.gives}, {signature.fails}]:\n"
        f"{docstring(signature.about, '        ')}        ...\n"
    )


def _about(description: str, request: Types) -> str:
    shape = request.resolved(request.shapes.root)
    if not isinstance(shape, Record):
        return description
    names = fields(field.name for field in shape.fields)
    given = [(names[one.name], one.description) for one in shape.fields if one.description]
    lines = [f"    {name}: {' '.join(text.split())}" for name, text in given]
    return "\n".join([description, "", "Args:", *lines]) if lines else description


def _parameters(types: Types, takes: str) -> str:
    shape = types.resolved(types.shapes.root)
    if isinstance(shape, Anything):
        return ", *args: Any, **kwargs: Any"
    if isinstance(shape, Mapping):
        return f", **kwargs: {types.expression(shape.value)}"
    if not isinstance(shape, Record):
        return f", value: {takes}, /"
    if not shape.fields:
        return ""
    names = fields(field.name for field in shape.fields)
    given = [
        f"{names[field.name]}: {types.expression(field.shape)}"
        + ("" if field.required else " = ...")
        for field in shape.fields
    ]
    types.whys()
    return f", *, {', '.join(given)}"


_REMOTE = '''def remote(
    function_id: str, *, replayable: bool = False, timeout: float = 30.0
) -> Any:
    """A function of another worker, typed by its contract.

    Args:
        function_id: As the registry had it.
        replayable: Make each call a durable job, which may run again after a crash.
        timeout: Seconds after which a call ends in `TaskError("timeout")`.
    """
    return typed_remote(CONTRACTS, function_id, replayable, timeout)
'''


def _imports(source: str) -> str:
    lines: list[str] = []
    for module, names in IMPORTABLE.items():
        used = [name for name in names if _is_used(name, source)]
        if used:
            lines.append(f"from {module} import {', '.join(used)}")
    return "\n".join(lines) + "\n\n"


def _is_used(name: str, source: str) -> bool:
    return re.search(rf"\b{name}\b", source) is not None


def _pieces(text: str) -> str:
    return "\n".join(literal(text[i : i + _PIECE]) for i in range(0, len(text), _PIECE))


def formatted(source: str) -> str:
    """Source as ruff formats it.

    Raises:
        GenError: There is no ruff.
    """
    beside = Path(sys.executable).with_name("ruff")
    ruff = str(beside) if beside.exists() else shutil.which("ruff")
    if ruff is None:
        raise GenError("generated code is formatted with ruff: pip install 'agentfx-kit[gen]'")
    options = ["--isolated", "--line-length", "100", "--stdin-filename", "contracts.py", "-"]
    ran = subprocess.run(  # noqa: S603 - ruff, without a shell
        [ruff, "format", *options], input=source, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise GenError(f"generated code cannot be formatted: {ran.stderr.strip()}")
    return ran.stdout
