"""Both backends keep the laws of backends."""

import pytest

import agentfx as fx
from agentfx.testing import InMemoryBackend, backend_laws


@pytest.mark.parametrize("law", backend_laws.LAWS, ids=lambda law: law.__name__)
async def test_in_memory(law: backend_laws.Law) -> None:
    await law(InMemoryBackend())


@pytest.mark.slow
@pytest.mark.parametrize("law", backend_laws.LAWS, ids=lambda law: law.__name__)
async def test_on_the_embedded_engine(law: backend_laws.Law, cluster: fx.Cluster) -> None:
    await law(cluster)
