"""The promise of the kit: a program ends the same under both interpreters."""

import pytest
from hypothesis import HealthCheck, given, settings

import agentfx as fx
from agentfx.algebra import AnyEffect
from agentfx.testing import InMemoryBackend, both_interpreters
from tests.interpreters.programs import DICE, programs


@given(programs)
@settings(max_examples=150, deadline=None)
async def test_random_programs_on_a_backend_in_memory(program: AnyEffect) -> None:
    await both_interpreters(InMemoryBackend())(program, DICE)


@pytest.mark.slow
@given(program=programs)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_random_programs_on_the_embedded_engine(
    program: AnyEffect, cluster: fx.Cluster
) -> None:
    await both_interpreters(cluster)(program, DICE)
