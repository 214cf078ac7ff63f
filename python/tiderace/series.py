"""One value a row: columns and what is computed from them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any, NoReturn

from tiderace import _tiderace
from tiderace._tiderace import Topic
from tiderace.arguments import answers
from tiderace.errors import PlanError
from tiderace.rolling import Rolling


def unwrapped(value: object) -> object:
    """What the engine knows a value by. Raises `PlanError` for what is still to be called."""
    if isinstance(value, Series):
        return value._series
    if isinstance(value, Rolling) or _is_method(value):
        raise PlanError(f"wanted a series or a constant, found {_uncalled(value)}")
    return value


def _is_method(value: object) -> bool:
    """Whether it is one of a series, a frame or the like."""
    return type(getattr(value, "__self__", None)).__module__.startswith("tiderace.")


def _uncalled(value: object) -> str:
    if not isinstance(value, Rolling):
        name = getattr(value, "__name__", "method")
        return f"the method {name}, not called: write .{name}()"
    ways = ", ".join(f".{name}()" for name in vars(Rolling) if not name.startswith("_"))
    return f"a window of which nothing is asked; call {ways}"


@answers(PlanError)
class Series:
    """A column of a frame, or an expression over its columns; pandas' meaning under nulls.

    An immutable description: nothing is computed before rows flow. Take one from a frame, combine it with
    constants and other series of the same frame, and set it as a column or use it to select rows.

    Notes
    -----
    A value of a kind that an operation cannot take (a string under arithmetic) makes its row bad. Raises
    `PlanError` where that is known before. Use it from the thread that builds the pipeline.

    Examples
    --------
    >>> sdf["g"] = sdf["x"].abs() + sdf["y"].abs()
    >>> sdf = sdf[(sdf["g"] > 2) & sdf["x"].notnull()]
    >>> sdf.backtest([{"x": -1.5, "y": 1}, {"x": None, "y": 9}])["g"].to_pylist()
    [2.5]
    """

    __slots__ = ("_series", "str")
    __hash__ = None  # type: ignore[assignment]
    __iter__ = None

    def __init__(self, series: _tiderace.Series) -> None:
        self._series = series
        self.str = Strings(series)

    def __repr__(self) -> str:
        return repr(self._series)

    def __bool__(self) -> NoReturn:
        raise PlanError(
            f"{self!r} has a value for every row, so it is neither true nor false; "
            "combine conditions with & | ~ (not: and or not), and choose with tr.where()"
        )

    def __getitem__(self, name: str) -> Series:
        """The value inside a nested one: `sdf["gps"]["lat"]`."""
        return Series(self._series.field(name))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: object, **options: object) -> Any:
        """NumPy's functions of numbers that are methods here too: `np.sqrt(sdf["x"])`."""
        function = _UFUNCS.get(ufunc.__name__)
        if function is None or method != "__call__" or options:
            return NotImplemented
        return function(*inputs)

    def __add__(self, other: object) -> Series:
        return _binary("+", self, other)

    def __radd__(self, other: object) -> Series:
        return _binary("+", other, self)

    def __sub__(self, other: object) -> Series:
        return _binary("-", self, other)

    def __rsub__(self, other: object) -> Series:
        return _binary("-", other, self)

    def __mul__(self, other: object) -> Series:
        return _binary("*", self, other)

    def __rmul__(self, other: object) -> Series:
        return _binary("*", other, self)

    def __truediv__(self, other: object) -> Series:
        return _binary("/", self, other)

    def __rtruediv__(self, other: object) -> Series:
        return _binary("/", other, self)

    def __floordiv__(self, other: object) -> Series:
        return _binary("//", self, other)

    def __rfloordiv__(self, other: object) -> Series:
        return _binary("//", other, self)

    def __mod__(self, other: object) -> Series:
        return _binary("%", self, other)

    def __rmod__(self, other: object) -> Series:
        return _binary("%", other, self)

    def __pow__(self, other: object) -> Series:
        return _binary("**", self, other)

    def __rpow__(self, other: object) -> Series:
        return _binary("**", other, self)

    def __and__(self, other: object) -> Series:
        return _binary("&", self, other)

    def __rand__(self, other: object) -> Series:
        return _binary("&", other, self)

    def __or__(self, other: object) -> Series:
        return _binary("|", self, other)

    def __ror__(self, other: object) -> Series:
        return _binary("|", other, self)

    def __lt__(self, other: object) -> Series:
        return _binary("<", self, other)

    def __le__(self, other: object) -> Series:
        return _binary("<=", self, other)

    def __gt__(self, other: object) -> Series:
        return _binary(">", self, other)

    def __ge__(self, other: object) -> Series:
        return _binary(">=", self, other)

    def __eq__(self, other: object) -> Series:  # type: ignore[override]
        return _binary("==", self, other)

    def __ne__(self, other: object) -> Series:  # type: ignore[override]
        return _binary("!=", self, other)

    def __neg__(self) -> Series:
        return Series(self._series.unary("neg"))

    def __invert__(self) -> Series:
        return Series(self._series.unary("invert"))

    def __abs__(self) -> Series:
        return self.abs()

    def abs(self) -> Series:
        """The absolute value."""
        return Series(self._series.unary("abs"))

    def sqrt(self) -> Series:
        """The square root; null for negative numbers."""
        return Series(self._series.unary("sqrt"))

    def exp(self) -> Series:
        """e to the power of each value."""
        return Series(self._series.unary("exp"))

    def log(self) -> Series:
        """The natural logarithm; null for negative numbers, minus infinity for 0."""
        return Series(self._series.unary("log"))

    def round(self, decimals: int = 0) -> Series:
        """Rounded to `decimals` digits behind the point, halves to even.

        Examples
        --------
        >>> sdf["y"] = sdf["x"].round(1)
        >>> sdf.backtest([{"x": 1.25}])["y"].to_pylist()
        [1.2]
        """
        return Series(self._series.round(decimals))

    def clip(self, lower: object = None, upper: object = None) -> Series:
        """Values below `lower` become `lower`, those above `upper` become `upper`; None is no bound."""
        return Series(self._series.clip(unwrapped(lower), unwrapped(upper)))

    def isnull(self) -> Series:
        """Whether the value is missing, null or NaN, which are one."""
        return Series(self._series.unary("isnull"))

    def notnull(self) -> Series:
        """Whether there is a value: not missing, null or NaN."""
        return Series(self._series.unary("notnull"))

    def isna(self) -> Series:
        """The same as `isnull`."""
        return self.isnull()

    def notna(self) -> Series:
        """The same as `notnull`."""
        return self.notnull()

    def fillna(self, value: object) -> Series:
        """`value`, a constant or a series, where there is none.

        Examples
        --------
        >>> sdf["y"] = sdf["x"].fillna(0)
        >>> sdf.backtest([{"x": 3}, {"x": None}])["y"].to_pylist()
        [3, 0]
        """
        return Series(self._series.fillna(unwrapped(value)))

    def isin(self, values: Iterable[object]) -> Series:
        """Whether the value is one of these constants; false for null."""
        return Series(self._series.isin(values))

    def between(self, low: object, high: object) -> Series:
        """`low <= value <= high`."""
        return Series(self._series.between(unwrapped(low), unwrapped(high)))

    def astype(self, kind: str | type) -> Series:
        """Converted to `int64`, `float64`, `string` or `bool`; a value that cannot be makes its row bad.

        Examples
        --------
        >>> sdf["y"] = sdf["x"].astype("int64")
        >>> sdf.backtest([{"x": "17"}])["y"].to_pylist()
        [17]
        """
        return Series(self._series.astype(kind if isinstance(kind, str) else kind.__name__))

    def apply(self, function: Callable[[Any], object]) -> Series:
        """`function(value)` for each value, nulls (None) too. Slow beside expressions.

        A call that raises makes its row bad (kind `function`). Runs on the worker's thread: with one worker
        that is the thread that called `run()`, so that breakpoints work.

        Examples
        --------
        >>> sdf["y"] = sdf["x"].apply(lambda name: name.title())
        >>> sdf.backtest([{"x": "ada"}])["y"].to_pylist()
        ['Ada']
        """
        return Series(self._series.apply(function))

    def diff(self, periods: int = 1, *, name: str = "") -> Series:
        """The value minus that of the key's row `periods` rows ago, in order of arrival; null before.

        *State*: the last values of each key, under `name` if given.
        """
        return Series(self._series.diff(periods, name))

    def shift(self, periods: int = 1, *, name: str = "") -> Series:
        """The value of the key's row `periods` rows ago, in order of arrival; null before.

        Examples
        --------
        >>> sdf["before"] = sdf["x"].shift()
        >>> sdf.backtest([{"k": "a", "x": 1}, {"k": "a", "x": 2}], key="k")["before"].to_pylist()
        [None, 1]
        """
        return Series(self._series.shift(periods, name))

    def rolling(
        self,
        window: int | str | timedelta,
        *,
        min_periods: int | None = None,
        grace: float | str | timedelta = 0,
        on_late: str | Topic | Callable[[dict[str, Any]], object] | None = None,
        name: str = "",
    ) -> Rolling[Series]:
        """Moving aggregates per key: `sdf["x"].rolling("10s").mean()`.

        Parameters
        ----------
        window
            A length of event time (`"10s"`, a timedelta): the key's rows in `(t - 10 s, t]`. Or a number of
            rows: the key's last rows in order of arrival.
        min_periods
            Values needed for a result; default 1 by time, `window` by rows.
        grace
            How much later than the window a row may still come and be inserted where it belongs.
        on_late
            Where rows later than that go: None keeps them with null, `"drop"`, a topic, or a function.
        name
            Of the state; default: what the step says.

        Examples
        --------
        >>> sdf["mean"] = sdf["x"].rolling("10s").mean()
        >>> rows = [{"k": "a", "t": 0, "x": 1}, {"k": "a", "t": 5000, "x": 2}, {"k": "a", "t": 10000, "x": 6}]
        >>> sdf.backtest(rows, key="k", timestamp="t")["mean"].to_pylist()
        [1.0, 1.5, 4.0]
        """
        return Rolling(self._series.rolling(window, grace, min_periods, on_late, name), Series)


