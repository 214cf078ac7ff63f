"""The input: each row follows from its number, so that nobody has to remember what was sent."""

import numpy as np
import pyarrow as pa

KEYS = 1000
BEGIN_MS = 1_700_000_000_000
ROWS_PER_MS = 5  # of event time; what is sent a second is another matter


def phone_rows(begin: int, end: int, keys: int = 0) -> pa.Table:
    """Rows `begin` to `end` (not included): number, key, event time, and two values with gaps.

    Some rows are up to 300 ms older than the row before. Keys come in no order; where their number is given,
    in turn.
    """
    n = np.arange(begin, end, dtype=np.int64)
    mixed = (n * 2_654_435_761) % 2**32
    shaken = (mixed * 40_503 + n) % 2**32
    age_ms = np.where(mixed % 16 == 3, (mixed >> 8) % 300, 0)
    return pa.table(
        {
            "n": n,
            "k": pa.array([f"k{key}" for key in (n % keys if keys else (mixed >> 7) % KEYS)]),
            "t": BEGIN_MS + n // ROWS_PER_MS - age_ms,
            "x": pa.array((mixed >> 10) / 1024.0 - 2000, mask=mixed % 37 == 5),
            "y": pa.array(shaken % 5000, mask=shaken % 41 == 7),
        }
    )
