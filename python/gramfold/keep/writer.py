"""Values as JSON and arrays: of a fixed set of kinds, so that no code is in a file; FORMAT.md lists them.

`None`, booleans, whole numbers, finite floats, strings and lists are themselves in JSON. All else is an
object whose "is" says what; arrays are told by name.
"""

import math
import reprlib
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from . import registry
from .layout import CODES

Array = NDArray[Any]

SPARSE = {cls.__name__: cls for cls in (sp.csr_array, sp.csc_array, sp.csr_matrix, sp.csc_matrix)}
PARTS = ("data", "indices", "indptr")


def plain(dtype: np.dtype[Any]) -> bool:
    """Whether arrays of a dtype can be written."""
    return dtype.newbyteorder("<") in CODES


class Writer:
    """Turns values into JSON, and collects their arrays.

    Attributes
    ----------
    arrays : dict of ndarray
        By name. One that is in two places is there once.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        self._known: dict[int, tuple[Any, Any]] = {}  # by id: what was written, held on to, and as what

    def __call__(self, value: Any, place: str) -> Any:
        """Give the JSON of a value; `place` names its arrays, and itself in messages.

        Raises
        ------
        ValueError
            If it is of no kind that can be written.
        """
        if value is None or type(value) in (bool, int):
            return value
        if isinstance(value, str):
            return str(value)
        if type(value) is float:
            return value if math.isfinite(value) else {"is": "float", "value": repr(value)}
        if isinstance(value, np.generic) and plain(value.dtype):
            return {"is": "scalar", "array": self._array(np.asarray(value), place)}
        if type(value) in (list, tuple):
            items = [self(item, f"{place}.{i}") for i, item in enumerate(value)]
            return items if type(value) is list else {"is": "tuple", "items": items}
        if type(value) is dict and all(type(key) is str for key in value):
            return {"is": "dict", "items": self._each(value, f"{place}.")}
        if id(value) not in self._known:
            self._known[id(value)] = value, self._object(value, place)
        return self._known[id(value)][1]

    def model(self, model: Any, prefix: str = "") -> dict[str, Any]:
        """Give the JSON of an estimator; `prefix` comes before the names of its arrays."""
        kind = type(model).__name__
        given = model.get_params(deep=False)
        learned = {name: value for name, value in vars(model).items() if name not in given}
        registry.check_learned(kind, learned)
        parameters = self._each(given, f"{prefix}parameters.")
        return {"is": "model", "class": kind, "parameters": parameters, "fitted": self._each(learned, prefix)}

    def _object(self, value: Any, place: str) -> dict[str, Any]:
        """The JSON of what may be in two places, and is one object then."""
        if hasattr(value, "gathered"):  # rows that lie with the workers of a cluster
            value = value.gathered()
        kind = type(value)
        if kind in (np.ndarray, np.memmap) and plain(value.dtype):
            flags = value.flags
            order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
            return {"is": "array", "array": self._array(value, place), "order": order}
        if kind is np.ndarray and value.ndim == 1 and all(isinstance(item, str) for item in value):
            return {"is": "strings", "items": [str(item) for item in value]}
        if kind in SPARSE.values():
            parts = {part: self._array(getattr(value, part), f"{place}.{part}") for part in PARTS}
            shape = [int(n) for n in value.shape]
            return {"is": "sparse", "type": kind.__name__, "shape": shape, **parts}
        if isinstance(value, np.dtype) and plain(value):
            return {"is": "dtype", "dtype": CODES[value.newbyteorder("<")]}
        if kind in (np.random.RandomState, np.random.Generator):
            return self._random(value, place)
        if registry.is_object(value):
            fields = self._each(registry.fields_of(value), f"{place}.")
            return {"is": "object", "class": kind.__name__, "fields": fields}
        if registry.is_model(value):
            return self.model(value, f"{place}.")
        raise ValueError(
            f"{place} is {reprlib.repr(value)}, and only numbers, strings, arrays, CSR and CSC matrices, "
            "models of gramfold, and lists, tuples and dicts of them are written; set it to one, or to None"
        )

    def _random(self, value: Any, place: str) -> dict[str, Any]:
        """The JSON of a generator of random numbers that NumPy makes by default."""
        old = type(value) is np.random.RandomState
        state = value.get_state(legacy=False) if old else value.bit_generator.state
        if state.pop("bit_generator") != ("MT19937" if old else "PCG64"):
            raise ValueError(f"{place} is {value!r}: only numpy.random.RandomState(seed) can be written")
        inner = state.pop("state")
        if not old:
            return {"is": "Generator", **inner, **state}
        key = self._array(inner["key"], place)
        return {"is": "RandomState", "array": key, "pos": int(inner["pos"]), **state}

    def _each(self, values: dict[str, Any], prefix: str) -> dict[str, Any]:
        return {name: self(value, prefix + name) for name, value in values.items()}

    def _array(self, a: Array, name: str) -> str:
        if name in self.arrays or not plain(a.dtype):
            raise ValueError(f"{name} cannot be written: its name is taken, or its dtype {a.dtype} unknown")
        self.arrays[name] = a
        return name
