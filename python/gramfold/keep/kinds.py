"""Kinds of values, as the registry names them.

'int', 'bool', 'str', 'None', 'any', 'tuple', 'dtype', 'RandomState' or a class; 'float', a number or an array
of any shape; 'list' of numbers; 'history', arrays by name; 'float[k,m]', an array of this shape, a letter
being one size in all attributes; 'strings[m]'; 'sparse[n,m]', a CSR or CSC matrix; 'a | b', either.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp


def fits(value: Any, kind: str, sizes: dict[str, int]) -> bool:
    """Whether a value is of a kind; `sizes` of letters, to which new ones are added."""
    return any(_is(value, one, sizes) for one in kind.split(" | "))


def _is(value: Any, kind: str, sizes: dict[str, int]) -> bool:
    name, _, shape = kind.partition("[")
    if shape:
        return _is_array(value, name) and _has_shape(value, shape[:-1].split(","), sizes)
    known = PLAIN.get(name)
    return type(value).__name__ == name if known is None else known(value)


def _is_array(value: Any, name: str) -> bool:
    if name == "sparse":
        return sp.issparse(value)
    return isinstance(value, np.ndarray) and value.dtype.kind in LETTERS[name]


def _has_shape(value: Any, letters: list[str], sizes: dict[str, int]) -> bool:
    found = dict(sizes)
    if len(letters) != value.ndim:
        return False
    if any(found.setdefault(letter, n) != n for letter, n in zip(letters, value.shape, strict=True)):
        return False
    sizes.update(found)
    return True


def _is_float(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f"
    return isinstance(value, (float, int, np.floating)) and not isinstance(value, bool)


LETTERS = {"float": "f", "int": "i", "bool": "b", "strings": "O"}
PLAIN: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: type(value) is int or isinstance(value, np.integer),
    "bool": lambda value: isinstance(value, (bool, np.bool_)),
    "str": lambda value: isinstance(value, str),
    "float": _is_float,
    "list": lambda value: isinstance(value, list) and all(map(_is_float, value)),
    "history": lambda value: isinstance(value, dict) and all(map(_is_float, value.values())),
    "tuple": lambda value: isinstance(value, tuple),
    "dtype": lambda value: isinstance(value, np.dtype),
    "None": lambda value: value is None,
    "any": lambda value: True,
}
