"""Codes of rows that may be large or small: in a unit, a power of two, in which no product leaves the range.

Scaling by a power of two changes no digit, so that atoms do not depend on the unit of X.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..coding import masked_codes
from ..coding.coder import Coder
from ..coding.codes import Coded, code_rows
from ..fit.floats import name_of
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..least_squares.scales import Scale
from ..linalg.powers import times_power

# Sizes within 2^-n and 2^n leave the coders and LAPACK room for the fourth power of X's entries.
ORDINARY = {"float32": 16, "float64": 200}


def typical(x: Source | Observed) -> float:
    """Give the root mean square of X, or of what is observed, weighted or not, the largest entry."""
    return x.largest if isinstance(x, Observed) else float(np.sqrt(x.squared_norm / (x.rows * x.cols)))


def unit_of(x: Source | Observed) -> Scale:
    """Give the power of two that X is to be multiplied by: 1 for most."""
    exponent = int(np.frexp(typical(x))[1])
    return Scale(0 if abs(exponent) <= ORDINARY[name_of(x.dtype)] else -exponent)


def code_in_unit(
    x: Source, atoms: Array, coder: Coder, *, start: Array | None = None,
    enough: NDArray[np.float64] | None = None, **more: Any,
) -> Coded:  # fmt: skip
    """`code_rows`, with sparse codes."""
    unit = unit_of(x)
    if not unit.x:
        return code_rows(x, atoms, coder, start=start, enough=enough, sparse=True, **more)
    done = code_rows(
        unit.rows(x), atoms, coder.scaled(unit, x.dtype), start=times_power(start, unit.x),
        enough=times_power(enough, 2 * unit.x), sparse=True, **more,
    )  # fmt: skip
    return replace(
        done,
        codes=times_power(done.codes, -unit.x),
        products=times_power(done.products, -2 * unit.x),
        gram=times_power(done.gram, -2 * unit.x),
        objective=float(np.ldexp(done.objective, -2 * unit.x)),
    )


def code_observed(
    x: Observed, atoms: Array, coder: Coder, errors: NDArray[np.float64] | None, start: Array | None
) -> Array:
    """`masked_codes.solve`."""
    unit = unit_of(x)
    codes = masked_codes.solve(
        unit.rows(x), atoms, coder.scaled(unit, x.dtype), times_power(errors, unit.x),
        times_power(start, unit.x),
    )[0]  # fmt: skip
    return np.asarray(times_power(codes, -unit.x))
