"""NMF by coordinate descent: scikit-learn's iterates, the objective, optimality, and what a fit reports."""

import logging
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from optimality import kkt, objective, penalties
from scipy.optimize import linear_sum_assignment
from sklearn import decomposition
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf
from gramfold.datasets import make_nmf
from gramfold.fold import Source
from gramfold.start import initialize

SHAPES = {"tall": (90, 20), "wide": (20, 90), "square": (40, 40)}
FORMATS = {"dense": np.asarray, "fortran": np.asfortranarray, "csr": sp.csr_array, "csc": sp.csc_matrix}
PENALTIES = [
    {}, {"alpha_W": 0.01}, {"alpha_W": 0.02, "alpha_H": 0.0, "l1_ratio": 1.0},
    {"alpha_W": 0.0, "alpha_H": 0.03, "l1_ratio": 0.5}, {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3},
]  # fmt: skip
BOTH_OR_NONE = [p for p in PENALTIES if 0.0 not in p.values()]
PARITY = {"max_sweeps": 1, "extrapolate": False}


def random_x(shape, density=0.5, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return (rng.random(shape) * (rng.random(shape) < density)).astype(dtype)


def random_start(shape, k, seed=1, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return rng.random((shape[0], k)).astype(dtype), rng.random((k, shape[1])).astype(dtype)


def planted(shape, k=4):
    return make_nmf(*shape, k, density=0.5, noise=0.1, random_state=0)[0]


def signed_x(shape, nonneg, k=3):
    """Noisy product of two factors, one of them signed, so that a well-conditioned best pair exists."""
    rng = np.random.default_rng(0)
    W, H = rng.standard_normal((shape[0], k)), rng.standard_normal((k, shape[1]))
    W, H = abs(W) if nonneg[0] else W, abs(H) if nonneg[1] else H
    return W @ H + 0.1 * rng.standard_normal(shape)


def both(X, k, **options):
    """W, H, n_iter of gramfold in parity mode and of scikit-learn, from the same start.

    The start has the size of X: a large one falls onto parallel components, a saddle that rounding leaves.
    """
    size = np.sqrt(X.mean() / k)
    W, H = (size * factor for factor in random_start(X.shape, k))
    options = {"init": "custom", "solver": "cd", "random_state": 3, **options}
    mine = gf.non_negative_factorization(X, W, H, k, **PARITY, **options)
    theirs = decomposition.non_negative_factorization(X, W=W.copy(), H=H.copy(), n_components=k, **options)
    return mine, theirs


def fit(X, k, **options):
    """A fit to convergence, and its W."""
    options = {"tol": 1e-7, "max_iter": 5000, "random_state": 0, **options}
    model = gf.NMF(k, **options)
    return model, model.fit_transform(X)


# Parity with scikit-learn


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_sweep_without_extrapolation_makes_sklearns_iterates(shape, form, penalty):
    X = FORMATS[form](planted(SHAPES[shape]))
    mine, theirs = both(X, 5, tol=0, max_iter=20, **penalty)
    for a, b in zip(mine[:2], theirs[:2], strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-10 * b.max())
    assert mine[2] == theirs[2] == 20


@pytest.mark.parametrize("shape", SHAPES)
def test_shuffled_coordinates_are_drawn_as_sklearn_draws_them(shape):
    mine, theirs = both(planted(SHAPES[shape]), 5, tol=0, max_iter=20, shuffle=True)
    for a, b in zip(mine[:2], theirs[:2], strict=True):
        assert_allclose(a, b, rtol=1e-10, atol=1e-10 * b.max())


@pytest.mark.parametrize("penalty", BOTH_OR_NONE, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_parity_mode_stops_at_sklearns_iteration(shape, penalty):
    X = planted(SHAPES[shape])
    mine, theirs = both(X, 4, tol=1e-3, max_iter=2000, **penalty)
    assert mine[2] == theirs[2] < 2000
    model = gf.NMF(4, tol=1e-3, max_iter=2000, init="random", random_state=3, **PARITY, **penalty)
    twin = decomposition.NMF(4, tol=1e-3, max_iter=2000, init="random", random_state=3, **penalty)
    assert model.fit(X).n_iter_ == twin.fit(X).n_iter_ < 2000
    assert_allclose(model.components_, twin.components_, rtol=1e-8, atol=1e-10)
    assert_allclose(model.reconstruction_err_, twin.reconstruction_err_, rtol=1e-2)


@pytest.mark.parametrize("init", [None, "random", "nndsvd", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("form", FORMATS)
def test_starts_are_sklearns(init, form, dtype):
    private = pytest.importorskip("sklearn.decomposition._nmf")
    if not hasattr(private, "_initialize_nmf"):
        pytest.skip("this scikit-learn keeps its starts elsewhere")
    for shape, k in (((30, 20), 4), ((20, 30), 4), ((6, 5), 1), ((6, 5), 5)):
        X = FORMATS[form](random_x(shape, dtype=dtype))
        mine = initialize(Source(X, 1), k, init, 0, (True, True))
        theirs = private._initialize_nmf(X, k, init, random_state=0)
        for a, b in zip(mine, theirs, strict=True):
            assert a.dtype == dtype
            assert_allclose(a, b, rtol=8 * np.finfo(dtype).eps, atol=0)


def test_more_components_than_sides_start_at_random_as_sklearns_do():
    X = random_x((6, 5))
    mine = initialize(Source(X, 1), 9, None, 0, (True, True))
    private = pytest.importorskip("sklearn.decomposition._nmf")
    for a, b in zip(mine, private._initialize_nmf(X, 9, None, random_state=0), strict=True):
        assert_allclose(a, b, rtol=1e-14)


# The objective


problems = st.fixed_dictionaries({
    "shape": st.tuples(st.integers(1, 70), st.integers(1, 70)),
    "k": st.integers(1, 8),
    "scale": st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6]),
    "density": st.sampled_from([0.05, 0.5, 1.0]),
    "alpha": st.sampled_from([0.0, 1e-3, 0.1]),
    "l1_ratio": st.sampled_from([0.0, 0.5, 1.0]),
    "sparse": st.booleans(),
    "nonneg": st.sampled_from([(True, True), (True, False), (False, True), (False, False)]),
    "max_sweeps": st.sampled_from([None, 1]),
    "seed": st.integers(0, 1000),
})  # fmt: skip


@pytest.mark.parametrize("extrapolate", [False, True])
@given(problem=problems)
def test_the_objective_of_accepted_pairs_never_rises_and_is_the_true_one(problem, extrapolate, dtype):
    X = random_x(problem["shape"], problem["density"], problem["seed"]) * problem["scale"]
    X = X.astype(dtype)
    alpha, l1_ratio = problem["alpha"] * problem["scale"], problem["l1_ratio"]
    W_nonneg, H_nonneg = problem["nonneg"]
    seen = []
    options = {
        "alpha_W": alpha, "l1_ratio": l1_ratio, "W_nonneg": W_nonneg, "H_nonneg": H_nonneg,
        "max_sweeps": problem["max_sweeps"], "extrapolate": extrapolate, "init": "random",
        "random_state": problem["seed"], "tol": 0, "max_iter": 15, "callback": seen.append,
    }  # fmt: skip
    given_X = sp.csr_array(X) if problem["sparse"] else X
    W, H, _ = gf.non_negative_factorization(given_X, n_components=problem["k"], **options)
    history = [info.objective for info in seen]
    # The objective is a difference of terms as large as |X|^2 or, where signed components cancel, as theirs.
    terms = np.sum((np.abs(W).astype(float) @ np.abs(H)) ** 2)
    noise = 64 * np.finfo(dtype).eps * max(np.sum(X.astype(float) ** 2), history[0], terms)
    assert (np.diff(history) <= noise).all()
    assert np.isfinite(history).all()
    last = objective(X.astype(float), W.astype(float), H.astype(float),
                     *penalties(X.shape, alpha, alpha, l1_ratio))  # fmt: skip
    assert last <= history[-1] + noise


@pytest.mark.parametrize("form", FORMATS)
def test_the_objective_of_the_history_counts_the_penalties(form):
    X = random_x((60, 30))
    options = {"alpha_W": 0.01, "alpha_H": 0.02, "l1_ratio": 0.3}
    model, W = fit(FORMATS[form](X), 4, **options)
    final = objective(X, W, model.components_, *penalties(X.shape, 0.01, 0.02, 0.3))
    assert_allclose(model.history_["objective"][-1], final, rtol=1e-8)
    assert_allclose(model.reconstruction_err_, np.linalg.norm(X - W @ model.components_), rtol=1e-9)


def test_the_error_of_an_exact_factorisation_is_its_own_and_not_rounding_of_the_norm():
    X, _, _ = make_nmf(60, 40, 3, separable=True, random_state=0)
    model, W = fit(X, 3, tol=1e-9)
    true = np.linalg.norm(X - W @ model.components_)
    assert true < 1e-6 * np.linalg.norm(X)
    # Each entry of WH rounds: a difference this small is known to eps |X| only.
    eps = np.finfo(float).eps
    assert_allclose(model.reconstruction_err_, true, rtol=1e-6, atol=8 * eps * np.linalg.norm(X))


# Optimality


@pytest.mark.parametrize("penalty", PENALTIES, ids=str)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_kkt_residual_is_that_of_the_pair(shape, form, penalty):
    X = random_x(SHAPES[shape])
    model, W = fit(FORMATS[form](X), 4, tol=0, max_iter=4, **penalty)
    alpha_W = penalty.get("alpha_W", 0.0)
    terms = penalties(X.shape, alpha_W, penalty.get("alpha_H", alpha_W), penalty.get("l1_ratio", 0.0))
    expected = kkt(X, W, model.components_, *terms)
    assert expected > 1e-5
    assert_allclose(model.kkt_residual_, expected, rtol=1e-7)


@pytest.mark.parametrize("nonneg", [(True, False), (False, True), (False, False)])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_the_kkt_residual_of_signed_factors_is_that_of_the_pair(nonneg, l1_ratio):
    X = random_x((50, 20)) - 0.3
    options = {"alpha_W": 0.01, "l1_ratio": l1_ratio, "W_nonneg": nonneg[0], "H_nonneg": nonneg[1]}
    model, W = fit(X, 4, tol=0, max_iter=3, **options)
    expected = kkt(X, W, model.components_, *penalties(X.shape, 0.01, 0.01, l1_ratio), nonneg)
    assert_allclose(model.kkt_residual_, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("penalty", BOTH_OR_NONE, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_well_posed_problem_is_solved_to_a_kkt_residual_of_1e_6(shape, penalty):
    X, _, _ = make_nmf(*SHAPES[shape], 4, density=0.5, noise=0.05, random_state=0)
    model, W = fit(X, 4, tol=1e-7, **penalty)
    assert model.converged_
    assert model.kkt_residual_ <= 1e-6
    assert min(W.min(), model.components_.min()) >= 0


@pytest.mark.parametrize("exponent", [-12, 6, 20])
def test_the_kkt_residual_does_not_change_with_the_scale_of_x(exponent):
    X = random_x((50, 30))
    base, _ = fit(X, 4, tol=0, max_iter=5, init="random")
    scaled, _ = fit(X * 4.0**exponent, 4, tol=0, max_iter=5, init="random")
    assert_allclose(scaled.kkt_residual_, base.kkt_residual_, rtol=1e-10)
    assert_allclose(scaled.history_["kkt"], base.history_["kkt"], rtol=1e-10)
    assert_allclose(scaled.components_, base.components_ * 2.0**exponent, rtol=1e-10, atol=0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_separable_factors_are_found_up_to_order_and_scale(shape, sparse):
    X, true_W, true_H = make_nmf(*SHAPES[shape], 4, density=0.6, separable=True, random_state=1)
    model, W = fit(sp.csr_array(X) if sparse else X, 4, tol=1e-8)
    for found, true in ((W, true_W), (model.components_.T, true_H.T)):
        found, true = found / np.linalg.norm(found, axis=0), true / np.linalg.norm(true, axis=0)
        _, order = linear_sum_assignment(-(true.T @ found))
        assert_allclose(found[:, order], true, atol=1e-4)


@pytest.mark.parametrize("nonneg", [(False, True), (True, False)], ids=["W signed", "H signed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_semi_nmf_ends_at_a_fixed_point(shape, nonneg):
    X = signed_x(SHAPES[shape], nonneg)
    model, W = fit(X, 3, W_nonneg=nonneg[0], H_nonneg=nonneg[1], tol=1e-7)
    H = model.components_
    assert kkt(X, W, H, nonneg=nonneg) < 1e-6
    if nonneg[0]:
        assert W.min() >= 0 > H.min()
        best = np.linalg.lstsq(W, X, rcond=None)[0]
    else:
        assert H.min() >= 0 > W.min()
        best = X @ np.linalg.pinv(H)
    # The signed factor is the least-squares one.
    assert_allclose(H if nonneg[0] else W, best, atol=1e-4 * np.abs(best).max())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_alternating_least_squares_reaches_the_error_of_the_truncated_svd(shape, sparse):
    X = np.random.default_rng(0).standard_normal(SHAPES[shape])
    X += 5 * np.linalg.svd(X)[0][:, :4] @ np.linalg.svd(X)[2][:4] * np.sqrt(max(X.shape))
    model, _ = fit(sp.csr_array(X) if sparse else X, 4, init="random", W_nonneg=False, H_nonneg=False)
    assert model.n_iter_ > 1
    best = np.sqrt(np.sum(np.linalg.svd(X, compute_uv=False)[4:] ** 2))
    assert_allclose(model.reconstruction_err_, best, rtol=1e-9)


# Degenerate problems


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("init", [None, "random", "nndsvd", "nndsvda", "nndsvdar"])
def test_zero_and_constant_matrices_are_factorised(form, init, dtype):
    for X in (np.zeros((12, 9), dtype), np.full((12, 9), 3, dtype)):
        model, W = fit(FORMATS[form](X), 3, init=init, tol=1e-4)
        eps = np.finfo(dtype).eps
        assert np.linalg.norm(X - W @ model.components_) <= 100 * np.sqrt(eps) * np.linalg.norm(X)
        assert model.converged_
        assert np.isfinite([model.reconstruction_err_, model.kkt_residual_]).all()


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(("shape", "k"), [((5, 4), 9), ((30, 3), 8), ((1, 1), 1), ((1, 7), 1), ((7, 1), 3)])
def test_more_components_than_sides_reproduce_x(form, shape, k):
    X = random_x(shape, density=0.8) + 0.01
    model, W = fit(FORMATS[form](X), k, tol=1e-8)
    assert_allclose(W @ model.components_, X, atol=1e-3)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("init", ["random", "nndsvda", "nndsvdar"])
@pytest.mark.parametrize("seed", range(5))
def test_a_matrix_of_rank_one_is_reproduced_with_three_components(form, init, seed, dtype):
    rng = np.random.default_rng(seed)
    X = np.outer(rng.random(30) + 0.1, rng.random(8) + 0.1).astype(dtype)
    model = gf.NMF(3, init=init, tol=0, max_iter=40, random_state=seed)
    W = model.fit_transform(FORMATS[form](X))
    tol = 64 * np.sqrt(np.finfo(dtype).eps) * np.linalg.norm(X)
    assert np.linalg.norm(X - W.astype(float) @ model.components_) <= tol
    assert model.reconstruction_err_ <= tol
    assert model.kkt_residual_ <= 64 * np.sqrt(np.finfo(dtype).eps)


@pytest.mark.parametrize("form", FORMATS)
def test_zero_rows_get_zero_weights_and_zero_columns_zero_atoms(form):
    X = random_x((40, 20))
    X[[3, 17, 39]], X[:, [0, 11]] = 0, 0
    model, W = fit(FORMATS[form](X), 4, tol=1e-6)
    assert_array_equal(W[[3, 17, 39]], 0)
    assert_array_equal(model.components_[:, [0, 11]], 0)


@pytest.mark.parametrize("form", FORMATS)
def test_a_dead_component_stays_dead_and_the_others_go_on(form):
    X = random_x((40, 20))
    W, H = random_start(X.shape, 4)
    W[:, 2], H[2] = 0, 0
    model = gf.NMF(4, init="custom", tol=1e-6, max_iter=5000)
    found = model.fit_transform(FORMATS[form](X), W=W, H=H)
    assert_array_equal(found[:, 2], 0)
    assert_array_equal(model.components_[2], 0)
    others, _ = fit(X, 3, tol=1e-6)
    assert model.reconstruction_err_ <= 1.05 * others.reconstruction_err_


def test_overwhelming_penalties_drive_everything_to_zero_without_a_warning():
    X = random_x((40, 20))
    model, W = fit(X, 4, alpha_W=1e6, l1_ratio=1.0)
    assert_array_equal(W, 0)
    assert_array_equal(model.components_, 0)
    assert_allclose(model.reconstruction_err_, np.linalg.norm(X), rtol=1e-12)


# Types


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_float_types_are_kept_and_float32_finds_the_same_error(shape, form, dtype):
    X, _, _ = make_nmf(*SHAPES[shape], 4, noise=0.1, dtype=dtype, random_state=0)
    model, W = fit(FORMATS[form](X), 4, tol=1e-4)
    assert W.dtype == model.components_.dtype == model.transform(FORMATS[form](X)).dtype == dtype
    assert model.inverse_transform(W).dtype == dtype
    exact, _ = fit(X.astype(np.float64), 4, tol=1e-4)
    assert_allclose(model.reconstruction_err_, exact.reconstruction_err_, rtol=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_float32_goes_on_as_near_the_optimum_with_extrapolation_as_without(shape):
    X, _, _ = make_nmf(*SHAPES[shape], 4, noise=0.1, dtype=np.float32, random_state=0)
    moved, _ = fit(X, 4, tol=0, max_iter=2000)
    plain, _ = fit(X, 4, tol=0, max_iter=2000, extrapolate=False)
    # Both creep along a flat valley, each in its own, and up and down at the floor of float32: a residual of
    # some 1e-5, and some eps |X|^2 of the objective.
    assert max(run.history_["kkt"].min() for run in (moved, plain)) <= 1e-5
    noise = np.finfo(np.float32).eps * np.sum(np.square(X, dtype=float))
    assert moved.history_["objective"][-1] <= plain.history_["objective"][-1] + 4 * noise


# What a fit reports


def test_the_callback_is_told_of_every_iteration():
    seen = []
    model, _ = fit(random_x((50, 20)), 3, tol=1e-3, max_iter=300, callback=seen.append)
    assert all(isinstance(info, gf.IterationInfo) for info in seen)
    assert [info.iteration for info in seen] == list(range(1, model.n_iter_ + 1))
    assert {info.max_iter for info in seen} == {300}
    for key in ("objective", "kkt", "seconds"):
        assert model.history_[key].shape == (model.n_iter_,)
        assert model.history_[key].dtype == np.float64
        assert_array_equal(model.history_[key], [getattr(info, key) for info in seen])
    assert (np.diff(model.history_["seconds"]) >= 0).all()
    assert model.converged_


@pytest.mark.parametrize("shape", SHAPES)
def test_a_callback_that_returns_true_stops_the_fit(shape):
    model, W = fit(random_x(SHAPES[shape]), 3, callback=lambda info: info.iteration == 3)
    assert model.n_iter_ == 3
    assert not model.converged_
    assert_array_equal(model.transform(random_x(SHAPES[shape])), W)


@pytest.mark.parametrize("value", [0, "", None, False, np.False_])
def test_a_false_value_of_the_callback_does_not_stop_the_fit(value):
    model, _ = fit(random_x((20, 10)), 2, tol=0, max_iter=5, callback=lambda info: value)
    assert model.n_iter_ == 5


def test_a_callback_is_closed_once_at_the_end_and_after_an_error():
    class Listener:
        closed = 0

        def __init__(self, error=None):
            self.error = error

        def __call__(self, info):
            if self.error:
                raise self.error

        def close(self):
            self.closed += 1

    calm, angry = Listener(), Listener(KeyError("mine"))
    fit(random_x((20, 10)), 2, tol=1e-2, callback=calm)
    with pytest.raises(KeyError, match="mine"):
        fit(random_x((20, 10)), 2, callback=angry)
    assert (calm.closed, angry.closed) == (1, 1)


def test_no_time_is_one_iteration_and_no_warning():
    model, _ = fit(random_x((50, 20)), 3, max_time=0)
    assert model.n_iter_ == 1
    assert not model.converged_


def test_verbose_logs_every_iteration_and_silence_is_the_default(caplog, capsys):
    with caplog.at_level(logging.INFO, "gramfold"):
        fit(random_x((20, 10)), 2, tol=0, max_iter=4)
        assert not caplog.records
        fit(random_x((20, 10)), 2, tol=0, max_iter=4, verbose=1)
    assert [record.name for record in caplog.records] == ["gramfold"] * 4
    assert "iteration 4: objective" in caplog.messages[-1]
    assert capsys.readouterr().out == ""


def test_not_converged_is_a_warning_unless_tol_is_0():
    model = gf.NMF(3, tol=1e-8, max_iter=2, random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        model.fit(random_x((50, 20)))
    assert not model.converged_
    assert model.n_iter_ == 2
    fit(random_x((50, 20)), 3, tol=0, max_iter=2)


def test_a_custom_start_that_is_not_asked_for_is_a_warning():
    X = random_x((20, 10))
    W, H = random_start(X.shape, 3)
    with pytest.warns(RuntimeWarning, match="custom"):
        gf.NMF(3, tol=0, max_iter=2).fit(X, W=W, H=H)


# The estimator


def test_parameters_survive_clone_and_a_fit_survives_pickle():
    model = gf.NMF(3, init="nndsvdar", tol=1e-3, alpha_W=0.01, l1_ratio=0.5, random_state=4)
    assert clone(model).get_params() == model.get_params()
    X = random_x((40, 20))
    W = model.fit_transform(X)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.transform(X), W)
    assert_array_equal(clone(model).fit(X).components_, model.components_)
    assert model.set_params(n_components=2).fit(X).components_.shape == (2, 20)


def test_the_classes_parameters_are_sklearns_and_more():
    theirs = decomposition.NMF().get_params()
    mine = gf.NMF().get_params()
    assert {name: mine[name] for name in theirs} == theirs


def test_auto_is_as_many_components_as_features_or_as_a_custom_start_has():
    X = random_x((20, 6))
    W, H = random_start(X.shape, 3)
    assert gf.NMF(tol=1e-2).fit(X).n_components_ == 6
    assert gf.NMF(init="custom", tol=1e-2).fit(X, W=W, H=H).n_components_ == 3


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", SHAPES)
def test_inputs_are_never_modified(form, shape):
    X = FORMATS[form](random_x(SHAPES[shape]))
    W, H = random_start(X.shape, 3)
    arrays = [W, H] + ([X.data, X.indices, X.indptr] if sp.issparse(X) else [X])
    before = [a.tobytes() for a in arrays]
    for a in arrays:
        a.flags.writeable = False
    model = gf.NMF(3, init="custom", tol=1e-3)
    model.fit_transform(X, W=W, H=H)
    model.transform(X)
    gf.encode(X, model.components_)
    gf.non_negative_factorization(X, W, H, init="custom", tol=0, max_iter=3)
    gf.non_negative_factorization(X, H=H, update_H=False)
    assert [a.tobytes() for a in arrays] == before


def test_the_functional_form_with_h_fixed_is_transform():
    X = random_x((40, 20))
    model, W = fit(X, 4, tol=1e-4)
    found, H, n_iter = gf.non_negative_factorization(X, H=model.components_, update_H=False)
    assert_array_equal(found, W)
    assert_array_equal(H, model.components_)
    assert n_iter == 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_hypersparse_x_takes_the_parity_iterates_through_its_transpose():
    X = sp.random(3000, 2000, density=0.002, format="csr", random_state=0)
    assert Source(X, 1).gathers
    W, H = random_start(X.shape, 5)
    theirs = decomposition.non_negative_factorization(
        X, W=W.copy(), H=H.copy(), n_components=5, init="custom", tol=0, max_iter=10
    )
    ours = gf.non_negative_factorization(
        X, W, H, 5, init="custom", tol=0, max_iter=10, max_sweeps=1, extrapolate=False
    )
    for found, expected in zip(ours[:2], theirs[:2], strict=True):
        assert_allclose(found, expected, rtol=1e-10, atol=1e-10 * expected.max())
