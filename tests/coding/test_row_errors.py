"""An error for each row as transform_max_error, where rows come in parts: files, segments, Dask."""

import numpy as np
import pytest

import gramfold as gf
from gramfold.fit import out

RNG = np.random.default_rng(0)
X, ATOMS = RNG.standard_normal((500, 20)), RNG.standard_normal((30, 20))
ERRORS = RNG.random(500) * 3
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
CODERS = {
    "omp": {"transform_algorithm": "omp", "transform_max_error": ERRORS},
    "ols": {"transform_algorithm": "ols", "transform_max_error": ERRORS.tolist(), "output": "csr"},
    "signs": {"transform_algorithm": "omp", "transform_max_error": ERRORS, "split_sign": True},
}


def model_of(name, kind):
    if kind == "SparseCoder":
        return gf.SparseCoder(ATOMS, **CODERS[name]).fit(X)
    model = getattr(gf, kind)(30, max_iter=2, random_state=0, **CODERS[name] | {"transform_max_error": None})
    return model.fit(X).set_params(transform_max_error=CODERS[name]["transform_max_error"])


def dense(codes):
    return codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)


@pytest.fixture(params=["SparseCoder", "DictionaryLearning", "MiniBatchDictionaryLearning"])
def kind(request):
    return request.param


@pytest.mark.parametrize("name", CODERS)
def test_rows_of_files_have_their_errors(name, kind, tmp_path, monkeypatch):
    for size in ("NEAR", "TOGETHER"):
        monkeypatch.setattr(out, size, 70 * 20 * 8)
    np.save(tmp_path / "x.npy", X)
    model = model_of(name, kind)
    before = model.transform_max_error
    expected = dense(model.transform(X))
    assert len(set(np.count_nonzero(expected, axis=1))) > 3
    path = tmp_path / "x.npy"
    for given in (path, np.load(path, mmap_mode="r"), gf.blocks([X[:333], X[333:]])):
        np.testing.assert_array_equal(dense(model.transform(given)), expected)
    if model.output == "dense":
        written = model.transform(tmp_path / "x.npy", out=tmp_path / "codes.npy")
        np.testing.assert_array_equal(written, expected)
    assert model.transform_max_error is before


@pytest.mark.parametrize("name", CODERS)
def test_partitions_have_their_errors(name, kind):
    dask = pytest.importorskip("dask", reason="dask is of the extra dask")
    import dask.array as da

    model = model_of(name, kind)
    with dask.config.set(scheduler="synchronous"):
        found = model.transform(da.from_array(X, chunks=(130, 20)))
        assert isinstance(found, da.Array)
        np.testing.assert_array_equal(dense(found.compute()), dense(model.transform(X)))


def test_a_fit_on_partitions_has_the_errors_of_rows():
    dask = pytest.importorskip("dask", reason="dask is of the extra dask")
    import dask.array as da

    model = gf.DictionaryLearning(
        30, fit_algorithm="omp", max_iter=3, random_state=0, transform_max_error=ERRORS
    )
    with dask.config.set(scheduler="synchronous"):
        found = gf.DictionaryLearning(**model.get_params()).fit(da.from_array(X, chunks=(130, 20)))
    expected = model.fit(gf.blocks([X[i : i + 130] for i in range(0, 500, 130)]))
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("where", ["file", "dask"])
@pytest.mark.parametrize(
    ("errors", "message"),
    [
        (ERRORS[:400], "transform_max_error must be a number of at least 0, or"),
        (np.ma.masked_less(ERRORS, 1), "transform_max_error"),
        ([[1.0], [2.0, 3.0]], "transform_max_error"),
    ],
)
def test_other_errors_are_refused(where, errors, message, tmp_path):
    model = gf.SparseCoder(ATOMS).fit(X).set_params(transform_max_error=errors)
    if where == "dask":
        array = pytest.importorskip("dask.array", reason="dask is of the extra dask")
        given = array.from_array(X, chunks=100)
    else:
        given = tmp_path / "x.npy"
        np.save(given, X)
    with pytest.raises(ValueError, match=message):
        model.transform(given)
