"""Tasks that the laws of backends need."""

from agentfx.algebra import task


@task("agentfx_testing::double")
async def double(value: int) -> int:
    """Twice the value."""
    return 2 * value
