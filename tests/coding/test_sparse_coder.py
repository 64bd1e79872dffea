"""SparseCoder through scikit-learn's battery of checks."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

import gramfold as gf

# A coder takes X with as many features as its atoms have: as scikit-learn does for its own, each check is
# given atoms of the size of its data.
FEATURES = {
    "check_estimators_overwrite_params": 2,
    "check_estimators_fit_returns_self": 2,
    "check_readonly_memmap_input": 2,
    "check_fit_idempotent": 2,
    "check_fit_check_is_fitted": 2,
    "check_n_features_in": 2,
    "check_n_features_in_after_fitting": 4,
    "check_positive_only_tag_during_fit": 4,
    "check_estimators_dtypes": 5,
    "check_transformers_unfitted_stateless": 5,
    "check_dtype_object": 10,
    "check_fit2d_1sample": 10,
    "check_fit2d_1feature": 1,
}
VARIANTS = [
    {},
    {"transform_algorithm": "ols", "transform_n_nonzero_coefs": 2},
    {"transform_algorithm": "lasso_cd", "transform_alpha": 0.1, "split_sign": True},
    {"transform_algorithm": "lasso_lars", "transform_alpha": 0.1, "positive_code": True, "transform_l2": 0.1},
    {"transform_algorithm": "threshold", "transform_alpha": 0.1},
]


def name(check):
    return check.func.__name__


def coder(n_features, variant):
    return gf.SparseCoder(np.random.default_rng(0).standard_normal((5, n_features)), **variant)


def checks():
    for variant in VARIANTS:
        sizes = sorted({3, *FEATURES.values()})
        batteries = {m: estimator_checks_generator(coder(m, variant), mark="skip") for m in sizes}
        for round_ in zip(*batteries.values(), strict=True):
            made = dict(zip(sizes, round_, strict=True))
            check = name(made[3][1])
            estimator, run = made[FEATURES.get(check, 3)]
            yield pytest.param(estimator, run, id=f"{variant.get('transform_algorithm', 'omp')}-{check}")


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)
