"""Partitions that came from another worker: brought to addresses that kernels take, once.

distributed puts what it receives wherever the message before it ends, at odd addresses too, and kernels copy
the rows of such an array in every pass. So the first task that is given it puts a copy in its place.
"""

from typing import Any

import numpy as np
import scipy.sparse as sp

from ..extras import require


def settled(keys: list[Any], given: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a task goes on with of what it is given, of which the first ones are partitions by these names.

    Copies take the place of partitions that this worker keeps; others are left as they are, as the next pass
    would be given them anew. Until the task ends, which holds on to both, a copy takes memory of its own.
    """
    try:
        worker = require("distributed", extra="dask").get_worker()
    except (ImportError, ValueError):  # a scheduler of Dask's in this process: nothing was sent
        return given
    return *(_settled(worker, *one) for one in zip(keys, given, strict=False)), *given[len(keys) :]


def _settled(worker: Any, key: Any, part: Any) -> Any:
    if not lies_odd(part) or _in_memory(worker).get(key) is not part:
        return part
    found = copied(part)
    # By the thread that alone adds and takes away what a worker keeps.
    worker.loop.add_callback(_replaced, worker, key, part, found)
    return found


def _replaced(worker: Any, key: Any, old: Any, new: Any) -> None:
    if _in_memory(worker).get(key) is old:  # and not gone, or spilled to disk, meanwhile
        worker.data[key] = new


def _in_memory(worker: Any) -> Any:
    """What a worker keeps and has not spilled."""
    return getattr(worker.data, "fast", worker.data)


def lies_odd(part: Any) -> bool:
    """Whether an array, sparse matrix or data frame lies at addresses that kernels do not take."""
    if isinstance(part, np.ndarray):
        return not part.flags.aligned
    if sp.issparse(part) and part.format in ("csr", "csc"):
        return not all(a.flags.aligned for a in (part.data, part.indices, part.indptr))
    if not hasattr(part, "iloc") or not part.shape[1] or not isinstance(part.dtypes.iloc[0], np.dtype):
        return False
    return not part.iloc[:, 0].to_numpy().flags.aligned


def copied(part: Any) -> Any:
    """The same in memory of its own."""
    return part.copy(order="K") if isinstance(part, np.ndarray) else part.copy()
