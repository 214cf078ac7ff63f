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
from tiderace.application import Application, Explanation
from tiderace.dataframe import StreamingDataFrame
from tiderace.errors import BadRowError, BrokerError, ConfigError, Error, PlanError, StateError
from tiderace.models import Model, load_model, promote_model, publish_model
from tiderace.producer import Producer, RecordMetadata, TransactionalProducer
from tiderace.reader import Reader, Record
from tiderace.registry.version import ModelVersion
from tiderace.rolling import Rolling
from tiderace.series import Series, where

__all__ = [
    "Application",
    "BadRow",
    "BadRowError",
    "BrokerError",
    "ConfigError",
    "Error",
    "Explanation",
    "KafkaSecurity",
    "Model",
    "ModelVersion",
    "PlanError",
    "Producer",
    "Reader",
    "Record",
    "RecordMetadata",
    "Rolling",
    "Series",
    "State",
    "StateError",
    "StreamingDataFrame",
    "Summary",
    "Topic",
    "TransactionalProducer",
    "__version__",
    "load_model",
    "promote_model",
    "publish_model",
    "where",
]
