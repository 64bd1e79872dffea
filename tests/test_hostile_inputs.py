"""Whatever is given as X gives what the plain array of its numbers gives, or is refused in our words.

Drawn from all kinds of containers, dtypes, layouts, values and shapes at once, for all entries. By hand with more:
GRAMFOLD_EXAMPLES=5000 pytest tests/test_hostile_inputs.py
"""

import os
import re
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, state
from hostile import CONTAINERS, DTYPES, LAYOUTS, NO_NUMBERS, PARTS, SHAPES, SPARSE, VALUES, Raising
from hypothesis import given, settings
from hypothesis import strategies as st
from test_messages import UNFIT

from gramfold._core.floats import float_of

EXAMPLES = int(os.environ.get("GRAMFOLD_EXAMPLES", "150"))
SAID = re.compile(r"\bX\b|sample|feature|[Cc]omplex|dimension|2D|array|float|string|dtype|rows|[Nn]egative|n_components|n_clusters")
SOFT = ("gap", "kkt", "residual")  # how near the end is: rounding alone at the end


def outcome(entry, x):
    """What an entry gives, or its refusal; any other error is a fault."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return entry.run(x)
        except (ValueError, TypeError) as error:
            said = str(error)
            assert SAID.search(said), f"{type(error).__name__} that names nothing: {said}"
            assert not UNFIT.search(said), f"{type(error).__name__} in words that are not ours: {said}"
            return error


def alike(found, expected, eps):
    """Fail if two results are not the same but for rounding, and the signs of components of one size."""
    for part, value in expected.items():
        if any(word in part for word in SOFT) or value.dtype.kind not in "fiu":
            continue
        size = np.abs(value).max(initial=0, where=np.isfinite(value))
        a, b = np.abs(found[part]), np.abs(value)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e6 * eps * size, err_msg=part)


def finite(found, name):
    """Fail if a result has NaN."""
    for part, value in found.items():
        assert value.dtype.kind != "f" or not np.isnan(value).any(), f"{part} of {name} has NaN"


def converted(x, dtype):
    with np.errstate(all="ignore"):
        return x.astype(dtype)


def check(name, x, given, exact):
    entry = ENTRIES[name]
    plain = np.ascontiguousarray(x, float_of(x.dtype) or float)
    plain = plain.astype(float) if plain.dtype not in (np.float32, np.float64) else plain
    before = state(given) if isinstance(given, np.ndarray) or sp.issparse(given) else None
    found = outcome(entry, given)
    assert before is None or state(given) == before, "X was changed"
    expected = outcome(entry, sp.csr_array(plain) if entry.observed and sp.issparse(given) else plain)
    if isinstance(expected, Exception):
        assert isinstance(found, Exception), f"{given!r} gave a result, but as an array it is refused: {expected}"
        return
    finite(expected, name)
    if isinstance(found, Exception):
        assert sp.issparse(given) or not exact, f"{found}, but as an array it is taken"
        return
    finite(found, name)
    alike(found, expected, np.finfo(plain.dtype).eps)


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_any_dense_x_is_its_plain_array_or_refused(data):
    pick = lambda table: data.draw(st.sampled_from(sorted(table)))  # noqa: E731
    name, shape = pick(ENTRIES), pick(SHAPES) if data.draw(st.integers(0, 2)) == 0 else "tall"
    values = pick(VALUES) if data.draw(st.booleans()) else "counts"
    dtype = data.draw(st.sampled_from(DTYPES))
    layout, container = pick(LAYOUTS), pick(CONTAINERS) if data.draw(st.booleans()) else "array"
    if dtype is not DTYPES[-1] and np.dtype(dtype).kind in "iub" and values not in ("counts", "all 0", "constant"):
        values = "counts"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = converted(VALUES[values](SHAPES[shape]()), dtype)
        if dtype == "O" and container in ("subclass",):
            container = "array"
        if container not in ("array", "subclass", "lists") and dtype in (DTYPES[-1], "g", "<f2", ">f2", "O"):
            container = "array"
        if ENTRIES[name].observed and container == "pandas of sparse columns":
            container = "pandas"
        given = CONTAINERS[container](LAYOUTS[layout](x))
    check(name, x, given, exact=True)


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_any_sparse_x_is_its_plain_array_or_refused(data):
    pick = lambda table: data.draw(st.sampled_from(sorted(table)))  # noqa: E731
    name, shape = pick(ENTRIES), pick(("tall", "wide", "one row", "one column", "one entry", "two rows", "no rows"))
    values = pick(VALUES) if data.draw(st.booleans()) else "counts"
    dtype = data.draw(st.sampled_from([d for d in DTYPES[:-1] if np.dtype(d).isnative and d not in ("<f2", "O", "g")]))
    if np.dtype(dtype).kind in "iub" and values not in ("counts", "all 0", "constant"):
        values = "counts"
    form, parts = pick(SPARSE), pick(PARTS)
    if ENTRIES[name].observed and form.startswith(("bsr", "dia")):
        form = "csr_array"
    x = converted(VALUES[values](SHAPES[shape]()), dtype)
    check(name, x, PARTS[parts](SPARSE[form](x)), exact=False)


@pytest.mark.parametrize("dtype", [*NO_NUMBERS, "raising"])
def test_what_is_no_number_is_refused_by_every_entry(dtype):
    for name, entry in ENTRIES.items():
        x = Raising() if dtype == "raising" else np.zeros((60, 9), dtype)
        found = outcome(entry, x)
        assert isinstance(found, Exception), f"{name} takes {dtype}"
