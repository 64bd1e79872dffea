"""What the pictures of convex problems hold: solved problems, and the errors they state."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold.plot import basis_comparison, penalty_contours

pytest.importorskip("matplotlib")
pytest.importorskip("pywt")
from matplotlib import pyplot
from matplotlib.figure import Figure


def lines(ax):
    """The path, the minimum and the marked solution."""
    path, minimum, marked = ax.lines[-3:]
    return np.array(path.get_data()).T, np.ravel(minimum.get_data()), np.ravel(marked.get_data())


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 2))
    return X, X @ [1.5, -0.7] + 0.1 * rng.standard_normal(20)


@pytest.mark.parametrize("given", [True, False])
def test_the_paths_are_solutions_from_the_minimum_of_the_loss_to_0(data, given):
    X, y = data if given else (np.array([[1.0, 0.4], [0.0, 0.8], [0.0, 0.0]]), np.array([1.4, 0.4, 0.3]))
    axes = penalty_contours(*(data if given else ()), axes=Figure().subplots(1, 2))
    least = np.linalg.lstsq(X, y, rcond=None)[0]
    for ax, order in zip(axes, (1, 2), strict=True):
        path, minimum, marked = lines(ax)
        assert_allclose(minimum, least, atol=1e-9)
        assert_allclose(path[0], least, atol=1e-9)
        assert_allclose(path[-1], 0, atol=1e-3 * np.abs(least).max())
        size = np.linalg.norm(marked, ord=order)
        assert size == pytest.approx(0.5 * np.linalg.norm(least, ord=order), rel=1e-3)
        # Nothing of that size has a smaller loss: the contour touches the ball.
        angle = np.linspace(0, 2 * np.pi, 2001)
        ball = np.stack([np.cos(angle), np.sin(angle)])
        ball *= size / np.linalg.norm(ball, ord=order, axis=0)
        loss = 0.5 * np.sum((X @ ball - y[:, None]) ** 2, axis=0)
        assert 0.5 * np.sum((X @ marked - y) ** 2) <= loss.min() * (1 + 1e-3)


def test_the_default_l1_solution_is_at_a_corner_and_the_l2_one_is_not():
    axes = penalty_contours(axes=Figure().subplots(1, 2))
    assert lines(axes[0])[2][1] == 0
    assert np.abs(lines(axes[1])[2]).min() > 0.1


def test_the_comparison_draws_the_signal_and_its_k_largest_coefficients():
    x = np.random.default_rng(0).standard_normal(50).cumsum()
    axes = basis_comparison(x, n_nonzero=7, bases=("dct", "haar"), axes=Figure().subplots(1, 2))
    for ax, name in zip(axes[0], ("dct", "haar"), strict=True):
        signal, kept = (line.get_ydata() for line in ax.lines)
        assert_array_equal(signal, x)
        basis = gf.OrthoBasis(name, 50)
        assert_allclose(kept, basis.synthesize(basis.encode(x, n_nonzero=7)), rtol=1e-12)
        error = np.linalg.norm(x - kept) / np.linalg.norm(x)
        assert ax.get_title() == f"{name}, 7 of 50: error {100 * error:.2g}%"


def test_cosines_win_on_the_smooth_signal_and_wavelets_on_the_spiky_one():
    axes = basis_comparison(axes=Figure().subplots(2, 4))
    errors = [[float(ax.get_title().rstrip("%").split()[-1]) for ax in line] for line in axes]
    assert np.argmin(errors[0]) == 0
    assert np.argmin(errors[1]) == 2
    assert [line[0].get_ylabel() for line in axes] == ["smooth", "spiky"]


def test_given_axes_leave_pyplot_alone_and_none_makes_a_figure():
    pyplot.switch_backend("Agg")
    before = pyplot.get_fignums()
    penalty_contours(axes=Figure().subplots(1, 2))
    assert pyplot.get_fignums() == before
    for made in (penalty_contours(), basis_comparison()):
        pyplot.close(made.ravel()[0].figure)
    assert pyplot.get_fignums() == before


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: penalty_contours(shrink=1.0), "shrink"),
        (lambda: penalty_contours([[1.0, 2.0]]), "together"),
        (lambda: penalty_contours(np.ones((5, 2)), np.ones(5)), "two independent columns"),
        (lambda: penalty_contours(np.eye(2), np.ones(3)), "y must have 2 entries"),
        (lambda: penalty_contours(np.eye(2), np.zeros(2)), "no path"),
        (lambda: penalty_contours(axes=Figure().subplots()), "axes must be 1 x 2"),
        (lambda: basis_comparison(np.eye(3)), "one-dimensional"),
        (lambda: basis_comparison([1.0, np.nan]), "finite"),
        (lambda: basis_comparison(np.ones(8), n_nonzero=0), "n_nonzero"),
        (lambda: basis_comparison(np.ones(8), bases=()), "empty"),
        (lambda: basis_comparison(np.ones(8), bases=("cosine",)), "name must be"),
    ],
)
def test_what_cannot_be_drawn_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