@answers(PlanError)
class Strings:
    """`sdf["name"].str`: what strings have beside operators. Nulls stay null; numbers make their row bad.

    Examples
    --------
    >>> sdf["y"] = sdf["x"].str.upper()
    >>> sdf.backtest([{"x": "café"}])["y"].to_pylist()
    ['CAFÉ']
    """

    __slots__ = ("_series",)

    def __init__(self, series: _tiderace.Series) -> None:
        self._series = series

    def lower(self) -> Series:
        """In lower case, each character by Unicode's simple mapping."""
        return Series(self._series.unary("lower"))

    def upper(self) -> Series:
        """In upper case, each character by Unicode's simple mapping (`ß` becomes `ẞ`)."""
        return Series(self._series.unary("upper"))

    def len(self) -> Series:
        """The number of characters (code points)."""
        return Series(self._series.unary("len"))

    def contains(self, pattern: str, *, regex: bool = True) -> Series:
        """Whether `pattern`, a regular expression of RE2 or, without `regex`, a text, is found in it."""
        return Series(self._series.match("regex" if regex else "literal", pattern))

    def startswith(self, prefix: str) -> Series:
        """Whether it begins with `prefix`."""
        return Series(self._series.match("startswith", prefix))

    def endswith(self, suffix: str) -> Series:
        """Whether it ends with `suffix`."""
        return Series(self._series.match("endswith", suffix))


