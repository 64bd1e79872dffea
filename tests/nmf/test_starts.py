"""Several starts of NMF, of which the best is kept."""

import numpy as np
import pytest
from entries import counts

import gramfold as gf

OPTIONS = {"n_components": 4, "max_iter": 15, "tol": 0}
LOSSES = {
    "frobenius": {}, "kl": {"beta_loss": 1}, "mu": {"solver": "mu"}, "mask": {"missing": "mask"},
    "L1": {"alpha_W": 0.01, "l1_ratio": 0.5},
}  # fmt: skip


@pytest.mark.parametrize("shape", [(60, 9), (9, 60)])
@pytest.mark.parametrize("loss", LOSSES)
def test_the_best_of_separate_fits_from_one_generator_is_kept(loss, shape):
    X, rng = counts(*shape), np.random.RandomState(5)
    options = OPTIONS | LOSSES[loss] | {"init": "random"}
    fits = [gf.NMF(**options, random_state=rng).fit(X) for _ in range(4)]
    found = gf.NMF(**options, n_init=4, random_state=5).fit(X)
    best = min(fits, key=lambda model: model.history_["objective"][-1])
    assert best is not fits[0]
    np.testing.assert_array_equal(found.components_, best.components_)
    np.testing.assert_array_equal(found.history_["objective"], best.history_["objective"])
    assert found.reconstruction_err_ == best.reconstruction_err_


@pytest.mark.parametrize("init", [None, "nndsvda", "nndsvd", "random"])
def test_the_first_start_is_that_of_a_single_one(init):
    X, objectives = counts(), []
    one = gf.NMF(**OPTIONS, init=init, random_state=0).fit(X)
    gf.NMF(
        **OPTIONS,
        init=init,
        n_init=3,
        random_state=0,
        callback=lambda info: objectives.append(info.objective),
    ).fit(X)
    np.testing.assert_array_equal(objectives[:15], one.history_["objective"])
    assert len(objectives) == 45
    assert len(set(objectives[14::15])) == 3


def test_weights_and_frozen_components_hold_in_every_start():
    X, frozen = counts(), np.ones((1, 9))
    weights = np.arange(60.0)
    model = gf.NMF(**OPTIONS, frozen=frozen, n_init=3, init="random", random_state=0)
    W = model.fit_transform(X, sample_weight=weights)
    np.testing.assert_array_equal(model.components_[:1], frozen)
    np.testing.assert_array_equal(W, model.transform(X))


def test_a_callback_ends_all_starts():
    calls = []
    model = gf.NMF(
        **OPTIONS, n_init=5, random_state=0, callback=lambda info: calls.append(info) or len(calls) == 20
    ).fit(counts())
    assert len(calls) == 20
    assert model.n_iter_ in (5, 15)


def test_max_time_is_that_of_all_starts():
    calls = []
    gf.NMF(**OPTIONS, n_init=5, max_time=0, callback=calls.append).fit(counts())
    assert len(calls) == 1


def test_a_start_that_is_given_is_the_only_one():
    X = counts()
    W, H = np.ones((60, 2)), np.random.default_rng(0).random((2, 9))
    with pytest.warns(RuntimeWarning, match=r"init='custom' is one start.*instead of n_init=3"):
        gf.NMF(2, init="custom", n_init=3, max_iter=1, tol=0).fit(X, W=W, H=H)


def test_n_init_must_be_a_whole_number():
    with pytest.raises(ValueError, match="n_init must be at least 1 and whole, got 0"):
        gf.NMF(2, n_init=0).fit(counts())
