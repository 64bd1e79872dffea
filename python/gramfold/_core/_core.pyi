"""The kernels of every level; arrays run over rows, see cpp/README.md."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .results import (
    Assigned,
    Coded,
    Compressed,
    Counted,
    Descended,
    GaussianSums,
    Misfit,
    Moments,
    Multiplied,
    OwnSwept,
    PoissonSums,
    Scan,
    ShrinkSums,
    Swept,
)

_Array = NDArray[Any]
_Double = NDArray[np.float64]

def hals(
    *,
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
    squares: bool,
    n_threads: int,
) -> Swept: ...
def orthogonal_rows(
    *,
    atoms: _Double,
    y: _Double,
    codes: _Double,
    ended: NDArray[np.bool_],
    l1: float,
    nonneg: bool,
    max_rounds: int,
    n_threads: int,
) -> None: ...
def lasso(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int] | None,
    p: _Array | None,
    f: _Array,
    gram: _Double,
    start: _Array | None,
    enough: _Double | None,
    out: _Array | None,
    sums: _Array | None,
    doubtful: NDArray[np.bool_] | None,
    l1: float,
    nonneg: bool,
    most: int,
    one_by_one: bool,
    max_rounds: int,
    tol: float,
    n_threads: int,
) -> Coded: ...
def omp(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int] | None,
    p: _Array | None,
    f: _Array,
    gram: _Double,
    enough: _Double | None,
    out: _Array | None,
    sums: _Array | None,
    doubtful: NDArray[np.bool_] | None,
    most: int,
    ols: bool,
    n_threads: int,
) -> Coded: ...
def nonzeros(*, dense: _Array) -> Compressed: ...
def update_atoms(
    *,
    atoms: _Array,
    gram: _Double,
    products: _Array,
    l1: float,
    l2: float,
    nonneg: bool,
    ball: bool,
    unused: float,
    sweeps: int,
) -> None: ...
def repeated_atoms(*, gram: _Double, same: float) -> NDArray[np.bool_]: ...
def residual(
    *,
    x: _Array,
    weights: _Array | None,
    codes: tuple[_Array, _Array, _Array],
    atoms: _Array,
    out: _Array,
    n_threads: int,
) -> _Double: ...
def masked_atoms(
    *,
    residual: _Array,
    weights: _Array,
    codes: tuple[_Array, _Array, _Array],
    atoms: _Array,
    l1: float,
    l2: float,
    nonneg: bool,
    ball: bool,
    unused: float,
    n_threads: int,
) -> None: ...
def ksvd_atoms(
    *,
    residual: _Array,
    codes: tuple[_Array, _Array, _Array],
    atoms: _Array,
    nonneg_codes: bool,
    nonneg_atoms: bool,
    n_threads: int,
) -> None: ...
def soup_atoms(
    *,
    residual: _Array,
    codes: tuple[_Array, _Array, _Array],
    atoms: _Array,
    penalty: float,
    hard: bool,
    nonneg_codes: bool,
    nonneg_atoms: bool,
    n_threads: int,
) -> Compressed: ...
def masked_hals(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int],
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
) -> OwnSwept: ...
def multiplicative(
    *,
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
    units: _Double | None = None,
) -> Multiplied: ...
def kl_coordinate(
    *,
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
    units: _Double | None = None,
) -> Descended: ...
def poisson_mixture(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int],
    f: _Double,
    bias: _Double,
    slope: _Double,
    exposure: _Double | None,
    weights: _Double | None,
    given: _Double | None,
    sums: _Double | None,
    resp: _Double | None,
    score: _Double | None,
    labels: NDArray[np.int64] | None,
    n_threads: int,
) -> PoissonSums: ...
def count_rows(
    *, x: _Array | tuple[_Array, _Array, _Array, int], totals: _Double, factorials: _Double, n_threads: int
) -> Counted: ...
def gaussian_mixture(
    *,
    x: _Array,
    kind: str,
    shift: _Array,
    scale: _Array,
    centers: _Array,
    factor: _Array,
    constants: _Double,
    about: _Array,
    weights: _Double | None,
    given: _Array | None,
    first: _Double | None,
    second: _Double | None,
    resp: _Array | None,
    score: _Double | None,
    labels: NDArray[np.int64] | None,
    n_threads: int,
) -> GaussianSums: ...
def truncated_mixture(
    *,
    x: _Array,
    kind: str,
    shift: _Array,
    scale: _Array,
    centers: _Array,
    factor: _Array,
    constants: _Double,
    about: _Array,
    weights: _Double | None,
    groups: NDArray[np.int32],
    lists: NDArray[np.int32],
    first: _Double | None,
    second: _Double | None,
    labels: NDArray[np.int32] | None,
    n_threads: int,
) -> GaussianSums: ...
def assign(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int],
    centers: _Array,
    weights: _Array | None,
    labels: NDArray[np.int32],
    lower: _Array | None,
    upper: _Array | None,
    order: NDArray[np.int64] | None,
    moved: _Double | None,
    n_far: int,
    look: bool,
    loose: bool,
    distances: _Array | None,
    sums: _Double | None,
    search: bool,
    wide: bool,
    n_threads: int,
) -> Assigned: ...
def distances(
    *, x: _Array | tuple[_Array, _Array, _Array, int], centers: _Array, out: _Array, n_threads: int
) -> None: ...
def seed(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int],
    candidates: _Array,
    closest: _Array | None,
    weights: _Array | None,
    out: _Array,
    sums: _Double,
    marks: NDArray[np.uint16] | None,
    bits: NDArray[np.int32] | None,
    n_threads: int,
) -> int: ...
def sift(
    *,
    candidates: _Array,
    closest: _Array,
    weights: _Array | None,
    shift: _Array,
    scale: float,
    order: NDArray[np.int32],
    codes: NDArray[np.int32],
    known: NDArray[np.float32],
    balls: NDArray[np.float32],
    marks: NDArray[np.uint16],
    gains: _Double,
    n_threads: int,
) -> int: ...
def sketch(
    *,
    x: _Array,
    shift: _Array,
    scale: float,
    order: NDArray[np.int32],
    codes: NDArray[np.int32],
    known: NDArray[np.float32],
    balls: NDArray[np.float32],
    n_threads: int,
) -> None: ...
def shrink(
    *,
    x: _Array,
    weights: _Array | None,
    z: _Array,
    v: _Array | None,
    f: _Double | None,
    left: _Array | None,
    lam: float,
    mu_old: float,
    mu: float,
    mu_next: float,
    damping_old: float,
    damping: float,
    relax: float,
    by_row: bool,
    dual: bool,
    gram: _Double | None,
    q: _Array | None,
    products: _Array | None,
    image: _Array | None,
    n_threads: int,
) -> ShrinkSums: ...
def centred(
    *,
    x: _Array,
    shift: _Double | None,
    weights: _Double | None,
    scale: _Double | None,
    by_row: bool,
    q: _Array | None,
    gram: _Double | None,
    products: _Array | None,
    image: _Array | None,
    total: _Double | None,
    n_threads: int,
) -> float: ...
def shrink_sparse(
    *,
    x: tuple[_Array, _Array, _Array, int],
    weights: _Array | None,
    z: _Array,
    left: _Array,
    right: _Array,
    lam: float,
    mu_old: float,
    mu: float,
    mu_next: float,
    damping_old: float,
    damping: float,
    relax: float,
    by_row: bool,
    out: _Array,
    n_threads: int,
) -> ShrinkSums: ...
def repeats(*, columns: NDArray[Any], starts: NDArray[Any], cols: int, n_threads: int) -> bool: ...
def scan(*, x: _Array, n_threads: int) -> Scan: ...
def gram(*, f: _Array, n_threads: int) -> _Double: ...
def moments(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int],
    y: _Array,
    shift: _Array | None,
    weights: _Array | None,
    n_threads: int,
    scale: float = 1.0,
) -> Moments: ...
def misfit(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int],
    y: _Double,
    shift: _Double | None,
    weights: _Double | None,
    scale: float,
    coefs: _Double,
    n_threads: int,
) -> Misfit: ...
def products(
    *,
    x: _Array | tuple[_Array, _Array, _Array, int],
    f: _Array,
    out: _Array | None,
    image: _Array | None,
    n_threads: int,
) -> None: ...
def scanned_products(*, x: _Array, f: _Array, image: _Array, n_threads: int) -> Scan | None: ...
def pseudoinverse(*, gram: _Double, eps: float) -> _Double: ...
def squared_residual(*, x: _Array, w: _Array, h: _Array, n_threads: int) -> float: ...
def peak(*, is_double: bool, seconds: float, n_threads: int) -> float: ...
def between_blocks() -> object: ...
def compiler() -> str: ...
def threading() -> str: ...
