"""Every algorithm and coder learns; what does not go together is refused."""

import warnings

import numpy as np
import pytest
from dictionary.cases import BOTH, UNIT, planted, rows_of, total
from sklearn.utils.estimator_checks import check_estimator

import gramfold as gf


@pytest.mark.parametrize("options", [{"fit_algorithm": a} for a in UNIT] + [{"missing": "mask"}], ids=str)
def test_every_algorithm_passes_scikit_learns_checks(options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(gf.DictionaryLearning(max_iter=5, transform_algorithm="lasso_lars", **options))


CODERS = [
    {"fit_algorithm": "lasso_lars", "l2": 0.3},
    {"fit_algorithm": "cd", "positive_code": True, "l2": 0.1},
    {"fit_algorithm": "cd", "alpha": 0.0, "positive_code": True},
    {"fit_algorithm": "omp", "positive_code": True, "transform_n_nonzero_coefs": 3},
    {"fit_algorithm": "ols", "transform_n_nonzero_coefs": 3},
    {"fit_algorithm": "omp", "transform_max_error": 1.0},
    {"fit_algorithm": "threshold", "alpha": 0.5},
]


@pytest.mark.parametrize("model", BOTH)
@pytest.mark.parametrize("coder", CODERS, ids=str)
def test_any_coder_learns(model, coder):
    X, _ = planted(400)
    X = np.abs(X) if coder.get("positive_code") else X
    start = rows_of(X, 25)
    more = {} if model is gf.DictionaryLearning else {"max_no_improvement": None, "batch_size": 100}
    learner = model(25, **{"alpha": 0.3} | coder, tol=0, max_iter=15, random_state=0, dict_init=start, **more)
    D = learner.fit(X).components_
    encode = {
        "algorithm": {"cd": "lasso_cd"}.get(coder["fit_algorithm"], coder["fit_algorithm"]),
        "alpha": coder.get("alpha", 0.3), "l2": coder.get("l2", 0.0),
        "n_nonzero_coefs": coder.get("transform_n_nonzero_coefs"),
        "max_error": coder.get("transform_max_error"), "positive": coder.get("positive_code", False),
    }  # fmt: skip
    if encode["max_error"] is not None:
        sizes = [np.count_nonzero(gf.sparse_encode(X, atoms, **encode)) for atoms in (start, D)]
        assert sizes[1] < 0.9 * sizes[0]
        return
    if encode["algorithm"] in ("omp", "ols"):
        encode["alpha"] = 0.0
    errors = [
        total(X, Z := gf.sparse_encode(X, atoms, **encode), atoms, encode["alpha"])
        + 0.5 * encode["l2"] * np.sum(Z**2)
        for atoms in (start, D)
    ]
    assert errors[1] < 0.95 * errors[0]


WRONG = [
    ({"fit_algorithm": "ksvd", "dict_l1": 1.0}, "keeps atoms of norm 1"),
    ({"fit_algorithm": "soup_l0", "l2": 1.0}, "l2 does not go with"),
    ({"fit_algorithm": "omp", "l2": 1.0}, "l2 goes with the lasso"),
    ({"fit_algorithm": "soup_l1", "missing": "mask"}, "missing='mask' does not go with"),
    ({"unit_ball": False}, "unit_ball=False needs"),
    ({"dict_l1": -1.0}, "dict_l1 must be"),
    ({"dict_l2": np.nan}, "dict_l2 must be"),
    ({"missing": "nan"}, "missing must be one of"),
    ({"warm_start": 1}, "warm_start must be"),
    ({"dict_init": np.ones((5, 20)), "code_init": np.ones((3, 5))}, r"code_init must have shape \(50, 5\)"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=str)
def test_what_does_not_go_together_is_refused_by_name(options, message):
    X, _ = planted(50)
    with pytest.raises(ValueError, match=message):
        gf.DictionaryLearning(5, **options).fit(X)
