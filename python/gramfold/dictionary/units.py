"""Codes of rows that may be large or small: in a unit, a power of two, in which no product leaves the range.

Scaling by a power of two changes no digit, so that atoms do not depend on the unit of X.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from .._core import kernels
from ..coding import masked_codes
from ..coding.coder import Coder
from ..coding.codes import Coded, Dictionary, code, code_rows
from ..fit.floats import name_of, stored
from ..fold.engine import State, run
from ..fold.observed import Observed
from ..fold.source import Array, Source
from ..least_squares.scales import Scale
from ..linalg.powers import times_power
from .codes import parts

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
        codes=None if done.codes is None else times_power(done.codes, -unit.x),
        products=times_power(done.products, -2 * unit.x),
        gram=times_power(done.gram, -2 * unit.x),
        objective=float(np.ldexp(done.objective, -2 * unit.x)),
        penalty=float(np.ldexp(done.penalty, -2 * unit.x)),
    )


def error_again(
    x: Source, shared: Dictionary, coder: Coder, atoms: Array, *, start: Array | None = None,
    enough: NDArray[np.float64] | None = None,
) -> float:  # fmt: skip
    """|X - ZD|^2 for `atoms` D and the codes Z that `code_in_unit` gives in the dictionary `shared`.

    Rows are coded once more, where codes of all of them would take memory that there may not be.
    """
    unit = unit_of(x)
    rows = unit.rows(x) if unit.x else x
    pass_ = partial(coded_error, coder=coder.scaled(unit, x.dtype) if unit.x else coder)
    state = {"start": x.given(times_power(start, unit.x)), "codes": None, "products": None}
    fixed = {"enough": times_power(enough, 2 * unit.x) if unit.x else enough}
    total = run(pass_, rows, (shared, atoms), state, fixed=fixed)
    return float(np.ldexp(total, -2 * unit.x))


def coded_error(rows: Source, shared: tuple[Dictionary, Array], state: State, *, coder: Coder) -> float:
    """A pass: |X - ZD|^2 of codes Z in one dictionary and atoms D of another."""
    dictionary, atoms = shared
    done = code(rows, dictionary, {**state, "doubtful": np.empty(rows.rows, bool)}, coder=coder)
    assert done.codes is not None
    return squared_error(rows, atoms, {"codes": done.codes.matrix})


def squared_error(rows: Source, shared: Array, state: State) -> float:
    """A pass: |X - ZD|^2 of CSR `codes` Z and atoms D."""
    total, most = 0.0, max(1, 2**18 // max(1, rows.cols))
    for some in gen_batches(rows.rows, most):
        x, codes = rows.x[some], parts(state["codes"][some])
        x = x.toarray() if rows.sparse else stored(x)
        errors = kernels.residual(
            x=x, weights=None, codes=codes, atoms=shared, out=np.empty(x.shape, rows.dtype),
            n_threads=rows.n_threads,
        )  # fmt: skip
        total += float(errors.sum())
    return total


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
