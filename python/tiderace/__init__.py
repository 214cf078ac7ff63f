"""Real-time ML pipelines as streaming data frames.

Examples
--------
>>> import tiderace as tr
>>> app = tr.Application(consumer_group="crash-detector")
>>> sdf = app.dataframe(app.topic("phone-data"))
>>> sdf["total"] = sdf["x"].abs() + sdf["y"].abs()
>>> sdf.backtest([{"x": -1, "y": 2}])["total"].to_pylist()
[3]
"""

from tiderace._tiderace import BadRow, KafkaSecurity, State, Summary, Topic
from tiderace._tiderace import version as __version__
from tiderace.application import Application, Explanation, Producer
from tiderace.dataframe import StreamingDataFrame
from tiderace.errors import (
    BadRowError,
    BrokerError,
    ConfigError,
    Error,
    PlanError,
    SinkUnavailable,
    StateError,
)
from tiderace.file_sinks import DuckDBSink, ParquetSink
from tiderace.models import Model, load_model
from tiderace.reader import Reader, Record
from tiderace.rolling import Rolling
from tiderace.series import Series, where
from tiderace.sinks import PostgresSink, Sink, SinkPart
from tiderace.sources import CsvSource, NdjsonSource, ParquetSource, PostgresSource, Source

__all__ = [
    "Application",
    "BadRow",
    "BadRowError",
    "BrokerError",
    "ConfigError",
    "CsvSource",
    "DuckDBSink",
    "Error",
    "Explanation",
    "KafkaSecurity",
    "Model",
    "NdjsonSource",
    "ParquetSink",
    "ParquetSource",
    "PlanError",
    "PostgresSink",
    "PostgresSource",
    "Producer",
    "Reader",
    "Record",
    "Rolling",
    "Series",
    "Sink",
    "SinkPart",
    "SinkUnavailable",
    "Source",
    "State",
    "StateError",
    "StreamingDataFrame",
    "Summary",
    "Topic",
    "__version__",
    "load_model",
    "where",
]
