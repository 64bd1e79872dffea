"""What a fit gives back is the best that it reached; histories of monotone algorithms are monotone."""

import warnings

import numpy as np
import pytest
from sklearn.decomposition._nmf import _beta_divergence

import gramfold as gf


def small_fits(count, masked):
    """Random problems of one or few columns with as many components and more, and their options."""
    rng = np.random.default_rng(0)
    for seed in range(count):
        n, m, k = (int(v) for v in (rng.integers(1, 13), rng.integers(1, 5), rng.integers(1, 8)))
        shape = (n, m) if rng.random() < 0.7 else (m, n)
        X = rng.random(shape) if rng.random() < 0.7 else np.round(4 * rng.random(shape))
        X = X.astype([np.float32, np.float64][seed % 2])
        options = {"alpha_W": float(rng.choice([0, 0, 0.01])), "l1_ratio": float(rng.choice([0, 0.5, 1]))}
        weights = (rng.random(shape) > 0.3) * (rng.random(shape) if rng.random() < 0.5 else 1.0)
        signs = [(True, True), (False, True), (True, False), (False, False)][rng.integers(4)]
        if masked and weights.any():
            options |= {"missing": "mask", "W_nonneg": signs[0], "H_nonneg": signs[1]}
        yield X, k, weights, options | {"init": "random", "random_state": seed, "max_iter": 60, "tol": 0}


@pytest.mark.filterwarnings("ignore:.*did not converge")
def test_masked_objectives_of_small_problems_never_rise_not_even_by_rounding():
    for X, k, weights, options in small_fits(250, masked=True):
        if "missing" in options:
            history = gf.NMF(k, **options).fit(X, mask=weights).history_["objective"]
            assert np.all(np.diff(history) <= 0)


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize(
    "loss", [{}, {"beta_loss": 1}, {"solver": "mu"}, {"solver": "mu", "beta_loss": 1}], ids=str
)
def test_histories_of_small_problems_never_rise_nor_fall_below_0(loss):
    for X, k, _, options in small_fits(120, masked=False):
        model = gf.NMF(k, **options | loss).fit(X)
        history = model.history_["objective"]
        assert np.all(np.diff(history) <= 0)
        assert history.min() >= 0
        assert np.isfinite(model.transform(X)).all()


def relative_error(model, X):
    return np.linalg.norm(X - model.transform(X) @ model.components_) / np.linalg.norm(X)


@pytest.mark.parametrize("loss", ["kullback-leibler", "frobenius"])
@pytest.mark.parametrize("n", [12, 60])
def test_small_batches_do_not_stop_before_a_round_brings_nothing(loss, n):
    rng = np.random.default_rng(1)
    X = rng.random((n, 3)) @ rng.random((3, 10))
    errors = []
    for seed in range(3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = gf.MiniBatchNMF(3, beta_loss=loss, batch_size=3, random_state=seed, forget_factor=0.3)
            model.fit(X)
        assert model.n_steps_ > 2 * -(-n // 3)
        errors.append(relative_error(model, X))
    assert max(errors) < 0.1


@pytest.mark.parametrize("alpha", [0.0, 0.01])
@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler", "itakura-saito"])
def test_batches_of_zeros_first_do_not_leave_the_components_at_zero(loss, alpha, dtype):
    rng = np.random.default_rng(0)
    X = (rng.random((20, 3)) @ rng.random((3, 8)) + 0.01).astype(dtype)
    model = gf.MiniBatchNMF(3, beta_loss=loss, alpha_W=alpha, random_state=0)
    model.partial_fit(np.zeros((20, 8), dtype)).partial_fit(np.zeros((5, 8), dtype))
    for _ in range(30):
        model.partial_fit(X)
    assert relative_error(model, X) < 0.15
    assert model.components_.dtype == dtype


def test_later_batches_take_the_type_of_the_first():
    X = np.random.default_rng(0).random((20, 8))
    for first, later in ((np.float64, np.float32), (np.float32, np.float64)):
        for loss in ("frobenius", "kullback-leibler"):
            model = gf.MiniBatchNMF(3, beta_loss=loss, random_state=0).partial_fit(X.astype(first))
            model.partial_fit(X.astype(later))
            assert model.components_.dtype == first


def test_partial_fit_names_what_has_changed_and_leaves_the_model():
    X = np.random.default_rng(0).random((20, 8))
    model = gf.MiniBatchNMF(3, random_state=0).partial_fit(X)
    before = model.components_.copy()
    for change in ({"n_components": 5}, {"beta_loss": "kullback-leibler"}):
        with pytest.raises(ValueError, match=f"{next(iter(change))}=.*begin anew"):
            gf.MiniBatchNMF(3, random_state=0).partial_fit(X).set_params(**change).partial_fit(X)
    with pytest.raises(ValueError, match="X has 7 features"):
        model.partial_fit(X[:, :7])
    with pytest.raises(ValueError, match="tol"):
        model.set_params(tol=-1).partial_fit(X)
    np.testing.assert_array_equal(model.components_, before)


@pytest.mark.parametrize("loss", ["frobenius", "kullback-leibler", "itakura-saito"])
def test_the_score_is_minus_the_loss_per_row(loss):
    X = np.random.default_rng(0).random((20, 8)) + 0.1
    model = gf.NMF(3, solver="mu", beta_loss=loss, init="random", random_state=0, max_iter=50, tol=0)
    model.fit(X)
    expected = -_beta_divergence(X, model.transform(X), model.components_, loss) / 20
    assert model.score(X) == pytest.approx(expected, rel=1e-9)
