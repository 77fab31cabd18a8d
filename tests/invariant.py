"""What simulations check at every event."""


class InvariantError(AssertionError):
    """Something happened that must not."""


def check(holds: bool, what: str) -> None:
    """Let the simulation end with its seed if something does not hold."""
    if not holds:
        raise InvariantError(what)
