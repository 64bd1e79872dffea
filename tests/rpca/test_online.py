"""Robust PCA of a stream: recovery, drift, gaps, the same however the rows come."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf


def stream(n, p, k, *, seed=0, drift=0.0, share=0.1, gaps=0.2):
    """Rows of a subspace that turns a little with each row, a share of their entries off by 1."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((p, k)))[0]
    low = np.empty((n, p))
    for row in low:
        basis = np.linalg.qr(basis + drift * rng.standard_normal((p, k)))[0]
        row[:] = basis @ rng.standard_normal(k)
    X = low + np.where(rng.random((n, p)) < share, rng.choice([-1, 1], (n, p)), 0)
    X[rng.random((n, p)) < gaps] = np.nan
    return X, low, basis


def angle(model, basis):
    """Sine of the largest angle between the subspaces."""
    V = model.components_
    return np.linalg.norm(basis - V.T @ (V @ basis), 2)


@pytest.mark.parametrize("n_start", [5, 50])
def test_the_subspace_of_a_stream_with_outliers_and_gaps_is_found(n_start):
    X, low, basis = stream(600, 300, 4)
    model = gf.OnlineRobustPCA(4, n_start=n_start).fit(X)
    assert angle(model, basis) <= 0.005
    assert_allclose(model.low_rank_[-50:], low[-50:], atol=0.02)
    assert_allclose(model.components_ @ model.components_.T, np.eye(4), atol=1e-12)
    outlying = np.abs(X[-50:] - low[-50:]) > 0.5
    assert_array_equal(model.sparse_[-50:][outlying] != 0, True)
    assert np.mean(model.sparse_[-50:][~outlying] != 0) <= 0.05


def test_a_drifting_subspace_is_followed_where_one_fit_to_all_rows_cannot():
    X, _, basis = stream(300, 400, 4, drift=0.003)
    model = gf.OnlineRobustPCA(4, forgetting=0.9).fit(X)
    batch = gf.RobustPCA(max_rank=4, tol=1e-4).fit(X)
    assert angle(model, basis) <= 0.5 * angle(batch, basis)
    assert angle(model, basis) <= 0.5 * angle(gf.OnlineRobustPCA(4, forgetting=1.0).fit(X), basis)


def test_a_lasting_change_of_a_few_columns_is_learned():
    X, _, _ = stream(500, 200, 2, gaps=0)
    X[100:, :5] += 3
    model = gf.OnlineRobustPCA(3, threshold="auto").fit(X)
    assert_allclose(np.median(model.sparse_[-20:, :5], axis=0), 0, atol=1e-12)
    assert np.median(np.abs(model.sparse_[101:104, :5])) > 2


def test_the_background_of_a_video_is_told_from_what_moves():
    frames, background, moving = gf.datasets.make_video(150, (36, 48), noise=0.01, random_state=0)
    X, B, M = (a.reshape(150, -1) for a in (frames, background, moving))
    model = gf.OnlineRobustPCA(3).fit(X)
    assert np.sqrt(np.mean((model.low_rank_ - B)[50:] ** 2)) <= 0.02
    M = M & ~np.isnan(X)
    found = model.sparse_ != 0
    assert np.sum(found & M) >= 0.95 * np.sum(M)
    assert np.sum(found & M) >= 0.9 * np.sum(found)


def test_the_rows_may_come_in_calls_of_any_size():
    X, _, _ = stream(120, 80, 3)
    whole, low = gf.OnlineRobustPCA(3, n_start=40).fit(X), []
    model = gf.OnlineRobustPCA(3, n_start=40)
    for some in np.split(X, [40, 41, 60, 99]):
        low.append(model.partial_fit(some).low_rank_)
    assert_array_equal(model.components_, whole.components_)
    assert_array_equal(np.vstack(low), whole.low_rank_)
    assert model.n_samples_seen_ == 120


def test_results_are_the_same_bits_for_any_number_of_threads(dtype):
    X = stream(60, 3000, 4)[0].astype(dtype)
    models = [gf.OnlineRobustPCA(4, n_threads=n).fit(X) for n in (1, 2, 5)]
    for model in models[1:]:
        for name in ("components_", "low_rank_", "sparse_", "singular_values_"):
            assert_array_equal(getattr(model, name), getattr(models[0], name))
        assert_array_equal(model.transform(X[:5]), models[0].transform(X[:5]))
    assert models[0].components_.dtype == models[0].low_rank_.dtype == models[0].transform(X).dtype == dtype


def test_transform_codes_rows_robustly_and_learns_nothing():
    X, low, _ = stream(400, 200, 3, gaps=0.1)
    model = gf.OnlineRobustPCA(3).fit(X)
    before = model.components_.copy()
    X[-1] = np.nan
    codes = model.transform(X[-30:])
    assert_allclose(model.inverse_transform(codes)[:-1], low[-30:-1], atol=0.02)
    assert_array_equal(codes[-1], 0)
    assert_array_equal(model.components_, before)
    seen = ~np.isnan(X[-30:])
    by_mask = model.transform(np.where(seen, X[-30:], np.inf), mask=seen)
    assert_array_equal(by_mask, codes)


