"""Codes of rows that may be large or small: in a unit, a power of two, in which no product leaves the range.

Scaling by a power of two changes no digit, so that atoms do not depend on the unit of X.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..coding import masked_codes
from ..coding.codes import Coded, Coder, code_rows
from ..fold.observed import Observed
from ..fold.source import Array, Source

# Sizes within 2^-n and 2^n leave the coders and LAPACK room for the fourth power of X's entries.
ORDINARY = {"float32": 16, "float64": 200}


def typical(x: Source | Observed) -> float:
    """Give the root mean square of X, or of what is observed, weighted or not, the largest entry."""
    return x.largest if isinstance(x, Observed) else float(np.sqrt(x.squared_norm / (x.rows * x.cols)))


def unit_of(x: Source | Observed) -> float:
    """Give the power of two that X is to be divided by: 1 for most."""
    exponent = int(np.frexp(typical(x))[1])
    return 1.0 if abs(exponent) <= ORDINARY[x.dtype.name] else 2.0**exponent


def in_unit(x: Any, unit: float) -> Any:
    """X / unit, of a Source or Observed; itself if the unit is 1."""
    if unit == 1:
        return x
    values = _divided(x.x, unit)
    if isinstance(x, Observed):
        return Observed(values, x.weights, x.n_threads)
    return Source(values, x.n_threads)


def code(
    x: Source, shared: Array, coder: Coder, *, start: Array | None = None,
    enough: NDArray[np.float64] | None = None, **more: Any,
) -> Coded:  # fmt: skip
    """`code_rows`, with sparse codes."""
    unit = unit_of(x)
    done = code_rows(
        in_unit(x, unit), shared, _coder_in(coder, unit), start=_divided(start, unit),
        enough=_divided(enough, unit**2), sparse=True, n_threads=x.n_threads, **more,
    )  # fmt: skip
    sums, gram = _divided(done.sums, unit**-2), _divided(done.gram, unit**-2)
    return Coded(_divided(done.codes, unit**-1), sums, gram, done.objective * unit**2, done.open)


def code_observed(
    x: Observed, atoms: Array, coder: Coder, errors: NDArray[np.float64] | None, start: Array | None
) -> Array:
    """`masked_codes.solve`."""
    unit = unit_of(x)
    codes = masked_codes.solve(
        in_unit(x, unit), atoms, _coder_in(coder, unit), _divided(errors, unit), _divided(start, unit)
    )[0]
    return np.asarray(_divided(codes, unit**-1))


def _coder_in(coder: Coder, unit: float) -> Coder:
    return replace(coder, l1=coder.l1 / unit)


def _divided(a: Any, unit: float) -> Any:
    return a if a is None or unit == 1 else a * a.dtype.type(1 / unit)
