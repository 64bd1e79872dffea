"""Whatever is given as X gives what the plain array of its numbers gives, or is refused in our words.

Drawn from all containers, dtypes, layouts, values and shapes at once, for all entries. With more of them:
GRAMFOLD_EXAMPLES=5000 pytest tests/test_hostile_inputs.py
"""

import os
import re
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts, state
from hostile import NO_NUMBERS, Giving, dense, sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from test_messages import UNFIT

from gramfold._core.floats import float_of

EXAMPLES = int(os.environ.get("GRAMFOLD_EXAMPLES", "100"))
SAID = re.compile(
    r"\bX\b|sample|feature|[Cc]omplex|dimension|2D|array|float|string|dtype|rows|[Nn]egative|n_components|n_clusters"
)
SOFT = ("gap", "kkt", "residual", "err")  # how near the end is: rounding alone at the end


def outcome(entry, x):
    """What an entry gives, or its refusal; any other error is a fault."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return entry.run(x)
        except (ValueError, TypeError) as error:
            refusal = error
    said = f"{type(refusal).__name__}: {refusal}"
    assert SAID.search(str(refusal)), f"names nothing: {said}"
    assert not UNFIT.search(said), f"words that are not ours: {said}"
    return refusal


def alike(found, expected, eps):
    """Fail if two results are not the same but for rounding, and the signs of components of one size."""
    for part, value in expected.items():
        if any(word in part for word in SOFT) or value.dtype.kind not in "fiu":
            continue
        size = np.abs(value).max(initial=0, where=np.isfinite(value))
        a, b = np.abs(found[part]), np.abs(value)
        np.testing.assert_allclose(a, b, rtol=0, atol=max(1e6 * eps, 1e-6) * size, err_msg=part)


def finite(found, name):
    """Fail if a result has NaN."""
    for part, value in found.items():
        assert value.dtype.kind != "f" or not np.isnan(value).any(), f"{part} of {name} has NaN"


def check(name, x, regular, given):
    """Run an entry on what is given and on the plain array."""
    entry = ENTRIES[name]
    plain = np.ascontiguousarray(x, float_of(x.dtype) or float)
    plain = plain.astype(float) if plain.dtype not in (np.float32, np.float64) else plain
    before = state(given) if isinstance(given, np.ndarray) or sp.issparse(given) else None
    found = outcome(entry, given)
    assert before is None or state(given) == before, "X was changed"
    expected = outcome(entry, sp.csr_array(plain) if entry.observed and sp.issparse(given) else plain)
    if isinstance(expected, Exception):
        assert isinstance(found, Exception), (
            f"{given!r} gave a result, but as an array it is refused: {expected}"
        )
        return
    finite(expected, name)
    if isinstance(found, Exception):
        assert sp.issparse(given), f"{found}, but as an array it is taken"
        return
    finite(found, name)
    if regular:
        alike(found, expected, np.finfo(plain.dtype).eps)


def picking(data):
    return lambda table: data.draw(st.sampled_from(list(table)))


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_any_dense_x_is_its_plain_array_or_refused(data):
    check(*dense(picking(data)))


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_any_sparse_x_is_its_plain_array_or_refused(data):
    check(*sparse(picking(data)))


@pytest.mark.parametrize("dtype", NO_NUMBERS)
def test_what_is_no_number_is_refused_by_every_entry(dtype):
    for name, entry in ENTRIES.items():
        assert isinstance(outcome(entry, np.zeros((60, 9), dtype)), Exception), f"{name} takes {dtype}"


@pytest.mark.parametrize(
    "name", [name for name, entry in ENTRIES.items() if entry.estimator and not entry.observed]
)
def test_an_object_is_asked_for_its_numbers_once(name):
    entry, x = ENTRIES[name], counts(empty_row=ENTRIES[name].empty_row)
    given, later = {key: value(x) for key, value in entry.given.items()}, np.full(x.shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = entry.estimator().fit(x, **given)
        model = entry.estimator().fit(Giving(x, later), **given)
        for method in entry.methods:
            if not method.startswith("fit"):
                found, expected = getattr(model, method)(Giving(x, later)), getattr(plain, method)(x)
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["KMeans", "kmeans_plusplus", "encode", "GaussianMixture, full"])
@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_a_data_frame_of_the_other_order_of_bytes_is_its_array(name, dtype):
    pandas, x = pytest.importorskip("pandas"), counts()
    found, expected = (outcome(ENTRIES[name], given) for given in (pandas.DataFrame(x.astype(dtype)), x))
    alike(found, expected, np.finfo(dtype).eps)
