"""JSON Schemas of all kinds: the specification's own constructs, and what libraries publish."""

from typing import Any

POINT = {
    "type": "object",
    "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
    "required": ["x", "y"],
}
TREE = {
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["value"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/Node",
}

EXACT: dict[str, Any] = {
    # The specification's own constructs
    "anything": {},
    "true": True,
    "null": {"type": "null"},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer", "minimum": -3, "exclusiveMaximum": 5},
    "number": {"type": "number", "exclusiveMinimum": 0, "maximum": 2.5},
    "multiple of 3": {"type": "integer", "multipleOf": 3},
    "text": {"type": "string", "minLength": 1, "maxLength": 3},
    "pattern": {"type": "string", "pattern": "^[a-c]+[0-9]?"},
    "several types": {"type": ["string", "null", "integer"]},
    "list of numbers": {"type": "array", "items": {"type": "number"}, "maxItems": 3},
    "unique": {"type": "array", "items": {"type": ["integer", "boolean"]}, "uniqueItems": True},
    "row": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "items": False,
        "minItems": 2,
    },
    "row with an optional end": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, {"type": "string"}],
        "items": False,
    },
    "row of draft 7": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "array",
        "items": [{"type": "boolean"}],
        "additionalItems": False,
        "minItems": 1,
    },
    "texts of an enum": {"type": "string", "enum": ["a", "b", "with space", 'quote"\'']},
    "numbers of an enum": {"enum": [1, 2, 2.5]},
    "mixed enum": {"enum": ["a", 1, True, None]},
    "enum narrowed by its type": {"type": "integer", "enum": [1, "a", 2, None]},
    "const": {"const": "circle"},
    "const of a number": {"const": 7},
    "object": POINT,
    "closed object": {**POINT, "additionalProperties": False},
    "optional fields": {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": ["string", "null"]}},
    },
    "required without a schema": {"type": "object", "required": ["must", "be"]},
    "no keys at all": {"type": "object", "additionalProperties": False},
    "a key that must not be": {"type": "object", "properties": {"old": False}},
    "odd keys": {
        "type": "object",
        "properties": {
            "class": {"type": "integer"}, "my-key": {"type": "integer"},
            "my_key": {"type": "integer"}, "": {"type": "integer"}, "1st": {"type": "integer"},
            "_x": {"type": "integer"}, "model_config": {"type": "integer"},
            "copy": {"type": "integer"}, "schema": {"type": "integer"},
            "self": {"type": "integer"}, "straße": {"type": "integer"}, "a b": {"type": "integer"},
        },
        "required": ["class", "my-key"],
    },
    "map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "map with bounds": {
        "type": "object",
        "additionalProperties": {"type": "boolean"},
        "propertyNames": {"pattern": "^[a-z]", "maxLength": 3},
        "maxProperties": 2,
    },
    "any of": {"anyOf": [{"type": "string", "maxLength": 2}, {"type": "integer"}, POINT]},
    "one of, apart": {"oneOf": [{"type": "string"}, {"type": "array", "items": {}}]},
    "one of, overlapping": {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 2}]},
    "one of, tagged": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"kind": {"const": "cat"}, "lives": {"type": "integer"}},
                "required": ["kind"],
            },
            {
                "type": "object",
                "properties": {"kind": {"const": "dog"}, "name": {"type": "string"}},
                "required": ["kind", "name"],
            },
        ]
    },
    "all of": {
        "allOf": [
            {"$ref": "#/$defs/Named"},
            {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]},
            {"required": ["name"]},
        ],
        "$defs": {"Named": {"type": "object", "properties": {"name": {"type": "string"}}}},
    },
    "all of bounds": {"allOf": [{"type": "integer", "minimum": 1}, {"maximum": 4, "minimum": -1}]},
    "all of, closed": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}},
            {"properties": {"a": {"minimum": 2}}, "additionalProperties": False},
        ]
    },
    "reference with more beside it": {
        "$ref": "#/$defs/Text",
        "maxLength": 2,
        "$defs": {"Text": {"type": "string", "minLength": 1}},
    },
    "any of with more beside it": {
        "type": "object",
        "properties": {"id": {"type": "integer"}},
        "required": ["id"],
        "anyOf": [
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ],
    },
    "recursive object": TREE,
    "recursive root": {
        "type": "object",
        "properties": {"next": {"$ref": "#"}, "n": {"type": "integer"}},
        "additionalProperties": False,
    },
    "recursive union": {
        "$defs": {
            "Json": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"$ref": "#/$defs/Json"}},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/Json"}},
                ]
            }
        },
        "$ref": "#/$defs/Json",
    },
    "two definitions that need each other": {
        "$defs": {
            "A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}},
            "B": {"type": "array", "items": {"$ref": "#/$defs/A"}, "maxItems": 2},
        },
        "$ref": "#/$defs/A",
    },
    # pydantic
    "pydantic": {
        "$defs": {
            "Color": {"enum": ["red", "green"], "title": "Color", "type": "string"},
            "Item": {
                "description": "One item.",
                "properties": {
                    "name": {"minLength": 1, "title": "Name", "type": "string"},
                    "color": {"$ref": "#/$defs/Color"},
                    "price": {
                        "anyOf": [{"exclusiveMinimum": 0, "type": "number"}, {"type": "null"}],
                        "default": None,
                        "title": "Price",
                    },
                },
                "required": ["name", "color"],
                "title": "Item",
                "type": "object",
            },
        },
        "properties": {
            "items": {"items": {"$ref": "#/$defs/Item"}, "title": "Items", "type": "array"},
            "by_name": {
                "additionalProperties": {"$ref": "#/$defs/Item"}, "title": "By Name",
                "type": "object",
            },
            "first": {"allOf": [{"$ref": "#/$defs/Item"}], "description": "The first."},
        },
        "required": ["items"],
        "title": "Order",
        "type": "object",
    },
    # zod, by its own toJSONSchema
    "zod": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "id": {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991},
            "tags": {
                "type": "object",
                "propertyNames": {"type": "string"},
                "additionalProperties": {"type": "string"},
            },
            "shape": {
                "oneOf": [
                    {
                        "type": "object",
                        "properties": {"kind": {"type": "string", "const": "circle"},
                                       "r": {"type": "number"}},
                        "required": ["kind", "r"],
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "properties": {"kind": {"type": "string", "const": "square"},
                                       "a": {"type": "number"}},
                        "required": ["kind", "a"],
                        "additionalProperties": False,
                    },
                ]
            },
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}],
                     "items": False, "minItems": 2},
        },
        "required": ["id", "shape", "maybe"],
        "additionalProperties": False,
    },
    # schemars, draft 7
    "schemars": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Request",
        "type": "object",
        "required": ["count", "mode"],
        "properties": {
            "count": {"type": "integer", "format": "uint32", "minimum": 0.0},
            "mode": {"$ref": "#/definitions/Mode"},
            "ratio": {"type": ["number", "null"], "format": "double"},
            "inner": {"anyOf": [{"$ref": "#/definitions/Inner"}, {"type": "null"}]},
        },
        "definitions": {
            "Inner": {
                "type": "object",
                "required": ["on"],
                "properties": {"on": {"type": "boolean"}},
            },
            "Mode": {
                "oneOf": [
                    {"type": "string", "enum": ["Fast", "Slow"]},
                    {
                        "type": "object",
                        "required": ["Custom"],
                        "properties": {"Custom": {"type": "integer", "format": "int32"}},
                        "additionalProperties": False,
                    },
                ]
            },
        },
    },
}  # fmt: skip
"""Schemas whose models accept the same values, no more and no fewer."""

