"""Moving aggregates."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from tiderace.arguments import answers
from tiderace.errors import PlanError

Result = TypeVar("Result")


@answers(PlanError)
class Rolling(Generic[Result]):
    """`sdf["x"].rolling("10s")`, or several columns at once: `sdf[["x", "y"]].rolling("10s")`.

    Nulls are skipped; the window of a row holds the row itself. Results are exact over the window's rows,
    whatever has left it.

    Examples
    --------
    >>> sdf[["mx", "my"]] = sdf[["x", "y"]].rolling(2, min_periods=1).max()
    >>> table = sdf.backtest([{"k": "a", "x": 1, "y": 5}, {"k": "a", "x": 2, "y": 4}], key="k")
    >>> table.select(["mx", "my"]).to_pylist()
    [{'mx': 1, 'my': 5}, {'mx': 2, 'my': 5}]
    """

    __slots__ = ("_rolling", "_wrap")

    def __init__(self, rolling: Any, wrap: Callable[[Any], Result]) -> None:
        self._rolling = rolling
        self._wrap = wrap

    def mean(self) -> Result:
        """The mean; null of nothing."""
        return self._wrap(self._rolling.aggregate("mean"))

    def sum(self) -> Result:
        """The sum; null of nothing; int64 of ints."""
        return self._wrap(self._rolling.aggregate("sum"))

    def min(self) -> Result:
        """The smallest value; null of nothing."""
        return self._wrap(self._rolling.aggregate("min"))

    def max(self) -> Result:
        """The largest value; null of nothing."""
        return self._wrap(self._rolling.aggregate("max"))

    def count(self) -> Result:
        """How many values there are (nulls do not count); it pays no heed to `min_periods`."""
        return self._wrap(self._rolling.aggregate("count"))

    def std(self, ddof: int = 1) -> Result:
        """The standard deviation; null of `ddof` values or fewer."""
        return self._wrap(self._rolling.aggregate("std", ddof))

    def var(self, ddof: int = 1) -> Result:
        """The variance; null of `ddof` values or fewer."""
        return self._wrap(self._rolling.aggregate("var", ddof))
