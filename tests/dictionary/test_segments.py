"""Dictionaries learned from rows in segments: what the whole gives, whatever the segments."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from dictionary.cases import planted
from numpy.testing import assert_allclose, assert_array_equal
from segment_cases import SIZES, cut

import gramfold as gf
from gramfold.dictionary import gram, residual
from gramfold.fold import filled
from gramfold.fold.engine import run
from gramfold.fold.segments import source_of

MODELS = {
    "cd": lambda **o: gf.DictionaryLearning(9, alpha=0.5, fit_algorithm="cd", **o),
    "cd, many": lambda **o: gf.DictionaryLearning(40, alpha=0.5, fit_algorithm="cd", **o),
    "cd, penalised": lambda **o: gf.DictionaryLearning(9, alpha=0.5, dict_l1=0.1, l2=0.1, **o),
    "omp": lambda **o: gf.DictionaryLearning(40, fit_algorithm="omp", transform_n_nonzero_coefs=2, **o),
    "omp to an error": lambda **o: gf.DictionaryLearning(
        15, fit_algorithm="omp", transform_max_error=1.0, **o),
    "threshold": lambda **o: gf.DictionaryLearning(9, alpha=0.5, fit_algorithm="threshold", **o),
    "ksvd": lambda **o: gf.DictionaryLearning(15, fit_algorithm="ksvd", transform_n_nonzero_coefs=2, **o),
    "soup_l1": lambda **o: gf.DictionaryLearning(15, alpha=0.5, fit_algorithm="soup_l1", **o),
    "mini-batches": lambda **o: gf.MiniBatchDictionaryLearning(15, alpha=0.5, batch_size=200, **o),
    "mini-batches in order": lambda **o: gf.MiniBatchDictionaryLearning(
        9, alpha=0.5, batch_size=200, shuffle=False, **o),
}  # fmt: skip


def rows(sparse=False, n=500):
    X = planted(n, m=12, k=15)[0] + 0.1 * np.random.default_rng(1).normal(size=(n, 12))
    return sp.csr_array(np.where(np.abs(X) > 0.5, X, 0)) if sparse else X


def fitted(name, X, **options):
    return MODELS[name](max_iter=3, tol=0, random_state=0, **options).fit(X)


def same(model, whole, X, blocks):
    assert_allclose(model.components_, whole.components_, rtol=1e-10, atol=1e-12)
    for key in ("objective", "kkt"):
        assert_allclose(model.history_[key], whole.history_[key], rtol=1e-10, atol=1e-12)
    assert_allclose(model.transform(blocks), whole.transform(X), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_a_fit_on_segments_is_the_fit_on_the_whole(sparse, name, no_copy):
    X = rows(sparse)
    whole = fitted(name, X)
    for size in (7, 48, "unequal"):
        same(fitted(name, cut(X, size)), whole, X, cut(X, size))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["cd", "ksvd", "mini-batches"])
def test_segments_may_have_any_sizes(name, size, no_copy):
    X = rows(n=1100 if size == 1000 else 300)
    same(fitted(name, cut(X, size)), fitted(name, X), X, cut(X, size))


@pytest.mark.parametrize("name", MODELS)
def test_fits_on_segments_are_the_same_for_any_number_of_threads(name):
    X = cut(rows(n=300), 48)
    one, three = (fitted(name, X, n_threads=t) for t in (1, 3))
    assert_array_equal(one.components_, three.components_)
    assert_array_equal(one.transform(X), three.transform(X))


@pytest.mark.parametrize("algorithm", ["cd", "omp"])
def test_a_fit_with_gaps_on_segments_is_that_on_the_whole(algorithm, no_copy):
    X = rows(n=200)
    X[np.random.default_rng(2).random(X.shape) < 0.1] = np.nan
    mask = np.random.default_rng(3).random(X.shape) < 0.9
    models = [
        gf.DictionaryLearning(
            9, alpha=0.5, fit_algorithm=algorithm, transform_n_nonzero_coefs=2, missing="mask", max_iter=3,
            tol=0, random_state=0,
        ).fit(given, mask=which)
        for given, which in ((X, mask), (cut(X, 48), mask), (cut(X, 7), cut(mask, 30)))
    ]  # fmt: skip
    for model in models[1:]:
        assert_allclose(model.components_, models[0].components_, rtol=1e-10, atol=1e-12)
        expected = models[0].transform(X, mask)
        assert_allclose(model.transform(cut(X, 7), cut(mask, 9)), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_partial_fit_takes_batches_in_segments(sparse, no_copy):
    X = rows(sparse, 300)
    whole, model = (gf.MiniBatchDictionaryLearning(9, alpha=0.5, random_state=0) for _ in range(2))
    for part in (X[:100], X[100:250], X[250:]):
        whole.partial_fit(part)
        model.partial_fit(cut(part, 7))
    assert_allclose(model.components_, whole.components_, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("exponent", [-900, 900])
def test_segments_in_any_unit_give_the_same_atoms(exponent, no_copy):
    X, scale = rows(n=200), 2.0 ** (exponent // 4)
    for size in (7, "unequal"):
        model = gf.DictionaryLearning(9, alpha=0.5 * scale, max_iter=3, tol=0, random_state=0)
        blocks = gf.blocks([part * scale for part in cut(X, size).parts])
        assert_allclose(model.fit(blocks).components_, fitted("cd", X).components_, rtol=1e-10, atol=1e-12)


def test_codes_start_from_those_of_rows_in_segments(no_copy):
    X = rows(n=300)
    start = {"dict_init": X[:9], "code_init": np.random.default_rng(0).normal(size=(300, 9))}
    for algorithm in ("cd", "soup_l1"):
        whole, model = (
            gf.DictionaryLearning(9, alpha=0.5, fit_algorithm=algorithm, max_iter=2, tol=0, **start)
            for _ in range(2)
        )
        same(model.fit(cut(X, 48)), whole.fit(X), X, cut(X, 48))


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "CSR"])
def test_passes_are_picklable(sparse):
    X, rng = rows(sparse, 100), np.random.default_rng(0)
    x, atoms, right = source_of(cut(X, 7), 1), rng.normal(size=(9, 12)), rng.normal(size=(100, 4))
    codes = sp.random(100, 9, 0.3, "csr", random_state=0)
    passes = {
        gram.squared_error: (atoms, {"codes": codes}),
        filled.image: ((None, atoms.T), {"out": np.empty((100, 9))}),
        filled.image_back: (None, {"factor": right}),
    }
    if not sparse:
        passes[residual.residual] = (
            atoms, {"codes": codes, "residual": np.empty((100, 12)), "errors": np.empty(100)},
        )  # fmt: skip
    dense = x.take(slice(None))
    for pass_, (shared, state) in passes.items():
        sums = [run(one, x, shared, state) for one in (pass_, pickle.loads(pickle.dumps(pass_)))]
        if sums[0] is not None:
            assert_array_equal(*sums)
    assert_allclose(run(gram.squared_error, x, atoms, {"codes": codes}), np.sum((dense - codes @ atoms) ** 2))
    assert_allclose(passes[filled.image][1]["out"], dense @ atoms.T)
    assert_allclose(run(filled.image_back, x, None, {"factor": right}), dense.T @ right)


@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_a_fit_so_good_that_the_error_comes_from_the_rows_is_the_same_in_a_file(dtype, tmp_path):
    X = (9 * planted(500, m=12, k=3)[0]).astype(dtype)
    np.save(tmp_path / "x.npy", X)
    given = {"n_components": 6, "alpha": 1e-3, "max_iter": 4, "tol": 0, "random_state": 0}
    whole = gf.DictionaryLearning(**given).fit(X.astype(np.float32))
    for place in (X, str(tmp_path / "x.npy")):
        model = gf.DictionaryLearning(**given).fit(place)
        assert_array_equal(model.components_, whole.components_)
        assert_array_equal(model.error_, whole.error_)
    assert whole.error_[-1] < gram.CANCELLED["float32"] * np.square(X, dtype=float).sum() / 2
