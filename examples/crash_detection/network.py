"""A network of Keras as a model of the service. Where it is loaded, this file and TensorFlow have to be."""

from typing import Any

import numpy as np


class Network:
    """A network with one output between 0 and 1: how sure it is that a row is one of shaking."""

    def __init__(self, layered: Any) -> None:
        self._layered = layered

    def predict(self, features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """1 where it is more sure than not."""
        return (np.asarray(self._layered(features))[:, 0] > 0.5).astype(np.int64)
