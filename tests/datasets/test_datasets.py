"""Planted factors, sparse counts, the photographs that need no network, and a newspaper's counts."""

import socket

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.decomposition import NMF

from gramfold.datasets import faces, image_patches, make_counts, make_nmf, times_deaths


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_noiseless_x_is_the_product_of_its_nonnegative_factors(dtype):
    X, W, H = make_nmf(30, 20, 4, density=0.5, dtype=dtype, random_state=0)
    assert X.dtype == W.dtype == H.dtype == dtype
    assert X.flags.c_contiguous
    assert W.flags.c_contiguous
    assert H.flags.c_contiguous
    assert min(X.min(), W.min(), H.min()) == 0
    assert_array_equal(X, W @ H)


def test_density_is_the_share_of_entries_and_no_component_is_empty():
    _, W, H = make_nmf(2000, 1000, 5, density=0.2, random_state=0)
    # Five standard deviations of the share of 10,000 and 5,000 entries.
    assert abs(np.mean(W > 0) - 0.2) < 5 * np.sqrt(0.16 / W.size)
    assert abs(np.mean(H > 0) - 0.2) < 5 * np.sqrt(0.16 / H.size)
    _, W, H = make_nmf(10, 10, 8, density=1e-6, random_state=0)
    assert (W.max(axis=0) > 0).all()
    assert (H.max(axis=1) > 0).all()


def test_noise_is_a_fraction_of_the_signal_and_x_stays_nonnegative():
    X, W, H = make_nmf(200, 300, 4, noise=0.05, random_state=0)
    signal = W @ H
    assert X.min() >= 0
    relative = np.linalg.norm(X - signal) / np.linalg.norm(signal)
    # 60,000 draws: within 5 / sqrt(2 * 60,000) = 1.5% of 0.05, less what the clipping took.
    assert 0.04 < relative < 0.051


def test_separable_plants_the_identity_in_both_factors():
    _, W, H = make_nmf(12, 9, 3, separable=True, random_state=0)
    for unit in np.eye(3):
        assert (unit == W).all(axis=1).sum() == 1
        assert (unit[:, None] == H).all(axis=0).sum() == 1


def test_a_fit_finds_the_factors_of_a_separable_x():
    X, _, H = make_nmf(40, 20, 3, density=0.5, separable=True, random_state=0)
    model = NMF(3, init="nndsvda", random_state=0, tol=1e-9, max_iter=5000).fit(X)
    found = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    planted = H / np.linalg.norm(H, axis=1, keepdims=True)
    cosine = found @ planted.T
    assert_allclose(cosine.max(axis=0), 1, atol=1e-6)


def test_counts_have_the_asked_number_of_entries_in_every_row():
    X, W, H = make_counts(500, 400, 6, row_nnz=5, random_state=0)
    assert X.format == "csr"
    assert X.has_canonical_format
    assert X.indices.dtype == np.int32
    assert_array_equal(np.diff(X.indptr), 5)
    assert X.data.min() == 1
    assert X.data.max() > 1
    assert_array_equal(X.data, np.round(X.data))
    assert_allclose(W.sum(axis=1), 1, rtol=1e-14)
    assert_allclose(H.sum(axis=1), 1, rtol=1e-14)
    assert (W.shape, H.shape) == ((500, 6), (6, 400))


def test_single_draws_follow_the_mixture_of_topics():
    n_samples = 20_000
    X, W, H = make_counts(n_samples, 30, 3, row_nnz=1, random_state=0)
    # With one entry a row, each row is one draw: the column sums are a sum of Bernoulli draws.
    expected = W.sum(axis=0) @ H
    assert_allclose(X.sum(axis=0), expected, atol=5 * np.sqrt(expected.max()))
    # Rows of one dominant topic follow that topic, not the average.
    dominant = W[:, 0] > 0.99
    share = X[dominant].sum(axis=0) / dominant.sum()
    assert_allclose(share, H[0], atol=5 * 0.5 / np.sqrt(dominant.sum()) + 0.01)


def test_column_popularity_follows_the_exponent():
    X, _, _ = make_counts(20_000, 2000, 50, exponent=1.1, random_state=0)
    totals = np.sort(X.sum(axis=0))[::-1][:500]
    slope = np.polyfit(np.log(np.arange(1, 501)), np.log(totals), 1)[0]
    assert -1.4 < slope < -0.8
    flat, _, _ = make_counts(20_000, 2000, 50, exponent=0.0, random_state=0)
    assert flat.sum(axis=0).max() < 0.1 * totals[0]


