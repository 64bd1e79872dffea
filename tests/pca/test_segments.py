"""Rows in segments give what the whole gives: PCA, truncated SVD and incremental PCA."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from pca.cases import FORMS, data, graded
from segment_cases import SIZES, cut
from sklearn.base import clone

import gramfold as gf
from gramfold.fold.segments import Segments
from gramfold.fold.source import Source
from gramfold.pca import base, rows, sparse_rows

ROWS, COLS = 1100, 12
MODELS = {
    "all": gf.PCA(),
    "auto": gf.PCA(4, whiten=True),
    "share": gf.PCA(0.6),
    "mle": gf.PCA("mle"),
    "gram": gf.PCA(4, svd_solver="covariance_eigh"),
    "full": gf.PCA(4, svd_solver="full"),
    "krylov": gf.PCA(1, svd_solver="randomized", iterated_power=1, n_oversamples=1, random_state=0),
    "svd": gf.TruncatedSVD(4, algorithm="gram"),
    "svd, krylov": gf.TruncatedSVD(1, n_iter=1, n_oversamples=1, random_state=0),
    "batches": gf.IncrementalPCA(4, batch_size=97),
}
CASES = [(name, form) for name in MODELS for form in FORMS if (name, form) != ("full", "csr")]
WEIGHTED = [name for name in MODELS if name != "batches"]
TALL = [name for name in MODELS if name != "full"]  # which is LAPACK's, on a copy


def matrix(form, shape=(ROWS, COLS)):
    """Dense, or CSR with empty rows and a column of which nearly all is stored."""
    X = data(*shape)
    if form == "csr":
        stored = np.random.default_rng(1).random(shape) < 0.2
        stored[:, 3], stored[5:9] = True, False
        X = X * stored
    return FORMS[form](X)


def weights_for(X):
    """Reliabilities, 0 for some rows."""
    weights = np.random.default_rng(2).random(X.shape[0])
    weights[::5] = 0
    return weights


def results(model, X, *, gaps=False, **given):
    """All that a fit learns and what it says about X."""
    model = clone(model).fit(X, **given)
    found = {name: value for name, value in vars(model).items() if name.endswith("_") and value is not None}
    found["codes"] = codes = model.transform(X)
    found["back"] = model.inverse_transform(codes)
    if hasattr(model, "score_samples") and model.noise_variance_ > 0 and not gaps:
        found["scores"] = model.score_samples(X)
    return found


def agree(some, whole, rtol=1e-10):
    """Signs are fixed by the components, which agree too."""
    assert some.keys() == whole.keys()
    for name, expected in whole.items():
        atol = rtol * np.abs(expected).max(initial=0)
        assert_allclose(some[name], expected, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize(("name", "form"), CASES)
def test_a_fit_on_segments_is_the_fit_on_the_whole(name, form):
    X = matrix(form)
    whole = results(MODELS[name], X)
    for size in SIZES[1:]:
        agree(results(MODELS[name], cut(X, size)), whole)
    agree(results(MODELS[name], cut(X[:150], 1)), results(MODELS[name], X[:150]))


@pytest.mark.parametrize(("name", "form"), [case for case in CASES if case[0] in WEIGHTED])
def test_weights_belong_to_their_rows_in_segments(name, form):
    X = matrix(form)
    weights = weights_for(X)
    whole = results(MODELS[name], X, sample_weight=weights)
    for size in (48, "unequal"):
        agree(results(MODELS[name], cut(X, size), sample_weight=weights), whole)


@pytest.mark.parametrize(("name", "form"), [case for case in CASES if case[0] != "mle"])
def test_wide_segments_are_the_whole(name, form):
    X = matrix(form, (40, 90))
    if name == "batches":
        return agree(results(gf.IncrementalPCA(4, batch_size=9), cut(X, "unequal")),
                     results(gf.IncrementalPCA(4, batch_size=9), X))  # fmt: skip
    weights = weights_for(X)
    for given in ({}, {"sample_weight": weights}):
        agree(results(MODELS[name], cut(X, "unequal"), **given), results(MODELS[name], X, **given))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", TALL)
def test_tall_segments_are_not_copied_together(name, form, no_copy):
    X = matrix(form)
    results(MODELS[name], cut(X, "unequal"))
    if name in WEIGHTED:
        results(MODELS[name], cut(X, "unequal"), sample_weight=weights_for(X))


@pytest.mark.parametrize("name", [name for name in TALL if name not in ("batches", "mle")])
def test_wide_dense_segments_are_read_some_columns_at_a_time(name, no_copy, monkeypatch):
    monkeypatch.setattr("gramfold.fold.columns.ENTRIES", 40 * 20)
    X = matrix("dense", (40, 90))
    agree(results(MODELS[name], cut(X, "unequal")), results(MODELS[name], X))


@pytest.mark.parametrize(("name", "form"), CASES)
def test_segments_give_the_same_bits_for_any_number_of_threads(name, form):
    X = cut(matrix(form), "unequal")
    one, three = (results(clone(MODELS[name]).set_params(n_threads=n), X) for n in (1, 3))
    for key, expected in one.items():
        assert_array_equal(three[key], expected, err_msg=key)


@pytest.mark.parametrize("form", FORMS)
def test_batches_in_segments_are_batches(form):
    X = matrix(form)
    some, whole = gf.IncrementalPCA(4), gf.IncrementalPCA(4)
    for part in (slice(0, 400), slice(400, 1100)):
        some.partial_fit(cut(X[part], "unequal"))
        whole.partial_fit(X[part])
    for name in ("components_", "singular_values_", "mean_", "var_"):
        assert_array_equal(getattr(some, name), getattr(whole, name))


@pytest.mark.parametrize("model", [gf.PCA(3, missing="mask"), gf.TruncatedSVD(3, missing="mask")], ids=str)
def test_missing_entries_may_lie_in_segments(model):
    X = data(200, COLS)
    X[np.random.default_rng(3).random(X.shape) < 0.1] = np.nan
    whole = results(model, X, gaps=True)
    for size in ("unequal", 7):
        agree(results(model, cut(X, size), gaps=True), whole)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", [MODELS["gram"], MODELS["svd"]], ids=str)
def test_small_singular_values_take_a_second_read_of_segments(model, form, dtype):
    X = FORMS[form](graded(ROWS, COLS, 3.5 if dtype == np.float32 else 7, dtype=dtype))
    rtol = 1e-5 if dtype == np.float32 else 1e-8
    whole = clone(model).fit(X)
    some = clone(model).fit(cut(X, "unequal"))
    assert_allclose(some.singular_values_, whole.singular_values_, rtol=rtol)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["auto", "krylov", "svd"])
def test_segments_out_of_range_are_scaled_together(name, form, no_copy):
    X = matrix(form)
    one = clone(MODELS[name]).fit(cut(X, "unequal"))
    other = clone(MODELS[name]).fit(cut(X * 2.0**-400, "unequal"))
    assert_array_equal(np.ldexp(other.singular_values_, 400), one.singular_values_)
    assert_array_equal(other.components_, one.components_)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("model", [gf.PCA(2), gf.TruncatedSVD(2), gf.IncrementalPCA(2)], ids=str)
def test_a_number_that_is_none_is_refused_in_any_segment(model, bad, form):
    X = data(60, 4)
    X[40, 1] = bad
    fitted = clone(model).fit(FORMS[form](data(60, 4)))
    before = pickle.dumps(fitted)
    for call in (clone(model).fit, fitted.fit, fitted.transform):
        with pytest.raises(ValueError, match="missing='mask'" if np.isnan(bad) else "infinity"):
            call(cut(FORMS[form](X), 7))
    assert pickle.dumps(fitted) == before


@pytest.mark.parametrize("form", FORMS)
def test_passes_and_changes_can_be_sent_elsewhere(form, monkeypatch):
    """Each that a fit runs is pickled, and what comes out of it is run instead."""
    seen = set()

    def sent(function):
        seen.add(getattr(function, "func", function).__name__)
        return pickle.loads(pickle.dumps(function))

    for module in (base, rows, sparse_rows):
        run = module.run
        monkeypatch.setattr(
            module, "run", lambda pass_, *given, run=run, **more: run(sent(pass_), *given, **more)
        )
    for kind in (Source, Segments):
        mapped = kind.mapped
        monkeypatch.setattr(
            kind, "mapped", lambda self, change, *given, mapped=mapped: mapped(self, sent(change), *given)
        )
    X = matrix(form, (ROWS, 40))  # of which a Krylov space is made
    for name in ("gram", "krylov", "svd"):
        agree(
            results(MODELS[name], cut(X, "unequal"), sample_weight=weights_for(X)),
            results(MODELS[name], X, sample_weight=weights_for(X)),
        )
    both = {"kept", "squared_distances", "moments"}
    sparse = {"stored_sums", "rooted", "taken_off"}
    assert seen == both | ({"centred"} if form == "dense" else sparse)


def test_observed_codes_can_be_sent_elsewhere(monkeypatch):
    X, run, sent = data(60, 5), base.run, []

    def run_sent(pass_, *given, **more):
        sent.append(pass_.__name__)
        return run(pickle.loads(pickle.dumps(pass_)), *given, **more)

    model = gf.PCA(2, missing="mask").fit(X)
    expected = model.transform(X)
    monkeypatch.setattr(base, "run", run_sent)
    assert_array_equal(model.transform(X), expected)
    assert sent == ["observed_codes"]


def test_a_segment_of_another_type_is_refused():
    X = data(60, 4)
    with pytest.raises(ValueError, match="one dtype"):
        gf.PCA(2).fit(gf.blocks([X, X.astype(np.float32)]))
    with pytest.raises(ValueError, match="features"):
        gf.PCA(2).fit(X).transform(cut(X[:, :3], 7))
    with pytest.raises(ValueError, match="all dense or all sparse"):
        gf.PCA(2).fit(gf.blocks([X, sp.csr_array(X)]))
