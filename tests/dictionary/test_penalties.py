"""Penalties on the atoms of a dictionary."""

import numpy as np
import pytest
from dictionary.cases import learn, planted, rows_of, total
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf
from gramfold._core import reference
from gramfold.dictionary.online import SWEEPS

PENALTIES = [
    {"dict_l1": 3.0}, {"dict_l2": 20.0}, {"dict_l1": 3.0, "dict_l2": 20.0, "positive_dict": True},
    {"dict_l2": 20.0, "unit_ball": False}, {"dict_l1": 3.0, "unit_ball": False},
]  # fmt: skip


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
def test_the_objective_has_the_penalties_on_the_atoms_and_never_rises(penalty):
    X, _ = planted(400)
    model = learn(X, "cd", **penalty)
    assert np.all(np.diff(model.error_) <= 1e-10 * model.error_[:-1])
    before = learn(X, "cd", **penalty, max_iter=14)
    Z = gf.sparse_encode(X, before.components_, alpha=0.3)
    l1, l2 = penalty.get("dict_l1", 0.0), penalty.get("dict_l2", 0.0)
    assert_allclose(model.error_[-1], total(X, Z, model.components_, l1=l1, l2=l2), rtol=1e-9)
    longest = np.linalg.norm(model.components_, axis=1).max()
    assert longest <= 1 + 1e-12 or not penalty.get("unit_ball", True)


def test_l1_on_the_atoms_makes_them_sparse_and_l2_makes_them_short():
    X, _ = planted(400)
    plain, l1, l2 = (learn(X, "cd", **p).components_ for p in ({}, {"dict_l1": 30.0}, {"dict_l2": 60.0}))
    assert np.mean(plain == 0) == 0
    assert np.mean(l1 == 0) > 0.1
    assert np.mean(l2 == 0) == 0
    assert np.linalg.norm(l2) < 0.96 * np.linalg.norm(plain)


def test_atoms_that_a_penalty_leaves_unused_become_zero():
    X, _ = planted(200)
    model = learn(X, "cd", dict_l1=1e5)
    assert_array_equal(model.components_, 0)
    assert_allclose(model.error_[-1], 0.5 * np.sum(X**2), rtol=1e-12)


def test_one_batch_of_all_rows_has_the_penalties_divided_by_their_number():
    X, _ = planted(2000)
    start = rows_of(X, 12)
    model = gf.MiniBatchDictionaryLearning(12, alpha=0.3, dict_init=start, dict_l1=0.03, dict_l2=0.1)
    Z = gf.sparse_encode(X, start, alpha=0.3)
    expected = start.copy()
    reference.update_atoms(
        atoms=expected,
        gram=Z.T @ Z,
        products=Z.T @ X,
        l1=60.0,
        l2=200.0,
        nonneg=False,
        ball=True,
        unused=0.0,
        sweeps=SWEEPS,
    )
    assert_allclose(model.partial_fit(X).components_, expected, atol=1e-8)


def test_mini_batches_keep_the_weight_of_the_penalties():
    X, _ = planted(2000)
    start = rows_of(X, 12)
    whole = learn(X, "cd", dict_init=start, dict_l1=60.0, dict_l2=200.0, max_iter=60)
    batches = gf.MiniBatchDictionaryLearning(
        12, alpha=0.3, dict_init=start, dict_l1=0.03, dict_l2=0.1, max_iter=40, tol=0,
        max_no_improvement=None, random_state=0,
    ).fit(X)  # fmt: skip

    def objective(D):
        return total(X, gf.sparse_encode(X, D, alpha=0.3), D, l1=60.0, l2=200.0)

    assert objective(batches.components_) <= 1.02 * objective(whole.components_)