@pytest.mark.parametrize("make", [make_nmf, make_counts])
def test_the_seed_decides(make):
    first, again, other = (make(30, 25, 3, random_state=seed)[0] for seed in (0, 0, 1))
    assert abs(first - again).max() == 0
    assert abs(first - other).max() > 0
    rng = np.random.RandomState(0)
    assert abs(make(30, 25, 3, random_state=rng)[0] - make(30, 25, 3, random_state=rng)[0]).max()


@pytest.mark.parametrize(
    ("make", "arguments", "options", "message"),
    [
        (make_nmf, (0, 5, 2), {}, "n_samples must be at least 1 and whole, got 0"),
        (make_nmf, (5, 5, 2.0), {}, "n_components must be at least 1 and whole, got 2.0"),
        (make_nmf, (5, 5, 2), {"density": 0.0}, "density must be above 0"),
        (make_nmf, (5, 5, 2), {"density": 1.5}, r"density must be finite and in \[0, 1\], got 1.5"),
        (make_nmf, (5, 5, 2), {"noise": -1.0}, "noise must be finite"),
        (make_nmf, (5, 5, 2), {"noise": np.inf}, "noise must be finite"),
        (make_nmf, (5, 5, 2), {"dtype": np.int64}, "dtype must be float32 or float64, got int64"),
        (make_nmf, (5, 9, 6), {"separable": True}, "separable needs n_components <= n_samples"),
        (make_counts, (5, 5, 2), {"row_nnz": 6}, "row_nnz must be at most n_features, got 6 > 5"),
        (make_counts, (5, 90, 2), {"exponent": np.nan}, "exponent must be finite"),
        (make_counts, (5, 20, 2), {"row_nnz": 20, "exponent": 5.0}, "hardly ever come up"),
    ],
)
def test_bad_arguments_are_named(make, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments, random_state=0, **options)


class TestPhotographs:
    @pytest.fixture(autouse=True)
    def no_network(self, monkeypatch):
        pytest.importorskip("skimage")

        def refuse(*arguments, **options):
            raise AssertionError("this opened a socket")

        monkeypatch.setattr(socket, "socket", refuse)
        # Without this, scikit-image skips the running test where a file is missing.
        monkeypatch.delenv("PYTEST_CURRENT_TEST")

    def test_a_draw_has_its_shape_dtype_and_range(self):
        patches = image_patches((6, 4), n_patches=5000, random_state=0)
        assert patches.shape == (5000, 24)
        assert patches.dtype == np.float32
        assert patches.flags.c_contiguous
        assert 0 <= patches.min() < 0.05
        assert 0.95 < patches.max() <= 1
        assert_array_equal(patches, image_patches((6, 4), n_patches=5000, random_state=0))

    def test_all_patches_come_without_a_number(self):
        patches = image_patches((16, 16), stride=16, dtype=np.float64)
        assert patches.dtype == np.float64
        # Six photographs of 512 x 512; 300 x 451, 400 x 600, 303 x 384, 427 x 640.
        assert len(patches) == 6 * 32**2 + 19 * 29 + 25 * 38 + 19 * 24 + 27 * 40

    def test_centered_patches_have_mean_zero(self):
        patches = image_patches(n_patches=500, center=True, dtype=np.float64, random_state=0)
        assert_allclose(patches.mean(axis=1), 0, atol=1e-15)
        assert patches.min() < 0

    def test_more_patches_than_there_are_is_an_error(self):
        with pytest.raises(ValueError, match=r"n_patches=99999, but there are only \d+"):
            image_patches((64, 64), stride=64, n_patches=99999)

    def test_a_hundred_faces_in_rows(self):
        images = faces()
        assert images.shape == (100, 625)
        assert images.min() >= 0
        assert images.max() <= 1
        # Faces are aligned and alike: the mean face says much of each. Background cuts are not.
        mean = images.mean(axis=0) - images.mean()
        likeness = [np.corrcoef(face, mean)[0, 1] for face in images]
        assert np.median(likeness) > 0.5


def test_the_deaths_in_the_times_have_the_published_mean():
    deaths, days = times_deaths()
    assert deaths.shape == (10, 1)
    assert days.sum() == 1096
    assert round(days @ deaths[:, 0] / 1096, 6) == 2.156934
