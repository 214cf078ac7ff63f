"""The package as it is installed."""

import importlib.metadata

import tiderace


def test_one_version() -> None:
    assert tiderace.__version__ == importlib.metadata.version("tiderace")
