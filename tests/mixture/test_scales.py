"""Mixtures of data of any scale, anywhere, with any weights: the same numbers as near 1."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import poisson
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf

KINDS = ["full", "tied", "diag", "spherical"]
INITS = ["kmeans", "k-means++", "random", "random_from_data"]
ATTRIBUTES = ["weights_", "means_", "covariances_"]
EVERY_KIND = pytest.mark.parametrize("kind", KINDS)


def fitted(model, X, **data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, **data)


def gaussian(X, kind="full", sample_weight=None, **options):
    options = {"n_components": 2, "random_state": 0, "covariance_type": kind, **options}
    return fitted(gf.GaussianMixture(**options), X, sample_weight=sample_weight)


def blobs(dtype=float, gap=6.0, n=150, d=3):
    rng = np.random.default_rng(0)
    return np.vstack([rng.normal(size=(n, d)), rng.normal(size=(n, d)) + gap]).astype(dtype)


def covariance(X, kind):
    """Of two halves of X, whose rows are those of two components, in long double."""
    halves = X.astype(np.longdouble).reshape(2, -1, X.shape[1])
    y = halves - halves.mean(axis=1, keepdims=True)
    full = np.swapaxes(y, 1, 2) @ y / y.shape[1]
    diagonal = np.diagonal(full, axis1=1, axis2=2)
    return {"full": full, "tied": full.mean(axis=0), "diag": diagonal, "spherical": diagonal.mean(axis=1)}[
        kind
    ]


@EVERY_KIND
@pytest.mark.parametrize(("dtype", "gap"), [(np.float32, 1e4), (float, 1e4), (float, 1e7), (float, 1e8)])
def test_covariances_of_components_far_apart_are_exact(kind, dtype, gap):
    X = blobs(dtype, gap)
    model = gaussian(X, kind, reg_covar=0)
    right = covariance(X, kind)
    found = model.covariances_
    if kind != "tied":
        found = found[np.argsort(model.means_[:, 0])]
    assert_allclose(found, right.astype(float), rtol=0, atol=20 * np.finfo(dtype).eps)


@EVERY_KIND
def test_a_narrow_component_keeps_its_digits_beside_a_far_one(kind, dtype):
    X = blobs(dtype, 0.0)
    X[:150] *= 2**-9
    X[150:] += 2**13
    start = {"means_init": [X[:150].mean(axis=0), X[150:].mean(axis=0)]}
    model = gaussian(X, kind, reg_covar=0, **start)
    assert_allclose(
        model.covariances_,
        covariance(X, kind).astype(float),
        rtol=2e-5 if dtype == np.float32 else 1e-12,
        atol=1e-10,
    )


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_covariances_and_precisions_are_exactly_symmetric(kind, dtype):
    for gap in (1, 1e3):
        model = gaussian(blobs(dtype, gap, d=5), kind)
        for name in ("covariances_", "precisions_"):
            a = getattr(model, name)
            assert_array_equal(a, np.swapaxes(a, -1, -2))


@EVERY_KIND
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("exponent", [-400, -40, 40, 400])
def test_data_times_a_power_of_two_give_the_result_times_it_to_the_bit(kind, init, exponent, dtype):
    if dtype == np.float32 and abs(exponent) > 40:
        exponent //= 7
    X = blobs(dtype)
    options = {"init_params": init, "max_iter": 20}
    near, far = (
        gaussian(X, kind, **options),
        gaussian(np.ldexp(X, exponent), kind, reg_covar=1e-6 * 4.0**exponent, **options),
    )
    assert_array_equal(far.weights_, near.weights_)
    assert_array_equal(far.means_, np.ldexp(near.means_, exponent))
    assert_array_equal(far.covariances_, np.ldexp(near.covariances_, 2 * exponent))
    assert_array_equal(far.predict_proba(np.ldexp(X, exponent)), near.predict_proba(X))
    moved = np.array(near.lower_bounds_) - 3 * exponent * np.log(2)
    assert_allclose(far.lower_bounds_, moved, rtol=1e-13, atol=1e-13 * abs(moved).max())


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_columns_may_have_scales_of_their_own(kind, dtype):
    X, scale = blobs(dtype), np.ldexp(1.0, [-50, 0, 50]).astype(dtype)
    options = {"reg_covar": 0, "init_params": "random", "max_iter": 20}
    near, far = gaussian(X, kind, **options), gaussian(X * scale, kind, **options)
    assert_array_equal(far.means_, near.means_ * scale)
    assert_array_equal(far.predict_proba(X * scale), near.predict_proba(X))


@EVERY_KIND
def test_a_scale_that_cannot_be_given_back_is_refused(kind, dtype):
    model = gf.GaussianMixture(2, covariance_type=kind, reg_covar=0, init_params="random", random_state=0)
    for exponent in (-80, 70) if dtype == np.float32 else (-540, 520):
        with pytest.raises(ValueError, match=r"leaves the range of float.*rescale X"):
            model.fit(np.ldexp(blobs(dtype), exponent))
    assert not hasattr(model, "means_")


@EVERY_KIND
@pytest.mark.parametrize("factor", [1e-300, 1e-12, 1e300])
def test_only_ratios_of_weights_count_for_gaussians(kind, factor, dtype):
    X, weights = blobs(dtype), np.random.default_rng(1).random(300)
    plain, scaled = (gaussian(X, kind, sample_weight=weights * by) for by in (1, factor))
    rtol = 1e-10 if dtype == np.float64 else 1e-5
    for name in ATTRIBUTES:
        assert_allclose(getattr(scaled, name), getattr(plain, name), rtol=rtol, atol=rtol)
    assert_allclose(scaled.lower_bound_, plain.lower_bound_, rtol=rtol)
    score = plain.score(X, sample_weight=weights)
    assert_allclose(plain.score(X, sample_weight=weights * factor), score, rtol=1e-12)


@EVERY_KIND
@pytest.mark.parametrize("tiny", [1e-16, 1e-40, 1e-100])
def test_a_component_of_tiny_weight_has_its_own_mean_and_covariance(kind, tiny, dtype):
    X = blobs(dtype, 40)
    start = {"means_init": [[0.0] * 3, [40.0] * 3]}
    weights = np.repeat([1, tiny], 150)
    model = gaussian(X, kind, sample_weight=weights, reg_covar=0, **start)
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    assert_allclose(model.means_[1], X[150:].mean(axis=0, dtype=float), rtol=tolerance)
    if kind != "tied":
        assert_allclose(model.covariances_[1], covariance(X, kind)[1].astype(float), rtol=0, atol=tolerance)


@EVERY_KIND
@pytest.mark.parametrize("init", INITS)
def test_rows_of_weight_zero_are_as_good_as_absent(kind, init, dtype):
    X = np.vstack([blobs(dtype), 1e9 + 1e7 * blobs(dtype, n=500)])
    weights = np.repeat([1.0, 0.0], [300, 1000])
    start = {"means_init": [[0.0] * 3, [6.0] * 3], "weights_init": [0.5, 0.5]}
    options = {"init_params": init, "tol": 1e-9, "max_iter": 300, **(start if init != "kmeans" else {})}
    model, plain = gaussian(X, kind, sample_weight=weights, **options), gaussian(X[:300], kind, **options)
    order, other = np.argsort(model.means_[:, 0]), np.argsort(plain.means_[:, 0])
    assert_allclose(model.means_[order], plain.means_[other], atol=1e-3)
    assert_allclose(model.lower_bound_, plain.lower_bound_, atol=1e-5)
    with pytest.raises(ValueError, match="n_components = 2, n_samples = 1300, of which 1 have a weight"):
        gf.GaussianMixture(2).fit(X, sample_weight=np.arange(1300) == 7)


@EVERY_KIND
def test_an_impossible_row_of_weight_zero_does_not_make_the_score_nan(kind):
    X = blobs()
    model = gaussian(X, kind)
    far, weights = np.vstack([X, np.full((1, 3), 1e300)]), np.append(np.ones(300), 0)
    assert_allclose(model.score(far, sample_weight=weights), model.score(X), rtol=1e-13)


@EVERY_KIND
@pytest.mark.parametrize("distance", [1e3, 1e5, 1e8, 1e20, 1e35, 1e150, 1e300])
def test_rows_far_from_all_components_have_the_right_posterior(kind, distance, dtype):
    if dtype == np.float32 and distance > 1e35:
        return
    model = gaussian(blobs(dtype), kind)
    rows = np.array([[1, 0.5, 0], [-1, 0, 0.25], [0, -1, 1]], dtype) * dtype(distance)
    wide = np.longdouble
    means, factors = model.means_.astype(wide), model.precisions_cholesky_.astype(wide)
    y = rows.astype(wide)[:, None] - means
    if kind in ("full", "tied"):
        y = np.stack([y[:, t] @ (factors if kind == "tied" else factors[t]) for t in range(2)], axis=1)
    else:
        y = y * (factors[:, None] if kind == "spherical" else factors)
    squares = (y * y).sum(axis=2)
    resp = model.predict_proba(rows)
    assert_allclose(resp.sum(axis=1), 1, rtol=1e-6)
    gap = squares[:, 1] - squares[:, 0]
    clear = np.abs(gap) > 1e3 + 1e-15 * squares.max()  # beyond, long double cannot tell
    assert_array_equal(model.predict(rows)[clear], (gap < 0)[clear])
    assert_allclose(resp[clear, 1], (gap < 0)[clear], atol=1e-6)
    assert_array_equal(resp.argmax(axis=1), model.predict(rows))
    with np.errstate(over="ignore"):
        score = -0.5 * squares.min(axis=1).astype(float)
    assert_allclose(model.score_samples(rows), score, rtol=1e-3)


@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, sp.csr_array])
@pytest.mark.parametrize("rate", [1e1, 1e3, 1e5, 1e6])
def test_posteriors_of_float32_counts_are_those_of_the_formula(form, rate):
    rng = np.random.default_rng(0)
    start = rate * (1 + rng.normal(size=(3, 4)) / np.sqrt(rate) / 2)
    X = rng.poisson(start[rng.integers(3, size=400)]).astype(np.float32)
    options = {"weights_init": [0.3, 0.3, 0.4], "rates_init": start, "max_iter": 5, "tol": 0}
    single, double = (
        fitted(gf.PoissonMixture(3, **options), form(X.astype(t))) for t in (np.float32, np.float64)
    )
    assert_array_equal(single.lower_bounds_, double.lower_bounds_)
    assert_array_equal(single.rates_, double.rates_.astype(np.float32))
    joint = np.log(single.weights_.astype(float)) + poisson.logpmf(
        X.astype(float)[:, None], single.rates_.astype(float)
    ).sum(axis=2)
    score = logsumexp(joint, axis=1)
    assert_allclose(single.score_samples(form(X)), score, atol=1e-6)
    assert_allclose(single.predict_proba(form(X)), np.exp(joint - score[:, None]), atol=1e-6)
    assert_array_equal(single.predict(form(X)), joint.argmax(axis=1))


COUNTS = np.random.default_rng(0).poisson(np.repeat([[3, 9.0], [9, 3]], 150, axis=0)).astype(float)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("factor", [1e-300, 1e-12, 1e300])
def test_only_ratios_of_weights_count_for_poisson_mixtures(form, factor, dtype):
    X, weights = form(COUNTS.astype(dtype)), np.random.default_rng(1).random(300)
    plain, scaled = (
        fitted(gf.PoissonMixture(2, random_state=0), X, sample_weight=weights * by) for by in (1, factor)
    )
    assert_allclose(scaled.rates_, plain.rates_, rtol=1e-6)
    assert_allclose(scaled.lower_bound_, plain.lower_bound_, rtol=1e-10)


def test_a_prior_is_worth_as_much_beside_weights_of_any_size():
    for weight in (1e-3, 1.0, 2.0**40):
        options = {"prior_shape": 3, "prior_rate": 2, "max_iter": 1, "accelerate": False}
        model = fitted(gf.PoissonMixture(1, **options), COUNTS, sample_weight=np.full(300, weight))
        right = (2 + weight * COUNTS.sum(axis=0)) / (2 + weight * 300)
        assert_allclose(model.rates_[0], right, rtol=1e-13)


@pytest.mark.parametrize("scale", [1e-30, 1e30, 1e250])
def test_rates_are_per_unit_of_exposure_however_it_is_measured(scale):
    plain, scaled = (
        fitted(gf.PoissonMixture(2, random_state=0, accelerate=False), COUNTS, exposure=np.full(300, s))
        for s in (1, scale)
    )
    assert_allclose(scaled.rates_ * scale, plain.rates_, rtol=1e-12)
    model = gf.PoissonMixture(2, random_state=0)
    if scale > 1e38:
        with pytest.raises(ValueError, match="rates_ leaves the range of float32: rescale X or exposure"):
            model.fit(COUNTS.astype(np.float32), exposure=np.full(300, scale))


@pytest.mark.parametrize("exponent", [20, 120, 500])
def test_large_counts_are_served_or_refused(exponent):
    plain, large = (
        fitted(gf.PoissonMixture(2, random_state=0, max_iter=300), np.ldexp(COUNTS, e))
        for e in (10, exponent)
    )
    order, other = np.argsort(plain.rates_[:, 0]), np.argsort(large.rates_[:, 0])
    assert_allclose(np.ldexp(large.rates_, 10 - exponent)[other], plain.rates_[order], rtol=1e-2)
    with pytest.raises(ValueError, match="X is too large"):
        gf.PoissonMixture(2).fit(np.ldexp(COUNTS, 1015))
