"""Names of functions: the plain ones of iii, and those that are always ours."""

STATE, QUEUE = "state::", "engine::queue::"
_PLAIN = ("iii::durable::", "iii::queue::", QUEUE)


def own_id(function_id: str) -> str:
    """Our own id of a function that iii has under a plain one.

    The plain ids may belong to the engine or to another worker; these never do.
    """
    for prefix in _PLAIN:
        if function_id.startswith(prefix):
            return f"agentfx::queue::{function_id.removeprefix(prefix)}"
    return f"agentfx::{function_id}"
