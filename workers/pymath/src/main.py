"""The worker: serves the functions of `pymath` on an iii engine.

Where the engine is, the environment says: III_URL, III_TOKEN, III_WORKER_NAME.
"""

import json
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

from iii import InitOptions, register_worker  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]
from pydantic import BaseModel, ValidationError
from pymath import FUNCTIONS, DeclaredError, Function, refuse_inexact


class ConventionError(Exception):
    """An error by the convention `<name>: <fields as JSON>`: what a caller can tell apart."""

    def __init__(self, name: str, fields: dict[str, Any]) -> None:
        super().__init__(f"{name}: {json.dumps(fields, ensure_ascii=False)}")


def handler(function: Function) -> Callable[[Any], Any]:
    """Check what comes in, run the function, check what goes out."""

    def handle(data: Any) -> Any:
        given = {k: v for k, v in data.items() if k != "_caller_worker_id"}
        try:
            # Through JSON: strict models take enums from text only there.
            value = function.takes.model_validate_json(json.dumps(given))
        except ValidationError as error:
            raise violation(function.id, error) from None
        try:
            result = function.run(value).model_dump(mode="json")
        except DeclaredError as failure:
            fields = failure.model.model_dump(mode="json")
            raise ConventionError(type(failure.model).__name__, fields) from None
        refuse_inexact(result)
        return result

    return handle


def violation(function_id: str, error: ValidationError) -> ConventionError:
    """What every function answers to input that its contract does not allow."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [[detail["type"], list(detail["loc"]), detail["msg"]] for detail in details]
    fields = {"task": function_id, "where": "input", "errors": errors}
    return ConventionError("ContractViolation", fields)


def schema(model: type[BaseModel], mode: Any) -> dict[str, Any]:
    """The JSON Schema of a model."""
    return model.model_json_schema(mode=mode)


def main() -> None:
    """Serve until SIGTERM."""
    logging.getLogger("iii").setLevel(logging.CRITICAL)  # failures are answers, not news
    token = os.environ.get("III_TOKEN")
    client = register_worker(
        os.environ.get("III_URL", "ws://127.0.0.1:49134"),
        InitOptions(
            worker_name=os.environ.get("III_WORKER_NAME", "pymath"),
            headers={"Authorization": f"Bearer {token}"} if token else {},
            otel={"enabled": False},
        ),
    )
    for function in FUNCTIONS:
        client.register_function(
            function.id,
            handler(function),
            description=function.run.__doc__,
            request_format=schema(function.takes, "validation"),
            response_format=schema(function.gives, "serialization"),
            metadata={"errors": {e.__name__: schema(e, "serialization") for e in function.errors}},
        )
    over = threading.Event()

    def leave(number: int, frame: object) -> None:
        over.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    over.wait()
    client.shutdown()


if __name__ == "__main__":
    main()
