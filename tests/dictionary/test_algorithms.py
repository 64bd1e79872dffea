"""Penalties on the atoms, missing entries, fits that go on, K-SVD and SOUP-DIL."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from dictionary.cases import planted
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import check_estimator

import gramfold as gf
from gramfold._core import reference
from gramfold.dictionary.online import SWEEPS

BOTH = [gf.DictionaryLearning, gf.MiniBatchDictionaryLearning]
ALGORITHMS = {
    "cd": {"alpha": 0.3},
    "omp": {"transform_n_nonzero_coefs": 3},
    "ksvd": {"transform_n_nonzero_coefs": 3},
    "soup_l1": {"alpha": 0.3},
    "soup_l0": {"alpha": 0.5},
}
UNIT = ("ksvd", "soup_l1", "soup_l0")


def rows_of(X, count, seed=1):
    start = X[np.random.default_rng(seed).choice(len(X), count, replace=False)]
    return start / np.linalg.norm(start, axis=1, keepdims=True)


def learn(X, algorithm, k=12, **options):
    options = {"tol": 0, "max_iter": 15, "random_state": 0} | ALGORITHMS[algorithm] | options
    return gf.DictionaryLearning(k, fit_algorithm=algorithm, **options).fit(X)


def found(model, D):
    """The share of the atoms of D that were found."""
    unit = model.components_ / np.linalg.norm(model.components_, axis=1, keepdims=True)
    return np.mean(np.abs(D @ unit.T).max(axis=1) > 0.98)


def total(X, Z, D, alpha=0.3, l1=0.0, l2=0.0):
    penalty = alpha * np.abs(Z).sum() + l1 * np.abs(D).sum() + 0.5 * l2 * np.sum(D**2)
    return 0.5 * np.sum((X - Z @ D) ** 2) + penalty


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


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_ten_iterations_and_ten_more_are_twenty(algorithm):
    X, _ = planted(300)
    options = {"dict_init": rows_of(X, 15), "n_components": 15}
    whole = learn(X, algorithm, k=15, dict_init=options["dict_init"], max_iter=20)
    half = learn(X, algorithm, k=15, dict_init=options["dict_init"], max_iter=10, warm_start=True)
    half = pickle.loads(pickle.dumps(half)).fit(X)
    assert_array_equal(half.components_, whole.components_)
    assert_array_equal(half.error_, whole.error_[10:])


@pytest.mark.parametrize("shuffle", [False, True])
def test_ten_rounds_of_mini_batches_and_ten_more_are_twenty(shuffle):
    X, _ = planted(300)
    options = {
        "alpha": 0.3, "batch_size": 64, "tol": 0, "max_no_improvement": None, "random_state": 0,
        "shuffle": shuffle,
    }  # fmt: skip
    whole = gf.MiniBatchDictionaryLearning(15, max_iter=20, **options).fit(X)
    half = gf.MiniBatchDictionaryLearning(15, max_iter=10, warm_start=True, **options).fit(X)
    half = pickle.loads(pickle.dumps(half)).fit(X)
    assert_array_equal(half.components_, whole.components_)
    assert half.n_steps_ == whole.n_steps_ == 100


def test_fit_and_partial_fit_go_on_from_one_another():
    X, _ = planted(300)
    options = {
        "alpha": 0.3, "batch_size": 100, "tol": 0, "max_no_improvement": None, "shuffle": False,
        "dict_init": X[:15], "random_state": 0,
    }  # fmt: skip
    whole = gf.MiniBatchDictionaryLearning(15, max_iter=2, **options).fit(X)
    parts = gf.MiniBatchDictionaryLearning(15, max_iter=1, warm_start=True, **options)
    for first in range(0, 300, 100):
        parts.partial_fit(X[first : first + 100])
    assert_array_equal(parts.fit(X).components_, whole.components_)


def test_without_warm_start_a_fit_begins_anew():
    X, _ = planted(200)
    for model in BOTH:
        learner = model(10, alpha=0.3, max_iter=3, tol=0, random_state=0)
        assert_array_equal(learner.fit(X).components_.copy(), learner.fit(X).components_)


def test_codes_to_start_from_are_used_with_atoms_to_start_from():
    X, _ = planted(200)
    D = rows_of(X, 60)
    Z = gf.sparse_encode(X, D, alpha=0.3)
    one = {"k": 60, "transform_max_iter": 1, "max_iter": 1, "dict_init": D}
    exact = learn(X, "cd", k=60, max_iter=1, dict_init=D).components_
    assert_allclose(learn(X, "cd", code_init=Z, **one).components_, exact, atol=1e-9)
    assert np.max(np.abs(learn(X, "cd", **one).components_ - exact)) > 1e-3
    unused = learn(X, "cd", k=60, code_init=Z, max_iter=1)  # as in scikit-learn
    assert_array_equal(unused.components_, learn(X, "cd", k=60, max_iter=1).components_)


def masked(X, share=0.3, seed=2):
    return np.where(np.random.default_rng(seed).random(X.shape) < share, np.nan, X)


@pytest.mark.parametrize("options", [{"fit_algorithm": a} for a in UNIT] + [{"missing": "mask"}], ids=str)
def test_every_algorithm_passes_scikit_learns_checks(options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(gf.DictionaryLearning(max_iter=5, transform_algorithm="lasso_lars", **options))


@pytest.mark.parametrize("algorithm", ["cd", "omp"])
def test_nothing_missing_is_the_fit_of_all(algorithm):
    X, _ = planted(200)
    options = {"dict_init": rows_of(X, 12), "max_iter": 5}
    plain, seen = learn(X, algorithm, **options), learn(X, algorithm, missing="mask", **options)
    assert_allclose(seen.error_, plain.error_, rtol=1e-8)
    assert_allclose(seen.components_, plain.components_, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"l2": 0.5}, {"positive_dict": True}, {"dict_l1": 2.0, "unit_ball": False}], ids=str
)
def test_the_objective_of_what_is_observed_never_rises(options):
    X, _ = planted(400)
    model = learn(masked(X), "cd", missing="mask", **options)
    assert np.all(np.diff(model.error_) <= 1e-9 * model.error_[:-1])
    assert np.linalg.norm(model.components_, axis=1).max() <= 1 + 1e-12 or "unit_ball" in options


def test_what_is_not_observed_may_be_anything():
    X, _ = planted(200)
    gaps = masked(X)
    mask = ~np.isnan(gaps)
    options = {"missing": "mask", "max_iter": 3, "tol": 0, "alpha": 0.3, "random_state": 0}
    fits = [gf.DictionaryLearning(10, **options).fit(gaps)]
    for other in (0.0, 1e6, np.inf):
        fits.append(gf.DictionaryLearning(10, **options).fit(np.where(mask, X, other), mask=mask))
    fits.append(gf.DictionaryLearning(10, **options).fit(np.ma.array(X, mask=~mask)))
    fits.append(gf.DictionaryLearning(10, n_threads=3, **options).fit(X, mask=mask.astype(float)))
    for fit in fits[1:]:
        assert_array_equal(fit.components_, fits[0].components_)
    columns = gf.DictionaryLearning(10, **options).fit(np.asfortranarray(gaps)).components_
    assert_allclose(columns, fits[0].components_, atol=1e-9)
    codes = fits[0].set_params(transform_algorithm="lasso_cd").transform(gaps)
    assert_array_equal(codes, gf.sparse_encode(X, fits[0].components_, alpha=0.3, mask=mask))


def test_a_weight_of_two_is_a_row_given_twice():
    X, _ = planted(120)
    gaps = masked(X)
    options = {"dict_init": rows_of(X, 10), "missing": "mask", "max_iter": 4, "tol": 0, "alpha": 0.3}
    twice = gf.DictionaryLearning(10, **options).fit(np.vstack([gaps, gaps]))
    weighted = gf.DictionaryLearning(10, **options | {"alpha": 0.6}).fit(gaps, mask=np.full(X.shape, 2.0))
    assert_allclose(weighted.components_, twice.components_, atol=1e-6)


def test_a_planted_dictionary_is_found_though_entries_are_missing():
    X, D = planted()
    model = learn(masked(X), "cd", 40, missing="mask", dict_init=rows_of(X, 40), max_iter=40)
    assert found(model, D) >= 0.9


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


@pytest.mark.parametrize("algorithm", UNIT)
def test_dead_and_repeated_atoms_of_norm_one_are_replaced(algorithm):
    X, _ = planted(500)
    start = np.zeros((10, 20))
    start[:8] = X[:8]
    start[7] = start[6]
    D = learn(X, algorithm, 10, dict_init=start).components_
    assert_allclose(np.linalg.norm(D, axis=1), 1, rtol=1e-12)
    assert np.max(np.abs(D @ D.T - np.eye(10))) < 0.9999


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


def test_mini_batches_say_that_nothing_may_be_missing():
    X, _ = planted(50)
    with pytest.raises(ValueError, match=r"contains NaN.*DictionaryLearning\(missing='mask'\)"):
        gf.MiniBatchDictionaryLearning(5).fit(masked(X))
    with pytest.raises(ValueError, match=r"contains NaN: missing='mask' leaves"):
        gf.DictionaryLearning(5).fit(masked(X))
    with pytest.raises(ValueError, match="fit_algorithm must be one of"):
        gf.MiniBatchDictionaryLearning(5, fit_algorithm="ksvd").fit(X)
    with pytest.raises(ValueError, match="mask is only used with missing='mask'"):
        gf.DictionaryLearning(5).fit(X, mask=np.ones(X.shape, bool))


def test_a_warm_start_that_does_not_fit_is_refused():
    X, _ = planted(50)
    for model in BOTH:
        learner = model(5, alpha=0.3, max_iter=2, tol=0, warm_start=True).fit(X)
        with pytest.raises(ValueError, match="goes on with the 5 atoms learned, but n_components is 7"):
            learner.set_params(n_components=7).fit(X)
    learner = learn(X, "ksvd", 5, warm_start=True)
    with pytest.raises(ValueError, match="codes of the 50 rows learned from, but X has 40"):
        learner.fit(X[:40])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.set_params(warm_start=False).fit(X[:40])
