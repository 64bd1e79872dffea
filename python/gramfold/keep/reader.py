"""Values made of JSON and arrays: those that `writer` wrote, a ValueError for what it cannot have written."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import registry
from .layout import DTYPES
from .writer import PARTS, SPARSE

Array = NDArray[Any]

KEYS = {
    "float": {"value"}, "scalar": {"array"}, "tuple": {"items"}, "dict": {"items"}, "strings": {"items"},
    "array": {"array", "order"}, "sparse": {"type", "shape", *PARTS}, "dtype": {"dtype"},
    "RandomState": {"array", "pos", "has_gauss", "gauss"},
    "Generator": {"state", "inc", "has_uint32", "uinteger"}, "object": {"class", "fields"},
    "model": {"class", "parameters", "fitted"},
}  # fmt: skip
FLOATS = {repr(x): x for x in (math.inf, -math.inf, math.nan)}
DEEPEST = 4  # models in parameters of models: to show them takes a time that grows with its power


class Reader:
    """Gives values of JSON.

    Parameters
    ----------
    arrays : dict of ndarray
        By name.
    """

    _depth = 0

    def __init__(self, arrays: dict[str, Array]) -> None:
        self.arrays = arrays
        self._made: dict[tuple[str, str], Any] = {}  # by what it is and the name of its array

    def __call__(self, node: Any) -> Any:
        """Give the value that `node` stands for."""
        if isinstance(node, list):
            return [self(item) for item in node]
        if not isinstance(node, dict):
            return node
        kind: Any = node.get("is")
        known = isinstance(kind, str) and KEYS.get(kind) == node.keys() - {"is"}
        demand(known, f"there is no kind of value {kind!r} with {', '.join(node)}")
        key: Any = (kind, node.get("array"))
        if not isinstance(key[1], str):
            return getattr(self, f"_{kind}")(node)
        if key not in self._made:
            self._made[key] = getattr(self, f"_{kind}")(node)
        return self._made[key]

    def _float(self, node: Any) -> float:
        demand(isinstance(node["value"], str) and node["value"] in FLOATS, "a float is none")
        return FLOATS[node["value"]]

    def _tuple(self, node: Any) -> tuple[Any, ...]:
        demand(isinstance(node["items"], list), "a tuple has no items")
        return tuple(self(node["items"]))

    def _dict(self, node: Any) -> dict[str, Any]:
        return self._each(node["items"])

    def _each(self, nodes: Any) -> dict[str, Any]:
        demand(isinstance(nodes, dict), "what has names is a list")
        return {name: self(node) for name, node in nodes.items()}

    def _named(self, name: Any) -> Array:
        demand(isinstance(name, str) and name in self.arrays, f"there is no array {name!r}")
        return self.arrays[name]

    def _scalar(self, node: Any) -> Any:
        a = self._named(node["array"])
        demand(a.ndim == 0, f"{node['array']} is no single number")
        return a[()]

    def _array(self, node: Any) -> Array:
        a = self._named(node["array"])
        demand(node["order"] in ("C", "F"), f"{node['array']} is neither in order C nor F")
        return np.asarray(a, order="F") if node["order"] == "F" else a

    def _strings(self, node: Any) -> Array:
        items = node["items"]
        demand(isinstance(items, list) and all(isinstance(item, str) for item in items), "strings are none")
        made = np.empty(len(items), object)
        made[:] = items
        return made

    def _dtype(self, node: Any) -> np.dtype[Any]:
        demand(isinstance(node["dtype"], str) and node["dtype"] in DTYPES, "a dtype is unknown")
        return np.dtype(DTYPES[node["dtype"]])

    def _sparse(self, node: Any) -> Any:
        cls, shape = SPARSE.get(str(node["type"])), node["shape"]
        parts = [self._named(node[part]) for part in PARTS]
        pair = isinstance(shape, list) and len(shape) == 2 and all(_is_whole(n, 2**62) for n in shape)
        demand(cls is not None and pair, "a sparse matrix has no type or shape")
        assert cls is not None
        rows, cols = shape if cls.__name__.startswith("csr") else shape[::-1]
        check_compressed(rows, cols, *parts)
        made = cls((0, 0), dtype=parts[0].dtype)
        made._shape = tuple(shape)
        made.data, made.indices, made.indptr = parts
        return made

    def _RandomState(self, node: Any) -> np.random.RandomState:
        key, pos, gauss = self._named(node["array"]), node["pos"], node["gauss"]
        demand(key.shape == (624,) and key.dtype == np.uint32, "a RandomState has another key")
        demand(_is_whole(pos, 624) and _is_whole(node["has_gauss"], 1), "a RandomState is at no position")
        demand(isinstance(gauss, float), "a RandomState has no gauss")
        state = {"state": {"key": key, "pos": pos}, "has_gauss": node["has_gauss"], "gauss": gauss}
        made = np.random.RandomState()
        made.set_state({"bit_generator": "MT19937", **state})
        return made

    def _Generator(self, node: Any) -> np.random.Generator:
        bounds = {"state": 2**128 - 1, "inc": 2**128 - 1, "has_uint32": 1, "uinteger": 2**32 - 1}
        demand(all(_is_whole(node[name], most) for name, most in bounds.items()), "a Generator has no state")
        made = np.random.default_rng(0)
        inner = {"state": node["state"], "inc": node["inc"]}
        rest = {"has_uint32": node["has_uint32"], "uinteger": node["uinteger"]}
        made.bit_generator.state = {"bit_generator": "PCG64", "state": inner, **rest}
        return made

    def _object(self, node: Any) -> Any:
        return registry.made_object(node["class"], self._each(node["fields"]))

    def _model(self, node: Any) -> Any:
        self._depth += 1
        demand(self._depth <= DEEPEST, f"models lie in each other more than {DEEPEST} deep")
        parts = self._each(node["parameters"]), self._each(node["fitted"])
        self._depth -= 1
        return registry.made_model(node["class"], *parts)


def check_compressed(rows: int, cols: int, data: Array, indices: Array, indptr: Array) -> None:
    """Refuse what are no parts of a CSR matrix of this shape, which kernels would read without a look."""
    demand(all(a.ndim == 1 for a in (data, indices, indptr)), "the parts of a sparse matrix are no lists")
    demand(all(a.dtype in (np.int32, np.int64) for a in (indices, indptr)), "its indices are not whole")
    demand(len(indptr) == rows + 1 and len(data) == len(indices) == indptr[-1], "it has not all entries")
    demand(indptr[0] == 0 and bool((indptr[1:] >= indptr[:-1]).all()), "its rows do not follow each other")
    inside = not len(indices) or (indices.min() >= 0 and indices.max() < cols)
    demand(bool(inside), "it has entries outside of its shape")


def demand(held: bool, message: str) -> None:
    """Raise ValueError unless a condition holds."""
    if not held:
        raise ValueError(message)


def _is_whole(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