def test_rows_of_nothing_and_of_zeros_change_nothing():
    X, _, _ = stream(100, 50, 2)
    model = gf.OnlineRobustPCA(2).fit(X)
    before = model.components_.copy()
    model.partial_fit(np.vstack([np.full(50, np.nan), np.zeros(50)]))
    assert_array_equal(model.components_, before)
    assert_array_equal(model.low_rank_, 0)
    later = gf.OnlineRobustPCA(2).partial_fit(np.zeros((3, 50))).partial_fit(X)
    assert angle(later, gf.OnlineRobustPCA(2).fit(X).components_.T) <= 0.1


@parametrize_with_checks([gf.OnlineRobustPCA(2), gf.OnlineRobustPCA(2, threshold=0.5)])
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_components": 0}, "n_components"), ({"n_start": 0}, "n_start"), ({"n_threads": 0}, "n_threads"),
        ({"forgetting": 0.0}, "forgetting must be above 0"), ({"forgetting": 1.5}, "forgetting"),
        ({"threshold": 0.0}, "threshold must be above 0"), ({"threshold": "x"}, "threshold must be 'auto'"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_parameter_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        gf.OnlineRobustPCA(**options).fit(np.ones((6, 4)))


def test_an_error_leaves_the_model_as_it_was():
    X, _, _ = stream(80, 40, 2)
    model = gf.OnlineRobustPCA(2).fit(X)
    low = model.low_rank_.copy()
    with pytest.raises(ValueError, match="infinity"):
        model.partial_fit(np.full((1, 40), np.inf))
    with pytest.raises(ValueError, match="39 features"):
        model.partial_fit(np.ones((1, 39)))
    assert_array_equal(model.low_rank_, low)
    assert model.n_samples_seen_ == 80


def test_frames_that_come_one_at_a_time_start_as_those_that_come_together(dtype):
    frames, background, _ = gf.datasets.make_video(60, (12, 16), random_state=0)
    X, truth = frames.reshape(60, -1).astype(dtype), background.reshape(60, -1)
    together = gf.OnlineRobustPCA(3, n_start=30).partial_fit(X)
    single = gf.OnlineRobustPCA(3, n_start=30)
    for i, frame in enumerate(X):
        single.partial_fit(frame[None])
        assert np.isfinite(single.low_rank_).all()
        if i in (0, 5, 29):  # what is told so far is told from the frames so far
            assert np.abs(single.low_rank_[0] - truth[i]).mean() < 0.1 * truth[i].mean()
    assert_array_equal(single.low_rank_[0], together.low_rank_[-1])
    assert_array_equal(single.components_, together.components_)
    assert single.n_samples_seen_ == 60


@pytest.mark.parametrize("sizes", [(7, 1, 20, 32), (29, 1, 30), (31, 29), (1, 59)], ids=str)
def test_the_start_does_not_depend_on_the_calls_it_comes_in(sizes):
    X = np.random.default_rng(0).standard_normal((60, 2)) @ np.random.default_rng(1).standard_normal((2, 20))
    X[::7, 3] += 9
    expected, parts = gf.OnlineRobustPCA(2, n_start=30).partial_fit(X), np.split(X, np.cumsum(sizes)[:-1])
    model = gf.OnlineRobustPCA(2, n_start=30)
    for part in parts:
        model.partial_fit(part)
    assert_array_equal(model.components_, expected.components_)
    assert_array_equal(model.low_rank_, expected.low_rank_[-len(parts[-1]) :])


def test_rows_of_another_dtype_are_taken_and_another_dimension_is_refused():
    X = np.random.default_rng(0).standard_normal((40, 6))
    model = gf.OnlineRobustPCA(2, n_start=10).partial_fit(X[:20].astype(np.float32))
    assert model.partial_fit(X[20:]).components_.dtype == np.float64
    assert model.partial_fit(X[:5].astype(np.float32)).low_rank_.dtype == np.float64
    with pytest.raises(ValueError, match=r"n_components=3 .* call fit to begin anew"):
        model.set_params(n_components=3).partial_fit(X)


def test_rows_are_split_alike_at_any_scale_or_refused(dtype):
    X = stream(60, 30, 2)[0].astype(dtype)
    expected = gf.OnlineRobustPCA(2, n_start=20).fit(X)
    for exponent in (-30, 30) if dtype == np.float32 else (-400, 400):
        found = gf.OnlineRobustPCA(2, n_start=20).fit(np.ldexp(X, exponent))
        assert_array_equal(np.ldexp(found.low_rank_, -exponent), expected.low_rank_)
        assert_array_equal(found.components_, expected.components_)
    far = 100 if dtype == np.float32 else 900
    for exponent, word in ((far, "large"), (-far, "small")):
        with pytest.raises(ValueError, match=f"X is too {word}"):
            gf.OnlineRobustPCA(2).fit(np.ldexp(X, exponent))
