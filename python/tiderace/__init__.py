"""Real-time ML pipelines as streaming data frames."""

from tiderace._tiderace import version as __version__

__all__ = ["__version__"]
