"""Mixtures whose data or parameters changed between calls, and inputs that must stay as they were."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf

KINDS = ["full", "tied", "diag", "spherical"]
INITS = ["kmeans", "k-means++", "random", "random_from_data"]
MODELS = {"gaussian": gf.GaussianMixture, "poisson": gf.PoissonMixture}


def counts(n=40, d=3, seed=0):
    return np.random.default_rng(seed).poisson(4.0, (n, d)).astype(float)


def fit(model, X, **data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, **data)


STATES = st.fixed_dictionaries(
    {
        "k": st.integers(1, 4), "d": st.integers(1, 4), "kind": st.sampled_from(KINDS),
        "dtype": st.sampled_from([np.float32, np.float64]), "n": st.integers(5, 30),
    }
)  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@given(before=STATES, after=STATES)
def test_a_warm_start_from_another_model_is_refused_in_words_and_else_goes_on(name, before, after):
    def options(state):
        kind = {"covariance_type": state["kind"]} if name == "gaussian" else {}
        return {"n_components": state["k"], "max_iter": 5, **kind}

    model = MODELS[name](warm_start=True, random_state=0, **options(before))
    fit(model, counts(before["n"], before["d"]).astype(before["dtype"]))
    changed = [
        attribute
        for key, attribute in (
            ("k", "n_components"), ("kind", "covariance_type"), ("d", "n_features_in_"),
        )
        if before[key] != after[key] and (key != "kind" or name == "gaussian")
    ]  # fmt: skip
    state = dict(vars(model)) | options(after)
    model.set_params(**options(after))
    X = counts(after["n"], after["d"]).astype(after["dtype"])
    if changed:
        with pytest.raises(ValueError, match=rf"whose {changed[0]} was .* set warm_start=False"):
            model.fit(X)
        assert vars(model) == state
        model.set_params(warm_start=False)
    fit(model, X)
    assert len(model.weights_) == after["k"]
    assert model.weights_.dtype == after["dtype"]
    assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_new_columns_are_refused_by_every_method(name):
    model = fit(MODELS[name](2, random_state=0), counts())
    for method in ("predict", "predict_proba", "score_samples", "score", "aic", "bic"):
        with pytest.raises(ValueError, match=r"X has 4 features, but .* is expecting 3"):
            getattr(model, method)(counts(d=4))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("other", KINDS)
def test_a_fitted_model_stays_of_its_kind_until_it_is_fitted_again(kind, other):
    X = counts(d=2)
    model = fit(gf.GaussianMixture(2, covariance_type=kind, random_state=0), X)
    expected = model.predict_proba(X), model.aic(X), model.sample(5)
    model.set_params(covariance_type=other, n_components=3)
    assert_array_equal(model.predict_proba(X), expected[0])
    assert model.aic(X) == expected[1]
    assert_array_equal(model.sample(5)[0], expected[2][0])


def test_attributes_set_by_hand_that_do_not_fit_are_named():
    X = counts(d=2)
    model = fit(gf.GaussianMixture(2, random_state=0), X)
    model.means_ = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"weights_ must have shape \(3,\)"):
        model.predict(X)
    model.weights_ = np.full(3, 1 / 3)
    with pytest.raises(ValueError, match=r"precisions_cholesky_ must have shape \(3, 2, 2\)"):
        model.predict(X)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("init", INITS)
def test_no_iterations_give_back_the_start(name, init):
    X = counts()
    model = MODELS[name](3, init_params=init, max_iter=0, random_state=0).fit(X)
    assert_allclose(model.weights_.sum(), 1, rtol=1e-12)
    assert_allclose(model.predict_proba(X).sum(axis=1), 1, rtol=1e-12)
    assert model.n_iter_ == 0
    assert model.converged_ is False
    one = fit(MODELS[name](3, init_params=init, max_iter=1, random_state=0), X)
    # The first bound is that of the start.
    assert_allclose(one.lower_bound_, model.score(X), rtol=1e-9)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    "options", [{}, {"max_iter": 0}, {"tol": 0, "max_iter": 2}, {"max_time": 0}], ids=str
)
def test_what_a_fit_reports_is_pythons(name, options):
    model = fit(MODELS[name](2, random_state=0, **options), counts())
    assert type(model.converged_) is bool
    assert type(model.lower_bound_) is float
    assert type(model.n_iter_) is int


def masked(a):
    a = np.asarray(a, float)
    return np.ma.masked_array(a, mask=np.arange(a.size).reshape(a.shape) == 0)


@pytest.mark.parametrize("name", MODELS)
def test_masked_arrays_are_refused_wherever_they_are_given(name):
    X, ones = counts(), np.ones(40)
    model = fit(MODELS[name](2, random_state=0), X)
    for method in ("fit", "fit_predict", "predict", "predict_proba", "score_samples", "score", "aic", "bic"):
        with pytest.raises(ValueError, match="X is a masked array"):
            getattr(model, method)(masked(X))
    for method in ("fit", "fit_predict", "score", "aic", "bic"):
        with pytest.raises(ValueError, match="sample_weight is a masked array"):
            getattr(model, method)(X, sample_weight=masked(ones))
    starts = {"weights_init": [0.5, 0.5]}
    starts |= (
        {"means_init": X[:2], "precisions_init": [np.eye(3)] * 2}
        if name == "gaussian"
        else {"rates_init": X[:2]}
    )
    for start, value in starts.items():
        with pytest.raises(ValueError, match=f"{start} is a masked array"):
            MODELS[name](2, **{start: masked(value)}).fit(X)


def test_masked_exposures_are_refused():
    X, s = counts(), masked(np.ones(40))
    model = fit(gf.PoissonMixture(2, random_state=0), X)
    for method in (
        "fit",
        "predict",
        "predict_proba",
        "score_samples",
        "score",
        "aic",
        "bic",
        "standard_errors",
    ):
        with pytest.raises(ValueError, match="exposure is a masked array"):
            getattr(model, method)(X, exposure=s)
    with pytest.raises(ValueError, match="exposure is a masked array"):
        model.sample(40, s)


@pytest.mark.parametrize("name", MODELS)
def test_a_new_generator_is_refused_with_what_to_do(name):
    model = MODELS[name](2, random_state=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"numpy.random.RandomState\(generator.bit_generator\)"):
        model.fit(counts())
    model = fit(MODELS[name](2), counts())
    with pytest.raises(ValueError, match="random_state must be None, an int or"):
        model.set_params(random_state=np.random.default_rng(0)).sample(3)


def shuffled(X, index=np.int32):
    """CSR with falling indices in each row, and explicit zeros."""
    rows, cols = X.shape
    flat = sp.csr_matrix(
        (
            X[:, ::-1].ravel().copy(),
            np.tile(np.arange(cols, dtype=index)[::-1], rows),
            np.arange(rows + 1, dtype=index) * cols,
        ),
        shape=X.shape,
    )
    flat.has_sorted_indices = False
    return flat


def doubled(X):
    """CSR with each entry stored as two that add up to it."""
    rows, cols = X.shape
    both = np.concatenate([X - np.floor(X / 2), np.floor(X / 2)], axis=1)
    indices = np.tile(np.arange(cols), 2 * rows)
    return sp.csr_matrix((both.ravel(), indices, np.arange(rows + 1) * 2 * cols), shape=X.shape)


FORMS = {
    "unsorted": shuffled, "unsorted, 64 bits": lambda x: shuffled(x, np.int64), "duplicates": doubled,
    "csc": sp.csc_array, "coo": sp.coo_array, "bsr": lambda x: sp.bsr_array(x, blocksize=(2, 1)),
    "permuted": lambda x: sp.csr_array(x[:, [2, 0, 1]])[:, [1, 2, 0]],
    "slice": lambda x: sp.csr_array(np.pad(x, 3))[3:-3, 3:-3],
}  # fmt: skip


def parts(a):
    names = ("data", "indices", "indptr", "row", "col")
    return {name: getattr(a, name).copy() for name in names if hasattr(a, name)}


def flat(found):
    return np.concatenate([np.ravel(a) for a in (found if isinstance(found, tuple) else (found,))])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("init", INITS)
def test_counts_of_any_sparse_form_give_the_dense_result_and_stay_as_they_were(form, init, dtype):
    X = counts().astype(dtype)
    S, s, w = FORMS[form](X), np.linspace(0.5, 2, 40), np.linspace(0, 3, 40)
    before, given = parts(S), (s.copy(), w.copy())
    options = {"init_params": init, "max_iter": 4, "tol": 0, "random_state": 0}
    start = {"weights_init": [0.4, 0.6], "rates_init": [[3.0, 4, 5], [5, 4, 3]]}
    model = fit(gf.PoissonMixture(2, **options, **start), S, exposure=s, sample_weight=w)
    dense = fit(gf.PoissonMixture(2, **options, **start), X, exposure=s, sample_weight=w)
    fit(gf.PoissonMixture(2, **options), S, exposure=s, sample_weight=w)
    assert_allclose(model.rates_, dense.rates_, rtol=1e-6)
    for method in ("predict", "predict_proba", "score_samples", "score", "aic", "bic", "standard_errors"):
        found = getattr(model, method)(S, exposure=s)
        expected = getattr(dense, method)(X, exposure=s)
        assert_allclose(flat(found), flat(expected), rtol=1e-5, atol=1e-7)
    assert_array_equal(model.fit_predict(S, exposure=s), model.predict(X, exposure=s))
    after = parts(S)
    for name, value in before.items():
        assert_array_equal(after[name], value, err_msg=name)
    assert_array_equal([s, w], given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", INITS)
def test_dense_input_stays_as_it_was(kind, init):
    X, w = counts(), np.linspace(0, 3, 40)
    X.flags.writeable = w.flags.writeable = False
    before = X.copy(), w.copy()
    model = fit(
        gf.GaussianMixture(2, covariance_type=kind, init_params=init, random_state=0), X, sample_weight=w
    )
    model.score(X, sample_weight=w)
    model.predict_proba(X)
    assert_array_equal(X, before[0])
    assert_array_equal(w, before[1])
