"""The kernels of every level; arrays run over rows, see cpp/README.md."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]
_Double = NDArray[np.float64]

def hals(
    x: _Array | tuple[_Array, _Array, _Array, int] | None,
    p: _Array | None,
    f: _Array,
    gram: _Double,
    inverse: _Double | None,
    start: _Array | None,
    previous: _Array | None,
    beta: float,
    out: _Array,
    sums: _Array | None,
    l1: float,
    nonneg: bool,
    max_sweeps: int,
    polish: int,
    shrink: float,
    tol: float,
    cross: bool,
    n_threads: int,
) -> tuple[_Double, _Double | None, float, float, float, float, float]: ...
def lasso(
    x: _Array | tuple[_Array, _Array, _Array, int] | None,
    p: _Array | None,
    f: _Array,
    gram: _Double,
    start: _Array | None,
    enough: _Double | None,
    out: _Array | None,
    sums: _Array | None,
    l1: float,
    nonneg: bool,
    most: int,
    one_by_one: bool,
    max_rounds: int,
    tol: float,
    n_threads: int,
) -> tuple[tuple[_Array, _Array, _Array] | None, _Double | None, float, float]: ...
def omp(
    x: _Array | tuple[_Array, _Array, _Array, int] | None,
    p: _Array | None,
    f: _Array,
    gram: _Double,
    enough: _Double | None,
    out: _Array | None,
    sums: _Array | None,
    most: int,
    ols: bool,
    n_threads: int,
) -> tuple[tuple[_Array, _Array, _Array] | None, _Double | None, float, float]: ...
def update_atoms(
    atoms: _Array, gram: _Double, products: _Array, nonneg: bool, unused: float, sweeps: int
) -> None: ...
def masked_hals(
    x: _Array,
    weights: _Array | None,
    f: _Array,
    start: _Array | None,
    out: _Array,
    l1: float,
    l2: float,
    nonneg: bool,
    max_sweeps: int,
    polish: int,
    shrink: float,
    tol: float,
    n_threads: int,
) -> tuple[float, float, float, float, float, float]: ...
def multiplicative(
    x: _Array | tuple[_Array, _Array, _Array, int],
    f: _Array,
    beta: float,
    start: _Array,
    out: _Array,
    num: _Array | None,
    den: _Array | None,
    l1: float,
    l2: float,
    floor: float,
    scale: _Double,
    max_sweeps: int,
    tol: float,
    loss_at_start: bool,
    measure_at_end: bool,
    n_threads: int,
) -> tuple[_Double, float, float, float, float, float]: ...
def kl_coordinate(
    x: _Array | tuple[_Array, _Array, _Array, int],
    f: _Array,
    slope: _Double,
    start: _Array,
    out: _Array,
    l2: float,
    max_sweeps: int,
    shrink: float,
    tol: float,
    measure_start: bool,
    measure_end: bool,
    n_threads: int,
) -> tuple[_Double, float, float, float, float, float]: ...
def scan(x: _Array, n_threads: int) -> tuple[float, float, float]: ...
def gram(f: _Array, n_threads: int) -> _Double: ...
def pseudoinverse(gram: _Double, eps: float) -> _Double: ...
def squared_residual(x: _Array, w: _Array, h: _Array, n_threads: int) -> float: ...
def peak(is_double: bool, seconds: float, n_threads: int) -> float: ...
def compiler() -> str: ...
def openmp() -> str: ...
