"""NMF as an estimator: what a fit reports, and what calls it takes."""

import logging
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from nmf.cases import (
    FORMATS,
    SHAPES,
    fit,
    last_iterates,
    random_start,
    random_x,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import decomposition
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf
from gramfold.fold.source import Source

# What a fit reports


def test_the_callback_is_told_of_every_iteration():
    seen = []
    model, _ = fit(random_x((50, 20)), 3, tol=1e-3, max_iter=300, callback=seen.append)
    assert all(isinstance(info, gf.IterationInfo) for info in seen)
    assert [info.iteration for info in seen] == list(range(1, model.n_iter_ + 1))
    assert {info.max_iter for info in seen} == {300}
    for key in ("objective", "kkt", "seconds"):
        assert model.history_[key].shape == (model.n_iter_,)
        assert model.history_[key].dtype == np.float64
        assert_array_equal(model.history_[key], [getattr(info, key) for info in seen])
    assert (np.diff(model.history_["seconds"]) >= 0).all()
    assert model.converged_


@pytest.mark.parametrize("shape", SHAPES)
def test_a_callback_that_returns_true_stops_the_fit(shape):
    model, W = fit(random_x(SHAPES[shape]), 3, callback=lambda info: info.iteration == 3)
    assert model.n_iter_ == 3
    assert not model.converged_
    assert_array_equal(model.transform(random_x(SHAPES[shape])), W)


@pytest.mark.parametrize("value", [0, "", None, False, np.False_])
def test_a_false_value_of_the_callback_does_not_stop_the_fit(value):
    model, _ = fit(random_x((20, 10)), 2, tol=0, max_iter=5, callback=lambda info: value)
    assert model.n_iter_ == 5


def test_a_callback_is_closed_once_at_the_end_and_after_an_error():
    class Listener:
        closed = 0

        def __init__(self, error=None):
            self.error = error

        def __call__(self, info):
            if self.error:
                raise self.error

        def close(self):
            self.closed += 1

    calm, angry = Listener(), Listener(KeyError("mine"))
    fit(random_x((20, 10)), 2, tol=1e-2, callback=calm)
    with pytest.raises(KeyError, match="mine"):
        fit(random_x((20, 10)), 2, callback=angry)
    assert (calm.closed, angry.closed) == (1, 1)


def test_no_time_is_one_iteration_and_no_warning():
    model, _ = fit(random_x((50, 20)), 3, max_time=0)
    assert model.n_iter_ == 1
    assert not model.converged_


def test_verbose_logs_every_iteration_and_silence_is_the_default(caplog, capsys):
    with caplog.at_level(logging.INFO, "gramfold"):
        fit(random_x((20, 10)), 2, tol=0, max_iter=4)
        assert not caplog.records
        fit(random_x((20, 10)), 2, tol=0, max_iter=4, verbose=1)
    assert [record.name for record in caplog.records] == ["gramfold"] * 4
    assert "Iteration 4, objective" in caplog.messages[-1]
    assert capsys.readouterr().out.splitlines() == caplog.messages


def test_not_converged_is_a_warning_unless_tol_is_0():
    model = gf.NMF(3, tol=1e-8, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations 2 reached"):
        model.fit(random_x((50, 20)))
    assert not model.converged_
    assert model.n_iter_ == 2
    fit(random_x((50, 20)), 3, tol=0, max_iter=2)


def test_a_custom_start_that_is_not_asked_for_is_a_warning():
    X = random_x((20, 10))
    W, H = random_start(X.shape, 3)
    with pytest.warns(RuntimeWarning, match="custom"):
        gf.NMF(3, tol=0, max_iter=2).fit(X, W=W, H=H)


# The estimator


def test_parameters_survive_clone_and_a_fit_survives_pickle():
    model = gf.NMF(3, init="nndsvdar", tol=1e-3, alpha_W=0.01, l1_ratio=0.5, random_state=4)
    assert clone(model).get_params() == model.get_params()
    X = random_x((40, 20))
    W = model.fit_transform(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), W)
    assert_array_equal(clone(model).fit(X).components_, model.components_)
    assert model.set_params(n_components=2).fit(X).components_.shape == (2, 20)


def test_the_classes_parameters_are_sklearns_and_more():
    theirs = decomposition.NMF().get_params()
    mine = gf.NMF().get_params()
    assert {name: mine[name] for name in theirs} == theirs


def test_auto_is_as_many_components_as_features_or_as_a_custom_start_has():
    X = random_x((20, 6))
    W, H = random_start(X.shape, 3)
    assert gf.NMF(tol=1e-2).fit(X).n_components_ == 6
    assert gf.NMF(init="custom", tol=1e-2).fit(X, W=W, H=H).n_components_ == 3


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_inputs_are_never_modified(form, shape):
    X = FORMATS[form](random_x(SHAPES[shape]))
    W, H = random_start(X.shape, 3)
    arrays = [W, H] + ([X.data, X.indices, X.indptr] if sp.issparse(X) else [X])
    before = [a.tobytes() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    model = gf.NMF(3, init="custom", tol=1e-3)
    model.fit_transform(X, W=W, H=H)
    model.transform(X)
    gf.encode(X, model.components_)
    gf.non_negative_factorization(X, W, H, init="custom", tol=0, max_iter=3)
    gf.non_negative_factorization(X, H=H, update_H=False)
    assert [a.tobytes() for a in arrays] == before


def test_the_functional_form_gives_what_fit_transform_gives():
    X = random_x((40, 20))
    model, W = fit(X, 4, tol=1e-4)
    found, H, n_iter = gf.non_negative_factorization(
        X, n_components=4, tol=1e-4, max_iter=5000, random_state=0
    )
    assert_array_equal(found, W)
    assert_array_equal(H, model.components_)
    assert n_iter == model.n_iter_


def test_the_functional_form_with_h_fixed_is_transform():
    X = random_x((40, 20))
    model, W = fit(X, 4, tol=1e-4)
    found, H, n_iter = gf.non_negative_factorization(X, H=model.components_, update_H=False)
    assert_array_equal(found, W)
    assert_array_equal(H, model.components_)
    assert n_iter == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("shape", "density"), [((3000, 2000), 0.002), ((2000, 3000), 0.002), ((1600, 1300), 0.05)]
)
def test_sparse_x_takes_the_parity_iterates_through_its_transpose(shape, density):
    X = sp.random(*shape, density=density, format="csr", random_state=0)
    assert Source(X, 1).gathers
    W, H = random_start(X.shape, 5)
    theirs = decomposition.non_negative_factorization(
        X, W=W.copy(), H=H.copy(), n_components=5, init="custom", tol=0, max_iter=10
    )
    ours = last_iterates(X, W, H, 5, init="custom", tol=0, max_iter=10, max_sweeps=1, extrapolate=False)
    for found, expected in zip(ours[:2], theirs[:2], strict=True):
        assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * expected.max())