FORMATS: dict[str, Any] = {
    "date-time": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "uuid": {"type": "string", "format": "uuid"},
    "uri": {"type": "string", "format": "uri"},
}

UNTYPED: dict[str, tuple[Any, str]] = {
    "not": ({"not": {"type": "string"}}, "`not` has no Python type"),
    "if": ({"type": "integer", "if": {"minimum": 2}, "then": {"maximum": 9}}, "`if` has"),
    "patternProperties": (
        {"type": "object", "patternProperties": {"^x": {"type": "integer"}}},
        "`patternProperties` has",
    ),
    "allOf of itself": ({"type": "object", "allOf": [{"$ref": "#"}]}, "`allOf` refers to itself"),
    "contains": ({"type": "array", "contains": {"type": "integer"}}, "`contains` has"),
    "typed rest": (
        {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
        "typed keys beside known ones",
    ),
    "open row": (
        {"type": "array", "prefixItems": [{"type": "integer"}], "items": {"type": "string"}},
        "first items differ",
    ),
    "elsewhere": ({"$ref": "https://example.com/schema.json"}, "another document"),
    "no type": ({"properties": {"a": {"type": "integer"}}}, "without `type`"),
    "lookahead": ({"type": "string", "pattern": "^(?=a)"}, "`pattern`"),
    "two patterns": (
        {"allOf": [{"type": "string", "pattern": "a"}, {"pattern": "b"}]},
        "two different `pattern`",
    ),
    "only itself": (
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}},
        "nothing that ends",
    ),
    "itself or more": (
        {"$ref": "#/$defs/A", "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}}},
        "nothing that ends",
    ),
    "no schema": ({"type": "object", "properties": {"a": 3}}, "no JSON Schema"),
}
"""Schemas that have no Python type, and the beginning of what the comment says."""
