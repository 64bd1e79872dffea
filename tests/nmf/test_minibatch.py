"""MiniBatchNMF: the same factorisation from a few rows at a time."""

from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.decomposition import MiniBatchNMF as SklearnMiniBatchNMF

import gramfold as gf
from gramfold.datasets import make_counts, make_nmf
from gramfold.fold.source import Source


@pytest.fixture(scope="module")
def planted():
    return make_nmf(2000, 60, 6, density=0.6, noise=0.05, random_state=0)[0]


@pytest.fixture
def model():
    return gf.MiniBatchNMF(
        6, batch_size=250, init="random", random_state=0, tol=0, max_no_improvement=None, max_iter=20
    )


def error(model, X):
    return np.linalg.norm(X - model.transform(X) @ model.components_)


def test_batches_reach_the_error_of_the_whole(planted, model):
    whole = gf.NMF(6, init="random", random_state=0, max_iter=300, tol=1e-6).fit(planted)
    model.set_params(max_iter=100).fit(planted)
    assert model.reconstruction_err_ <= 1.001 * whole.reconstruction_err_


def test_the_error_is_below_that_of_scikit_learn_after_the_same_rounds(planted, model):
    theirs = SklearnMiniBatchNMF(
        6, batch_size=250, init="random", random_state=0, tol=0, max_no_improvement=None, max_iter=21
    )
    theirs.fit(planted)
    assert model.fit(planted).reconstruction_err_ < theirs.reconstruction_err_


def test_one_batch_after_the_other_by_partial_fit_lowers_the_error(planted):
    model = gf.MiniBatchNMF(6, init="random", random_state=0)
    model.partial_fit(planted[:250])
    early = error(model, planted)
    for _ in range(20):
        for first in range(0, 2000, 250):
            model.partial_fit(planted[first : first + 250])
    assert model.n_steps_ == 161
    assert error(model, planted) < 0.5 * early


@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "with gaps"])
@pytest.mark.parametrize("seed", range(4))
def test_rows_solved_anew_lead_to_a_stationary_point(seed, gaps):
    X = np.abs(np.random.RandomState(seed).randn(6, 4))
    if gaps:
        X[0, 1] = X[3, 2] = np.nan
    model = gf.MiniBatchNMF(
        4, init="random", random_state=0, tol=0, max_iter=1000, fresh_restarts=True, max_no_improvement=None,
        missing="mask" if gaps else "error",
    )  # fmt: skip
    assert model.fit(X).kkt_residual_ < 1e-4
    learner = clone(model)
    for _ in range(1000):
        learner.partial_fit(X)
    assert_array_equal(learner.components_, model.components_)


def test_partial_fit_goes_on_from_a_fit(planted, model):
    before = model.fit(planted).components_.copy()
    after = model.partial_fit(planted[:250]).components_
    assert 0 < np.linalg.norm(after - before) < 0.2 * np.linalg.norm(before)


@pytest.mark.parametrize("n_threads", [2, 3, 7])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_the_bits_do_not_depend_on_the_threads(planted, model, sparse, n_threads):
    X = sp.csr_array(np.where(planted > np.median(planted), planted, 0)) if sparse else planted
    one = clone(model).set_params(n_threads=1, max_iter=3).fit(X).components_
    many = clone(model).set_params(n_threads=n_threads, max_iter=3).fit(X).components_
    assert_array_equal(many, one)


def test_transform_is_fit_transform_on_the_training_rows(planted, model):
    assert_array_equal(model.fit_transform(planted), model.transform(planted))


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("loss", ["kullback-leibler", 1.5])
@pytest.mark.filterwarnings("ignore:.*rows did not converge")  # multiplicative updates, at the end
def test_other_losses_fall(loss, fresh):
    X = make_counts(300, 40, 5, row_nnz=12, random_state=0)[0].astype(float)
    model = gf.MiniBatchNMF(
        5, beta_loss=loss, batch_size=50, init="random", random_state=0, tol=0, fresh_restarts=fresh,
        max_no_improvement=None, max_iter=10,
    ).fit(X)  # fmt: skip
    cost = model.history_["objective"].reshape(10, 6).mean(axis=1)
    assert cost[-1] < cost[0]
    assert np.isfinite(model.components_).all()
    assert (model.components_ >= 0).all()


def test_signed_components_come_with_H_nonneg_false(planted):
    X = planted - planted.mean()
    model = gf.MiniBatchNMF(4, H_nonneg=False, random_state=0, max_iter=10, tol=0, batch_size=200).fit(X)
    assert (model.components_ < 0).any()
    assert (model.transform(X) >= 0).all()
    assert model.reconstruction_err_ < 0.9 * np.linalg.norm(X)


def test_a_callback_stops_at_a_batch(planted, model):
    model.set_params(callback=lambda info: info.iteration == 11).fit(planted)
    assert (model.n_steps_, model.n_iter_) == (11, 2)
    assert len(model.history_["seconds"]) == 11


@pytest.mark.parametrize(
    ("name", "value"),
    [("batch_size", 0), ("forget_factor", 1.5), ("max_no_improvement", 0), ("fresh_restarts", 1),
     ("beta_loss", "hinge"), ("n_threads", 0), ("max_iter", 0)],
)  # fmt: skip
def test_a_wrong_parameter_is_named_and_nothing_is_fitted(planted, model, name, value):
    model.set_params(**{name: value})
    before = dict(vars(model))
    with pytest.raises(ValueError, match=name):
        model.fit(planted)
    assert vars(model) == before


def test_a_batch_that_is_refused_leaves_the_model_as_it_was(planted, model):
    model.fit(planted)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="X"):
        model.partial_fit(-planted[:100])
    assert vars(model) == before


def test_a_single_batch_is_not_transposed_and_learns_what_a_round_does():
    X = sp.random(1600, 1300, density=0.05, format="csr", random_state=0)
    assert Source(X, 1).gathers
    options = {"n_components": 4, "init": "random", "random_state": 0, "tol": 0}
    with patch.object(Source, "transposed", None):
        once = gf.MiniBatchNMF(**options).partial_fit(X)
        whole = gf.MiniBatchNMF(**options, batch_size=1600, max_iter=1, fresh_restarts=True).fit(X)
    assert_allclose(whole.components_, once.components_, rtol=1e-10, atol=1e-12)
