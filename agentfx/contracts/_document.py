"""A schema as a document: what its references lead to, and `allOf` across them."""

from typing import Any
from urllib.parse import unquote

from agentfx.contracts._merge import CannotMergeError, Keywords, merge
from agentfx.contracts._shape import Schema
from agentfx.wire import is_array, is_object

MOST_DEPTH = 64
"""Schemas inside one another, or references that lead to references."""


class Document:
    """A JSON Schema with all that it refers to.

    Args:
        root: The whole schema.
        name: Words from which the names of its definitions are made.
    """

    def __init__(self, root: Schema, name: str) -> None:
        self._root, self._name = root, name

    def target(self, reference: Any) -> tuple[Schema, str] | None:
        """What a reference leads to, and words for its name; None if it leads elsewhere.

        Args:
            reference: A JSON pointer (RFC 6901) as a fragment, such as `#/$defs/Point`.
        """
        if reference == "#":
            return self._root, self._name
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        found: Any = self._root
        parts = [unquote(p).replace("~1", "/").replace("~0", "~") for p in reference[2:].split("/")]
        for part in parts:
            if is_object(found) and part in found:
                found = found[part]
            elif is_array(found) and part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            else:
                return None
        return found, f"{self._name} {parts[-1]}"

    def merged(self, schema: Keywords) -> Schema:
        """A schema without `allOf`, and without a reference at its top.

        Raises:
            CannotMergeError: Its parts cannot be joined, or one of them lies elsewhere.
        """
        rest = {key: value for key, value in schema.items() if key not in ("$ref", "allOf")}
        merged: Keywords = rest
        for part in self._conjuncts(schema, 0):
            if part is False:
                return False
            if is_object(part):
                merged = merge(merged, part)
        return merged

    def _conjuncts(self, schema: Keywords, depth: int) -> list[Schema]:
        if depth > MOST_DEPTH:
            raise CannotMergeError("`allOf` refers to itself")
        found: list[Schema] = []
        parts = list(schema.get("allOf", ())) if is_array(schema.get("allOf", [])) else []
        if "$ref" in schema:
            target = self.target(schema["$ref"])
            if target is None:
                raise CannotMergeError("it refers to another document")
            parts.append(target[0])
        for part in parts:
            if is_object(part) and ("allOf" in part or "$ref" in part):
                found += self._conjuncts(part, depth + 1)
                part = {k: v for k, v in part.items() if k not in ("allOf", "$ref")}
            found.append(part)
        return found
