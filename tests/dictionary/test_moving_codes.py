"""K-SVD and SOUP-DIL: codes that move with their atoms."""

import numpy as np
import pytest
import scipy.sparse as sp
from dictionary.cases import UNIT, found, learn, planted, rows_of
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf


@pytest.mark.parametrize("algorithm", ["ksvd", "soup_l1", "soup_l0"])
@pytest.mark.parametrize("signs", [{}, {"positive_code": True}, {"positive_dict": True}], ids=str)
def test_codes_that_move_with_their_atoms_never_raise_the_objective(algorithm, signs):
    X, _ = planted(400)
    X = np.abs(X) if signs else X
    model = learn(X, algorithm, 6, **signs)
    assert np.all(np.diff(model.error_) <= 1e-10 * model.error_[:-1])
    assert_allclose(np.linalg.norm(model.components_, axis=1), 1, rtol=1e-12)
    assert model.components_.min() >= 0 or "positive_dict" not in signs


@pytest.mark.parametrize("algorithm", UNIT)
def test_the_objective_of_codes_that_move_is_what_its_parts_give(algorithm):
    X, _ = planted(300)
    Z = gf.sparse_encode(X, rows_of(X, 10), algorithm="omp", n_nonzero_coefs=3)
    model = learn(X, algorithm, 10, dict_init=rows_of(X, 10), code_init=Z, max_iter=0)
    assert len(model.error_) == 0
    model = learn(X, algorithm, 10, dict_init=rows_of(X, 10), code_init=Z, max_iter=3)
    Z = model._codes.toarray()
    penalty = {"ksvd": 0, "soup_l1": 0.3 * np.abs(Z).sum(), "soup_l0": 0.5 * np.count_nonzero(Z)}
    expected = 0.5 * np.sum((X - Z @ model.components_) ** 2) + penalty[algorithm]
    assert_allclose(model.error_[-1], expected, rtol=1e-10)


@pytest.mark.parametrize("algorithm", ["ksvd", "soup_l1"])
def test_a_planted_dictionary_is_found_by_codes_that_move(algorithm):
    X, D = planted()
    assert found(learn(X, algorithm, 40, dict_init=rows_of(X, 40), max_iter=40), D) >= 0.9


def test_soup_l0_finds_a_planted_dictionary_from_a_few_steps_of_soup_l1():
    X, D = planted()
    first = learn(X, "soup_l1", 40, dict_init=rows_of(X, 40), max_iter=5)
    codes = gf.sparse_encode(X, first.components_, alpha=0.3)
    model = learn(X, "soup_l0", 40, dict_init=first.components_, code_init=codes, max_iter=40)
    assert found(model, D) >= 0.9


@pytest.mark.parametrize("algorithm", UNIT)
def test_moving_codes_give_the_same_for_any_number_of_threads_and_float32_stays(algorithm):
    X, _ = planted(3000, m=40, k=12)
    for dtype in (np.float32, np.float64):
        models = [learn(X.astype(dtype), algorithm, 8, n_threads=t, max_iter=3) for t in (1, 3)]
        assert models[0].components_.dtype == dtype
        assert_array_equal(models[0].components_, models[1].components_)
    sparse = learn(sp.csr_matrix(X), algorithm, 8, max_iter=3)
    assert_allclose(sparse.error_, models[0].error_, rtol=1e-9)


@pytest.mark.parametrize("algorithm", UNIT)
def test_dead_and_repeated_atoms_of_norm_one_are_replaced(algorithm):
    X, _ = planted(500)
    start = np.zeros((10, 20))
    start[:8] = X[:8]
    start[7] = start[6]
    D = learn(X, algorithm, 10, dict_init=start).components_
    assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-12)
    assert np.max(np.abs(D @ D.T - np.eye(10))) < 0.9999
