"""What Binder builds, built here by the same files; and the first walkthrough in it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("agentfx", "agentfx_widgets", "binder", "notebooks")
FILES = ("pyproject.toml", "README.md", "LICENSE")
IS_TRUSTED = (
    "import sys, nbformat\n"
    "from nbformat.sign import NotebookNotary\n"
    "for path in sys.argv[1:]:\n"
    "    print(NotebookNotary().check_signature(nbformat.read(path, 4)))\n"
)


class Built:
    """An environment as Binder makes it."""

    def __init__(self, folder: Path) -> None:
        self.repo, self.venv = folder / "repo", folder / "venv"
        self.bin = self.venv / "bin"
        keep = ("III_", "AGENTFX_", "JUPYTER_", "PYTHON")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(keep)}
        self.environment = {
            **clean,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(self.venv),
            "JUPYTER_DATA_DIR": str(folder / "data"),
            "IPYTHONDIR": str(folder / "ipython"),
        }

    def run(self, *command: str | Path) -> str:
        """Run a command in the repository; what it printed.

        Raises:
            AssertionError: It failed.
        """
        done = subprocess.run(
            command, cwd=self.repo, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def build(self) -> None:
        """The steps that Binder takes: Python, packages, postBuild."""
        wanted = (self.repo / "binder" / "runtime.txt").read_text().strip().replace("-", "")
        python = shutil.which(wanted) or sys.executable
        uv = shutil.which("uv")
        if uv is None:
            self.run(python, "-m", "venv", self.venv)
            self.run(self.bin / "pip", "install", "-q", "-r", "binder/requirements.txt")
        else:
            self.run(uv, "venv", "--quiet", "--python", python, self.venv)
            self.run(uv, "pip", "install", "--quiet", "-r", "binder/requirements.txt")
        self.run(self.repo / "binder" / "postBuild")


@pytest.fixture
def built(tmp_path: Path) -> Built:
    repo = tmp_path / "repo"
    leave = shutil.ignore_patterns("__pycache__", ".*", "*.ipynb")
    for name in NEEDED:
        shutil.copytree(ROOT / name, repo / name, ignore=leave)
    for name in FILES:
        shutil.copy(ROOT / name, repo / name)
    made = Built(tmp_path)
    made.build()
    return made


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_first_walkthrough_runs_in_what_binder_builds(built: Built) -> None:
    made = sorted((built.repo / "notebooks").glob("*.ipynb"))
    sources = sorted((built.repo / "notebooks").glob("[0-9]*.py"))
    assert [path.stem for path in made] == [path.stem for path in sources]
    assert set(built.run(built.bin / "python", "-c", IS_TRUSTED, *made).split()) == {"True"}
    lab = built.venv / "share" / "jupyter" / "lab" / "settings" / "overrides.json"
    quiet = json.loads(lab.read_text())["@jupyterlab/apputils-extension:notification"]
    assert quiet == {"fetchNews": "false", "checkForUpdates": False}
    built.run(built.bin / "jupyter", "lab", "--version")
    built.run(built.bin / "jupyter", "execute", "--inplace", made[0])
    outputs = json.loads(made[0].read_text())["cells"]
    assert any(cell.get("outputs") for cell in outputs)


def test_binder_has_the_versions_that_are_tested() -> None:
    pinned = _pins(ROOT / "binder" / "requirements.txt")
    tested = _pins(ROOT / "requirements" / "dev.txt")
    assert pinned.items() <= tested.items()
    assert "anywidget" in pinned
    assert (ROOT / "binder" / "requirements.txt").read_text().endswith("\n.[notebook]\n")


def _pins(path: Path) -> dict[str, str]:
    lines = [line.split("\\")[0].split(";")[0].strip() for line in path.read_text().splitlines()]
    pairs = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return dict(pairs)
