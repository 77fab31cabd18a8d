"""Values that are valid against a schema, or nearly so."""

from typing import Any, cast

from hypothesis import strategies as st

Value = st.SearchStrategy[Any]

plain: Value = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 9)
    | st.sampled_from([0.5, 1.0, 2.0, 2.5, -0.0, 1e3])
    | st.sampled_from(["", "a", "b", "abc", "circle", "cat", "dog", "ab1", "ß", "Fast"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "x", "kind", "n", "zz"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def near(schema: Any, root: Any, depth: int = 4) -> Value:
    """Values around a schema: most keep its structure, some break it at a place."""
    if not isinstance(schema, dict) or depth == 0:
        return plain
    known: dict[str, Any] = schema  # pyright: ignore[reportUnknownVariableType]
    return st.one_of(_inside(known, root, depth), _inside(known, root, depth), plain)


def target(reference: str, root: Any) -> Any:
    """What a reference within a schema refers to."""
    found = root
    for part in reference.removeprefix("#").split("/")[1:]:
        found = found[part]
    return found


def _inside(schema: dict[str, Any], root: Any, depth: int) -> Value:
    if "$ref" in schema:
        return near(target(schema["$ref"], root), root, depth - 1)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            rest = {k: v for k, v in schema.items() if k != key}
            return st.one_of([_inside(_merged([rest, b], root), root, depth) for b in schema[key]])
    if "allOf" in schema:
        return _inside(_merged(schema["allOf"], root), root, depth)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kinds: Any = schema.get("type", "object" if "properties" in schema else "any")
    several = cast("list[str]", kinds if isinstance(kinds, list) else [kinds])
    return st.one_of([_of_kind(kind, schema, root, depth) for kind in several])


def _merged(parts: list[Any], root: Any) -> dict[str, Any]:
    """One schema that says most of what its parts say: a guide for values, not a judge."""
    merged: dict[str, Any] = {}
    for part in parts:
        if not isinstance(part, dict):
            continue
        known = cast("dict[str, Any]", part)
        while "$ref" in known:
            known = {k: v for k, v in known.items() if k != "$ref"} | target(known["$ref"], root)
        properties = {**known.get("properties", {}), **merged.get("properties", {})}
        required = [*merged.get("required", []), *known.get("required", [])]
        merged = {**known, **merged, "properties": properties, "required": required}
    return merged


def _of_kind(kind: str, schema: dict[str, Any], root: Any, depth: int) -> Value:
    match kind:
        case "null":
            return st.none()
        case "boolean":
            return st.booleans()
        case "integer":
            return st.integers(-5, 9) | st.sampled_from([1.0, 2.0, 1.5, 2**53 + 1])
        case "number":
            return st.integers(-5, 9) | st.sampled_from([0.5, 1.0, 2.5, 2.4, 2**53 + 1, 1e15])
        case "string":
            return st.sampled_from(["", "a", "ab", "abc", "abcd", "a1", "c0x", "ßß", "d"])
        case "array":
            return _array(schema, root, depth)
        case "object":
            return _object(schema, root, depth)
        case _:
            return plain


def _array(schema: dict[str, Any], root: Any, depth: int) -> Value:
    items: Any = schema.get("items", {})
    prefix: Any = schema.get("prefixItems", items)
    if isinstance(prefix, list) and prefix:
        several: list[Any] = prefix  # pyright: ignore[reportUnknownVariableType]
        parts = [near(part, root, depth - 1) for part in several]
        return st.integers(0, len(parts)).flatmap(lambda n: st.tuples(*parts[:n]).map(list))
    return st.lists(near(items, root, depth - 1), max_size=4)


def _object(schema: dict[str, Any], root: Any, depth: int) -> Value:
    properties: dict[str, Any] = schema.get("properties", {})
    known = {key: near(part, root, depth - 1) for key, part in properties.items()}
    required = {k: known.pop(k, plain) for k in schema.get("required", [])}
    fixed = st.fixed_dictionaries(required, optional=known)
    others = schema.get("additionalProperties", True)
    extra = st.dictionaries(
        st.sampled_from(["a", "b", "extra", "my_key", "Z", "long-key"]),
        near(others, root, depth - 1),
        max_size=2,
    )
    none: dict[str, Any] = {}
    return st.tuples(st.just(none) | extra, fixed).map(lambda both: {**both[0], **both[1]})
