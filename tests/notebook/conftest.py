"""What the tests of magics share."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.notebook.shell import Shell, new_shell


@pytest.fixture
def shell(
    request: pytest.FixtureRequest,
    shared_home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Shell]:
    """A shell with the extension, on the cluster that tests share, which has run `DEFINE`."""
    monkeypatch.setenv("AGENTFX_HOME", str(shared_home))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = Shell(new_shell(), capsys)
    shell.run("%load_ext agentfx")
    shell.run(cast("Any", request).module.DEFINE)
    yield shell
    shell.run("%unload_ext agentfx")
