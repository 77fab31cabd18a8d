"""Which packages are in this environment."""

from importlib.metadata import PackageNotFoundError, version


def installed(package: str) -> str | None:
    """The version of a package in this environment."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
