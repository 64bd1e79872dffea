"""Several starts of dictionary learning, of which the best is kept."""

import numpy as np
import pytest
from entries import counts

import gramfold as gf

OPTIONS = {"n_components": 20, "alpha": 3, "max_iter": 6, "tol": 0, "random_state": 0}


@pytest.mark.parametrize("algorithm", ["lars", "omp", "ksvd", "soup_l1"])
def test_the_start_of_the_lowest_objective_is_kept(algorithm):
    X, objectives = counts(), []
    options = OPTIONS | {"fit_algorithm": algorithm, "transform_n_nonzero_coefs": 2}
    model = gf.DictionaryLearning(
        **options, n_init=4, callback=lambda info: objectives.append(info.objective)
    ).fit(X)
    runs = np.array(objectives).reshape(4, 6)
    one = gf.DictionaryLearning(**options).fit(X)
    np.testing.assert_array_equal(runs[0], one.error_)
    np.testing.assert_array_equal(model.error_, runs[np.argmin(runs.min(axis=1))])
    again = gf.DictionaryLearning(**options, n_init=4).fit(X)
    np.testing.assert_array_equal(again.components_, model.components_)


def test_atoms_that_are_given_are_the_only_start():
    X = counts()
    with pytest.warns(RuntimeWarning, match=r"dict_init is one start.*instead of n_init=2"):
        gf.DictionaryLearning(**OPTIONS, n_init=2, dict_init=np.ones((20, 9))).fit(X)


def test_starts_are_not_compared_where_rows_are_coded_to_an_error():
    with pytest.raises(ValueError, match="n_init=2 keeps the result of the lowest objective"):
        gf.DictionaryLearning(
            4, fit_algorithm="omp", transform_max_error=1.0, transform_n_nonzero_coefs=None, n_init=2
        ).fit(counts())
