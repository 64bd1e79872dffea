"""What the pictures hold: pixels of the mosaic, data of the lines."""

import io

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from gramfold.plot import atoms, convergence

pytest.importorskip("matplotlib")
from matplotlib import pyplot
from matplotlib.figure import Figure


@pytest.fixture
def ax():
    return Figure().subplots()


def picture(ax):
    (image,) = ax.images
    return image.get_array()


def history(*objective, seconds=None):
    objective = np.array(objective, float)
    seconds = np.arange(len(objective)) / 10 if seconds is None else seconds
    return {"objective": objective, "kkt": objective / 100, "seconds": seconds}


def test_the_mosaic_holds_every_atom_at_its_own_scale(ax):
    components = np.random.default_rng(0).random((5, 12)) * [[1], [10], [0.1], [3], [1e-8]]
    assert atoms(components, (3, 4), ax=ax, columns=2) is ax
    grid = picture(ax)
    assert grid.shape == (3 * 4 - 1, 2 * 5 - 1)
    for number, atom in enumerate(components):
        top, left = number // 2 * 4, number % 2 * 5
        cell = grid[top : top + 3, left : left + 4]
        assert_allclose(cell, atom.reshape(3, 4) / atom.max(), rtol=1e-15)
    gaps = np.ma.getmaskarray(grid)
    assert gaps[3].all()
    assert gaps[:, 4].all()
    assert gaps[8:, 5:].all()
    assert gaps.sum() == grid.size - components.size


def test_nonnegative_atoms_are_grey_and_signed_ones_diverge_about_zero(ax):
    atoms(np.eye(4), (2, 2), ax=ax)
    assert ax.images[0].get_cmap().name == "gray"
    assert ax.images[0].get_clim() == (0, 1)
    signed = Figure().subplots()
    atoms(np.eye(4) - 0.5, (2, 2), ax=signed)
    assert ax.images[0].get_cmap().name != signed.images[0].get_cmap().name
    assert signed.images[0].get_clim() == (-1, 1)
    assert signed.images[0].get_cmap()(0.5)[:3] == pytest.approx([0.97] * 3, abs=0.01)


def test_an_atom_of_zeros_is_black_and_no_warning(ax):
    atoms(np.zeros((1, 4)), (2, 2), ax=ax)
    assert_array_equal(picture(ax), np.zeros((2, 2)))


def test_colour_atoms_are_drawn_in_colour(ax):
    components = np.random.default_rng(0).random((2, 12))
    atoms(components, (2, 2, 3), ax=ax, columns=2)
    assert picture(ax).shape == (2, 5, 3)
    assert_allclose(picture(ax)[:, 3:].ravel(), components[1] / components[1].max(), rtol=1e-15)
    signed = Figure().subplots()
    atoms(-components, (2, 2, 3), ax=signed, columns=2)
    assert picture(signed).min() == 0
    assert picture(signed)[:, :2].max() < 0.5


def test_the_default_grid_is_about_square(ax):
    atoms(np.ones((256, 64)), (8, 8), ax=ax)
    assert picture(ax).shape == (16 * 9 - 1, 16 * 9 - 1)
    wide = Figure().subplots()
    atoms(np.ones((16, 64)), (4, 16), ax=wide)
    assert picture(wide).shape == (8 * 5 - 1, 2 * 17 - 1)


def test_the_gap_is_relative_to_the_best_and_stops_before_the_end(ax):
    run = history(*(2.0 + 0.5 ** np.arange(20)))
    assert convergence(run, ax=ax) is ax
    gap, kkt = ax.lines
    assert_array_equal(gap.get_xdata(), np.arange(1, 21))
    best = run["objective"][-1]
    assert_allclose(gap.get_ydata()[:18], run["objective"][:18] / best - 1, rtol=1e-9)
    assert np.isnan(gap.get_ydata()[18:]).all()
    assert_array_equal(kkt.get_ydata(), run["kkt"])
    assert gap.get_linewidth() > kkt.get_linewidth()
    assert ax.get_yscale() == "log"
    assert ax.get_xlabel() == "iteration"
    assert ax.get_legend() is None


def test_overlaid_runs_share_the_best_value_and_have_a_legend(ax):
    runs = {"hals": history(9, 4, 2), "mu": history(9, 8, 6, 5)}
    convergence(runs, ax=ax, against="seconds")
    assert_array_equal(ax.lines[0].get_xdata(), runs["hals"]["seconds"])
    assert_allclose(ax.lines[2].get_ydata(), [3.5, 3, 2, 1.5], rtol=1e-15)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["hals", "mu"]
    assert ax.get_xlabel() == "time (s)"
    named = convergence(runs, ax=Figure().subplots(), labels=["a", "b"])
    assert [text.get_text() for text in named.get_legend().get_texts()] == ["a", "b"]


@pytest.mark.parametrize("objective", [(1.0,), (3.0, 1.0, 0.0), (2.0, 2.0, 2.0), (-1.0, -3.0)])
def test_edges_of_a_logarithmic_axis_draw_without_a_warning(ax, objective):
    convergence(history(*objective), ax=ax)
    ax.figure.savefig(io.BytesIO())


def test_a_given_axes_leaves_pyplot_alone_and_none_makes_a_figure(ax):
    pyplot.switch_backend("Agg")
    before = pyplot.get_fignums()
    atoms(np.eye(4), (2, 2), ax=ax)
    convergence(history(2, 1), ax=ax)
    assert pyplot.get_fignums() == before
    made = [atoms(np.eye(4), (2, 2)), convergence(history(2, 1))]
    assert len(pyplot.get_fignums()) == len(before) + 2
    for one in made:
        pyplot.close(one.figure)


def test_inputs_are_left_alone(ax):
    components, run = np.full((2, 4), 5.0), history(3, 2, 1)
    atoms(components, (2, 2), ax=ax)
    convergence(run, ax=Figure().subplots())
    assert_array_equal(components, 5)
    assert_array_equal(run["objective"], [3, 2, 1])


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((np.eye(4), (2, 3)), {}, r"components of shape \(4, 4\) are not rows of images \(2, 3\)"),
        ((np.ones(4), (2, 2)), {}, r"components of shape \(4,\)"),
        ((np.eye(4), (2, 1, 2)), {}, r"shape must be \(height, width\)"),
        ((np.full((1, 4), np.nan), (2, 2)), {}, "components hold NaN"),
        ((-np.eye(4), (2, 2)), {"signed": False}, "negative values, but signed=False"),
        ((np.eye(4), (2, 2)), {"columns": 0}, "columns must be at least 1"),
    ],
)
def test_atoms_names_the_bad_argument(ax, arguments, options, message):
    with pytest.raises(ValueError, match=message):
        atoms(*arguments, ax=ax, **options)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ({}, {}, "history is empty"),
        ({"objective": [1.0]}, {}, "history lacks kkt, seconds"),
        ({"a": {"kkt": [1.0]}}, {}, r"history\['a'\] lacks objective, seconds"),
        (history(1, 2) | {"kkt": [1.0]}, {}, "1-D arrays of one length"),
        (history(), {}, "1-D arrays of one length, at least 1"),
        (history(1), {"against": "epoch"}, "against must be one of 'iteration', 'seconds'"),
        (history(1), {"labels": ["a", "b"]}, "labels must be 1 different names"),
    ],
)
def test_convergence_names_the_bad_argument(ax, given, options, message):
    with pytest.raises(ValueError, match=message):
        convergence(given, ax=ax, **options)
