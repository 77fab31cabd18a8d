"""Which engine this is, and which services it has: for people."""

from dataclasses import dataclass

from agentfx.backends import CallError, Connection, LinkLostError
from agentfx.cluster._options import INFO

ASK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class About:
    """What was found at an address.

    Attributes:
        engine: Its kind, with its version where it tells.
        services: Where they are and what they write to; None if the engine has none.
        lossy: Why their store is not durable, if it is not.
    """

    engine: str
    services: str | None
    lossy: str | None = None

    def __str__(self) -> str:
        return f"{self.engine}, {self.services or 'without agentfx services'}"


async def about(connection: Connection) -> About:
    """Find out what is at the other end.

    Raises:
        LinkLostError: The link closed meanwhile.
    """
    try:
        info = await connection.call(INFO, {}, ASK_SECONDS)
    except CallError:
        return About(await _iii(connection), None)
    if info["worker"] is None:
        name, where = f"the embedded engine of agentfx {info['version']}", "services in it"
    else:
        name, where = await _iii(connection), "services as a worker of it"
    return About(name, f"{where}, store {info['store']}", info["lossy"])


async def version_of_services(connection: Connection) -> str | None:
    """Of which agentfx the services are; None where there are none, or none yet."""
    try:
        info = await connection.call(INFO, {}, ASK_SECONDS)
    except (CallError, LinkLostError):
        return None
    return str(info["version"])


async def _iii(connection: Connection) -> str:
    """An iii engine tells its version with the workers that it runs itself."""
    listing = await connection.call("engine::workers::list", {}, ASK_SECONDS)
    versions = {row["version"] for row in listing["workers"] if row.get("runtime") == "engine"}
    told = sorted(version for version in versions if version)
    return f"iii {', '.join(told)}" if told else "an iii engine"
