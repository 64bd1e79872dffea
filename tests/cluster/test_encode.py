"""Codes of Dask collections are lazy, and those of one process; arguments of rows go to their partitions."""

import numpy as np
import pytest
import scipy.sparse as sp
from cluster_cases import collection, parted, rows

import gramfold as gf

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
import dask.array as da  # noqa: E402

X = rows()
ATOMS = np.random.default_rng(3).random((5, 20))
INIT, ERRORS = np.random.default_rng(4).random((600, 5)), np.random.default_rng(5).random(600)
MASK = np.random.default_rng(6).random((600, 20)) > 0.1
CODES = {
    "lasso": {},
    "csr": {"output": "csr", "alpha": 3.0},
    "omp": {"algorithm": "omp"},
    "error": {"algorithm": "omp", "max_error": 1.0},
    "errors": {"algorithm": "ols", "max_error": ERRORS},
    "list of errors": {"algorithm": "omp", "max_error": ERRORS.tolist()},
    "init": {"algorithm": "lasso_cd", "init": INIT},
    "mask": {"mask": MASK},
    "cov": {"cov": ATOMS @ X.T},
    "gram": {"gram": ATOMS @ ATOMS.T},
    "threshold": {"algorithm": "threshold"},
}


@pytest.fixture(autouse=True)
def near():
    with dask.config.set(scheduler="synchronous"):
        yield


def check(found, expected, lengths):
    """Of known type and chunks, and the same numbers."""
    assert isinstance(found, da.Array)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    assert found.chunks == (lengths, (expected.shape[1],))
    got = found.compute()
    assert sp.issparse(got) == sp.issparse(expected)
    if sp.issparse(got):
        got, expected = got.toarray(), expected.toarray()
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("options", [{}, {"l1": 0.3}, {"nonneg": False, "l2": 0.1}])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_encode_is_lazy(options, dtype):
    x = X.astype(dtype)
    found = gf.encode(collection(parted(x, 250)), ATOMS, **options)
    check(found, gf.encode(x, ATOMS, **options), (250, 250, 100))


@pytest.mark.parametrize("name", CODES)
def test_sparse_encode_is_lazy_and_gives_partitions_their_rows(name):
    found = gf.sparse_encode(collection(parted(X, 250)), ATOMS, **CODES[name])
    check(found, gf.sparse_encode(X, ATOMS, **CODES[name]), (250, 250, 100))


@pytest.mark.parametrize("name", ["init", "mask", "cov", "errors"])
def test_arguments_of_rows_may_be_dask_arrays(name):
    options = {
        key: da.from_array(a, chunks=77) if isinstance(a, np.ndarray) else a for key, a in CODES[name].items()
    }
    found = gf.sparse_encode(collection(parted(X, 250)), ATOMS, **options)
    check(found, gf.sparse_encode(X, ATOMS, **CODES[name]), (250, 250, 100))


@pytest.mark.parametrize("form", ["sparse", "frame", "delayed", "unknown"])
def test_codes_of_every_collection_are_lazy(form):
    x = sp.csr_array(np.where(X > 2, X, 0)) if form == "sparse" else X
    parts = parted(x, 300)
    given = collection(parts)
    if form == "frame":
        frames = pytest.importorskip("dask.dataframe", reason="dask.dataframe needs pandas and pyarrow")
        pandas = pytest.importorskip("pandas", reason="pandas is of the extra test")
        given = frames.from_pandas(pandas.DataFrame(x), chunksize=300)
    elif form == "delayed":
        given = [dask.delayed(part) for part in parts]
    elif form == "unknown":
        given = given[given[:, 0] > -1]
    check(gf.encode(given, ATOMS), gf.encode(x, ATOMS), (300, 300))
    check(gf.sparse_encode(given, ATOMS), gf.sparse_encode(x, ATOMS), (300, 300))


def test_as_many_atoms_as_rows_are_no_argument_of_rows():
    x, atoms = X[:30], np.random.default_rng(7).random((30, 20))
    options = {"algorithm": "omp", "gram": atoms @ atoms.T, "n_nonzero_coefs": 3}
    found = gf.sparse_encode(collection(parted(x, 20)), atoms, **options)
    check(found, gf.sparse_encode(x, atoms, **options), (20, 10))
    check(gf.encode(collection(parted(x, 20)), atoms, l1=1.0), gf.encode(x, atoms, l1=1.0), (20, 10))


def test_nothing_is_computed_before_it_is_asked_for():
    computed = []

    def part(a):
        computed.append(len(a))
        return a

    lazy = da.concatenate(
        [da.from_delayed(dask.delayed(part)(a), a.shape, meta=a[:0]) for a in parted(X, 200)]
    )
    found = gf.sparse_encode(lazy, ATOMS)
    gf.encode(lazy, ATOMS)
    assert not computed
    found[:10].compute()
    assert computed == [200]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"init": INIT[:7]}, r"init must have a row for each of the 600 rows of X, got shape \(7, 5\)"),
        ({"init": INIT[:, :4]}, r"init must have shape"),
        ({"cov": (ATOMS @ X.T)[:, :7]}, r"cov.T must have a row for each of the 600 rows of X"),
        ({"max_error": ERRORS[:7], "algorithm": "omp"}, r"max_error must have a row for each"),
        ({"mask": MASK[:7]}, r"mask must have a row for each"),
        ({"mask": MASK, "gram": ATOMS @ ATOMS.T}, "mask goes with"),
        ({"alpha": -1.0}, "alpha"),
        ({"gram": ATOMS}, "gram must have shape"),
        ({"output": "rows"}, "output"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_computed(options, said):
    with pytest.raises(ValueError, match=said):
        gf.sparse_encode(collection(parted(X, 250)), ATOMS, **options)


def test_a_dictionary_of_other_columns_is_refused_at_once():
    for function, name in ((gf.encode, "components"), (gf.sparse_encode, "dictionary")):
        with pytest.raises(ValueError, match=name):
            function(collection(parted(X, 250)), ATOMS[:, :3])


def test_rows_that_are_not_finite_are_refused_where_they_are_coded():
    x = X.copy()
    x[400, 3] = np.nan
    for function in (gf.encode, gf.sparse_encode):
        found = function(collection(parted(x, 250)), ATOMS)
        assert np.isfinite(found[:250].compute()).all()
        with pytest.raises(ValueError, match="NaN"):
            found.compute()
