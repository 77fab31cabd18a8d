"""The driver's code for local workers: a private file, and nothing else is ever unpickled."""

import os
from pathlib import Path

import pytest

import agentfx as fx
from agentfx.algebra import AnyTask
from agentfx.cluster import Home
from agentfx.cluster._bundle import (
    KEPT_SECONDS,
    BundleError,
    drop_forgotten,
    load_bundle,
    write_bundle,
)
from tests.cluster.test_processes import mode

SECRET = "a-value-of-some-length"  # noqa: S105 - of nobody


def added(number: int) -> AnyTask:
    """A task as a cell has it: it captures what is around it."""

    @fx.task("bundles::added")
    async def add(n: int) -> int:
        return n + number

    return add


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.make()
    return home


@pytest.fixture
def version(home: Home) -> str:
    """Of a bundle that is in there."""
    written = write_bundle(home, [added(5)])
    assert written is not None
    return written


def _file(home: Home, version: str) -> Path:
    """Where a bundle is: the part of its version before the home is the hash of it."""
    return home.bundles / version.partition("@")[0]


async def test_a_bundle_is_its_owners_alone_and_brings_the_code(home: Home, version: str) -> None:
    assert (mode(home.bundles), mode(_file(home, version))) == (0o700, 0o600)
    assert await load_bundle(home, version)["bundles::added"].local(2) == 7


def test_other_code_has_another_version(home: Home, version: str) -> None:
    assert write_bundle(home, [added(5)]) == version
    assert write_bundle(home, [added(6)]) != version


@pytest.mark.parametrize("bits", [0o644, 0o660, 0o606])
def test_a_file_that_others_can_read_or_write_is_not_loaded(
    home: Home, version: str, bits: int
) -> None:
    (_file(home, version)).chmod(bits)
    with pytest.raises(BundleError, match="not a private file of this user"):
        load_bundle(home, version)


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_is_not_loaded(home: Home, version: str) -> None:
    os.chown(_file(home, version), 12345, -1)
    with pytest.raises(BundleError, match="not a private file of this user"):
        load_bundle(home, version)


def test_a_file_that_was_changed_is_not_loaded(home: Home, version: str) -> None:
    path = _file(home, version)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(BundleError, match="not what its name says"):
        load_bundle(home, version)


def test_a_link_is_not_followed(home: Home, version: str) -> None:
    path = _file(home, version)
    path.rename(home.path / "elsewhere")
    path.symlink_to(home.path / "elsewhere")
    with pytest.raises(BundleError, match="not on this machine"):
        load_bundle(home, version)


@pytest.mark.parametrize("name", ["../store.db", "", "0" * 63, "A" * 64, "0" * 64 + "\n"])
def test_a_version_is_a_hash(home: Home, name: str) -> None:
    with pytest.raises(BundleError, match="is no hash"):
        load_bundle(home, name)


def test_a_key_does_not_get_into_a_file(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", SECRET)

    def capturing(key: str) -> AnyTask:
        @fx.task("bundles::keyed")
        async def keyed() -> int:
            return len(key)

        return keyed

    with pytest.raises(BundleError, match="captures the value of SOME_API_KEY") as caught:
        write_bundle(home, [capturing(SECRET)])
    assert SECRET not in str(caught.value)
    assert not home.bundles.exists()


def test_code_for_services_elsewhere_is_deleted_when_nobody_brings_it(
    home: Home, version: str
) -> None:
    now = _file(home, version).stat().st_mtime
    drop_forgotten(home, now + KEPT_SECONDS - 1)
    assert _file(home, version).exists()
    home.store.touch()  # services of this folder know which runs need it
    drop_forgotten(home, now + KEPT_SECONDS + 1)
    assert _file(home, version).exists()
    home.store.unlink()
    drop_forgotten(home, now + KEPT_SECONDS + 1)
    assert not _file(home, version).exists()