def _binary(op: str, left: object, right: object) -> Series:
    return Series(_tiderace.binary(op, unwrapped(left), unwrapped(right)))


def where(condition: object, then: object, otherwise: object) -> Series:
    """`then` where `condition` is true, `otherwise` where it is false or null.

    The branch that is not taken is not judged: a value of a wrong kind in it does not make the row bad.

    Examples
    --------
    >>> sdf["sign"] = tr.where(sdf["x"] < 0, "minus", "plus")
    >>> sdf.backtest([{"x": -1}, {"x": 1}])["sign"].to_pylist()
    ['minus', 'plus']
    """
    return Series(_tiderace.where(unwrapped(condition), unwrapped(then), unwrapped(otherwise)))


def _operator(op: str) -> Callable[..., Series]:
    return lambda left, right: _binary(op, left, right)


_UFUNCS: dict[str, Callable[..., Series]] = {
    "absolute": Series.abs,
    "fabs": Series.abs,
    "sqrt": Series.sqrt,
    "exp": Series.exp,
    "log": Series.log,
    "negative": operator.neg,
    "isnan": Series.isnull,
    "add": _operator("+"),
    "subtract": _operator("-"),
    "multiply": _operator("*"),
    "divide": _operator("/"),
    "floor_divide": _operator("//"),
    "remainder": _operator("%"),
    "power": _operator("**"),
    "less": _operator("<"),
    "less_equal": _operator("<="),
    "greater": _operator(">"),
    "greater_equal": _operator(">="),
    "equal": _operator("=="),
    "not_equal": _operator("!="),
    "bitwise_and": _operator("&"),
    "logical_and": _operator("&"),
    "bitwise_or": _operator("|"),
    "logical_or": _operator("|"),
}
