"""What may be given as X: any container, dtype, layout, values and shape, each with its plain array."""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pandas as pd
import polars as pl
import scipy.sparse as sp
from entries import ENTRIES, counts

Array = np.ndarray[Any, Any]


class Sub(np.ndarray):
    """A subclass that says of itself what is not so."""

    T = property(lambda self: None)
    dot = sum = min = max = astype = copy = None

    def __len__(self) -> int:
        return 1


class Giving:
    """An object that gives an array once, and another one from then on."""

    def __init__(self, x: Array, later: Array) -> None:
        self._given = [later, x]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        found = self._given.pop() if len(self._given) > 1 else self._given[0]
        return found if dtype is None else found.astype(dtype)


def inside(x: Array, begin: int) -> Array:
    """The same at another address."""
    room = np.zeros(x.nbytes + 16, np.uint8)
    found = room[begin : begin + x.nbytes].view(x.dtype).reshape(x.shape)
    found[...] = x
    return found


def read_only(x: Array) -> Array:
    """The same, not to be written to."""
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "every other column": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "every third row": lambda x: np.repeat(x, 3, axis=0)[::3] if x.ndim else x,
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1] if x.ndim == 2 else x,
    "columns backwards": lambda x: x[..., ::-1].copy()[..., ::-1] if x.ndim else x,
    "read-only": read_only,
    "at an odd address": lambda x: inside(x, 1),
    "at half an item": lambda x: inside(x, max(1, x.itemsize // 2)),
    "a field of records": lambda x: (
        np.rec.fromarrays([np.zeros(x.shape, "i1"), x], names="a,b").b if x.ndim else x
    ),
    "a slice of three dimensions": lambda x: np.stack([x + 0, x, x + 0], axis=-1)[..., 1],
}
DTYPES = [
    "?", "i1", "u1", "<i2", ">u2", "<i4", ">i4", "u4", "i8", "u8", "<f2", ">f2", "<f4", ">f4", "<f8", ">f8",
    "g", "O",
    ml_dtypes.bfloat16,
]  # fmt: skip
NO_NUMBERS = ["<U8", "S8", "M8[s]", "m8[s]", "c8", "c16", "V8", "i4,f8"]


def _tensor(x: Array) -> Any:
    return memoryview(np.ascontiguousarray(x)) if x.dtype.isnative and x.dtype.kind in "biuf" else x.tolist()


CONTAINERS: dict[str, Callable[[Array], Any]] = {
    "array": lambda x: x,
    "lists": lambda x: x.tolist(),
    "tuples": lambda x: tuple(map(tuple, x.tolist())) if x.ndim == 2 else x,
    "a list of arrays": lambda x: list(x) if x.ndim == 2 else x,
    "subclass": lambda x: x.view(Sub),
    "masked": np.ma.masked_array,
    "memoryview": _tensor,
    "pandas": lambda x: pd.DataFrame(x) if x.ndim == 2 else x,
    "pandas, nullable": lambda x: pd.DataFrame(x).convert_dtypes() if x.ndim == 2 else x,
    "polars": lambda x: pl.DataFrame(np.ascontiguousarray(x)) if x.ndim == 2 and x.shape[1] else x,
}
SPARSE: dict[str, Callable[[Array], Any]] = {
    f"{form}_{kind}": getattr(sp, f"{form}_{kind}")
    for form in ("csr", "csc", "coo", "bsr", "lil", "dok", "dia") for kind in ("array", "matrix")
}  # fmt: skip


def wide(x: Any) -> Any:
    """The same with indices of 64 bits, where there are some."""
    for part in ("indices", "indptr"):
        if hasattr(x, part):
            setattr(x, part, getattr(x, part).astype(np.int64))
    return x


def swapped(x: Any) -> Any:
    """The same with numbers in the other order of bytes."""
    if x.format in ("csr", "csc", "coo"):
        x.data = x.data.astype(x.data.dtype.newbyteorder(">"))
    return x


def locked(x: Any) -> Any:
    """The same, not to be written to."""
    for part in ("data", "indices", "indptr"):
        if isinstance(getattr(x, part, None), np.ndarray):
            getattr(x, part).flags.writeable = False
    return x


PARTS: dict[str, Callable[[Any], Any]] = {
    "as made": lambda x: x, "wide": wide, "swapped": swapped, "locked": locked,
}  # fmt: skip


def at(x: Array, value: float) -> Array:
    """The same with one other entry."""
    x = np.array(x, float)
    if x.size:
        x.flat[x.size // 3] = value
    return x


VALUES: dict[str, Callable[[Array], Array]] = {
    "counts": lambda x: x, "NaN": lambda x: at(x, np.nan), "infinity": lambda x: at(x, np.inf),
    "minus infinity": lambda x: at(x, -np.inf), "minus zero": lambda x: np.where(x == 0, -0.0, x),
    "a subnormal": lambda x: at(x, 5e-324), "negative": lambda x: at(x, -1.0), "all 0": lambda x: 0 * x,
    "constant": lambda x: 0 * x + 3, "equal rows": lambda x: x[:1] + 0 * x if x.ndim == 2 else x,
    "tiny": lambda x: x * 1e-150, "large": lambda x: x * 1e150, "too large": lambda x: x * 1e305,
    "one large": lambda x: at(x, 1e12),
}  # fmt: skip
SHAPES: dict[str, Callable[[], Array]] = {
    "tall": counts, "wide": lambda: counts(12, 30), "one row": lambda: counts(1, 9),
    "one column": lambda: counts(60, 1),
    "one entry": lambda: np.full((1, 1), 2.0), "no rows": lambda: counts(60, 9)[:0],
    "two rows": lambda: counts(2, 9),
    "no columns": lambda: counts(60, 9)[:, :0], "a row alone": lambda: counts()[0],
    "three sides": lambda: counts()[None],
    "a number": lambda: np.array(3.0),
}  # fmt: skip
# Of these an entry cannot make its other arguments.
NO_SHAPE = ("lists", "tuples", "a list of arrays", "memoryview")
NO_MATRIX = ("no rows", "no columns", "a row alone", "three sides", "a number")
DEGENERATE = ("constant", "equal rows", "all 0", "one large", "a subnormal", "tiny", "large", "too large")
TOGETHER = (ml_dtypes.bfloat16, "g", "<f2", ">f2", "O")  # which data frames do not hold
Pick = Callable[[Any], Any]


def numbers(pick: Pick, name: str, shapes: Any, dtypes: Any) -> tuple[Array, bool]:
    """An array of any kind for an entry, and whether rounding cannot decide its result."""
    entry = ENTRIES[name]
    alone = entry.estimator is not None and not entry.given
    shape = pick([s for s in shapes if alone or s not in NO_MATRIX]) if pick((True, False, False)) else "tall"
    dtype, values = pick(dtypes), pick(VALUES) if pick((True, False)) else "counts"
    if np.dtype(dtype).kind in "iub" and values not in ("counts", "all 0", "constant", "equal rows"):
        values = "counts"
    if name == "Ridge, admm" and shape in ("wide", "two rows"):  # tens of thousands of iterations
        shape = "tall"
    x = VALUES[values](SHAPES[shape]() + (not entry.empty_row))
    with np.errstate(all="ignore"):
        return x.astype(dtype), values not in DEGENERATE and shape in ("tall", "wide")


def dense(pick: Pick) -> tuple[str, Array, bool, Any]:
    """An entry, an array, and the same in any container and layout."""
    name = pick(ENTRIES)
    x, plain = numbers(pick, name, SHAPES, DTYPES)
    x = np.asarray(x)
    container = pick(CONTAINERS) if x.ndim and pick((True, False)) else "array"
    if container in NO_SHAPE and (ENTRIES[name].estimator is None or ENTRIES[name].given):
        container = "array"
    if container not in ("array", "subclass", "lists") and any(x.dtype == np.dtype(one) for one in TOGETHER):
        container = "array"
    if x.dtype == object and container == "subclass":
        container = "array"
    layout = pick(LAYOUTS) if x.ndim == 2 else "C"
    if x.dtype == object and layout.startswith("at "):
        layout = "F"
    return name, x, plain, CONTAINERS[container](LAYOUTS[layout](x))


def sparse(pick: Pick) -> tuple[str, Array, bool, Any]:
    """An entry, an array, and the same as a sparse matrix of any form."""
    name = pick(ENTRIES)
    dtypes = [one for one in DTYPES[:-1] if np.dtype(one).isnative and one not in TOGETHER]
    x, plain = numbers(pick, name, [s for s in SHAPES if s not in NO_MATRIX[1:]], dtypes)
    forms = [form for form in SPARSE if not (ENTRIES[name].observed and form.startswith(("bsr", "dia")))]
    return name, x, plain, PARTS[pick(PARTS)](SPARSE[pick(forms)](x))
