"""A fit that goes on from a checkpoint ends with the bits of one that was never stopped."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from entries import counts
from saved import assert_same

import gramfold as gf


class Stopped(Exception):
    """What ends a fit early."""


class After:
    """A callback that ends a fit in an iteration, as a crash would."""

    def __init__(self, iteration):
        self.left = iteration

    def __call__(self, info):
        self.left -= 1
        if self.left == 0:
            raise Stopped


def learned(model):
    """What was learned, but for seconds."""
    found = {name: value for name, value in vars(model).items() if name not in model.get_params()}
    found["history_"] = {name: rows for name, rows in found.get("history_", {}).items() if name != "seconds"}
    return found


def assert_same_learned(a, b):
    assert_same(learned(a), learned(b))


def interrupted(make, X, path, iteration, **data):
    """A fit that is stopped in an iteration, and one that goes on from there."""
    with pytest.raises(Stopped):
        fit(make().set_params(callback=After(iteration)), X, checkpoint=path, checkpoint_every=0, **data)
    assert path.exists()
    return fit(make(), X, checkpoint=path, **data)


def fit(model, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, **options)


NMF = {"n_components": 3, "max_iter": 25, "tol": 0, "random_state": 0}
MODELS = {
    "NMF": lambda: gf.NMF(**NMF),
    "NMF, random": lambda: gf.NMF(**NMF, init="random"),
    "NMF, some starts": lambda: gf.NMF(**NMF | {"max_iter": 9}, n_init=3),
    "NMF, KL, some starts": lambda: gf.NMF(**NMF | {"max_iter": 9}, beta_loss=1, n_init=3),
    "NMF, shuffled": lambda: gf.NMF(**NMF, shuffle=True, max_sweeps=1),
    "NMF, L1": lambda: gf.NMF(**NMF, alpha_W=0.01, l1_ratio=0.5),
    "NMF, frozen": lambda: gf.NMF(**NMF, frozen=np.ones((1, 9))),
    "NMF, KL": lambda: gf.NMF(**NMF, beta_loss="kullback-leibler"),
    "NMF, KL, mu": lambda: gf.NMF(**NMF, beta_loss="kullback-leibler", solver="mu"),
    "NMF, mu": lambda: gf.NMF(**NMF | {"tol": 1e-4, "max_iter": 60}, solver="mu"),
    "NMF, beta 1.5": lambda: gf.NMF(**NMF, solver="mu", beta_loss=1.5),
    "NMF, missing": lambda: gf.NMF(**NMF, missing="mask"),
    "NMF, missing, KL": lambda: gf.NMF(**NMF, missing="mask", beta_loss="kullback-leibler"),
    "NMF, missing, shuffled": lambda: gf.NMF(**NMF, missing="mask", shuffle=True),
    "KMeans": lambda: gf.KMeans(5, init="random", n_init=1, tol=0, random_state=1),
    "KMeans, some runs": lambda: gf.KMeans(5, init="random", n_init=3, tol=0, random_state=0),
    "KMeans, many": lambda: gf.KMeans(20, init="random", n_init=1, tol=0, random_state=0),
    "KMeans, ridge": lambda: gf.KMeans(5, init="random", ridge=1.0, n_init=1, tol=0, random_state=0),
    "MiniBatchKMeans": lambda: gf.MiniBatchKMeans(3, batch_size=20, random_state=0),
    "MiniBatchKMeans, without labels": lambda: gf.MiniBatchKMeans(
        3, batch_size=20, compute_labels=False, random_state=0
    ),
    **{
        f"GaussianMixture, {kind}": lambda kind=kind: gf.GaussianMixture(
            3, covariance_type=kind, reg_covar=0.1, init_params="random", tol=1e-9, random_state=0
        )
        for kind in ("full", "tied", "diag", "spherical")
    },
    "GaussianMixture, accelerated": lambda: gf.GaussianMixture(
        3, init_params="random", reg_covar=0.1, accelerate=True, n_init=2, tol=1e-9, random_state=0
    ),
    "GaussianMixture, truncated": lambda: gf.GaussianMixture(
        3, init_params="random", reg_covar=0.1, truncated=2, n_init=2, tol=1e-9, random_state=0
    ),
    "PoissonMixture": lambda: gf.PoissonMixture(3, init_params="random", tol=1e-10, random_state=0),
    "PoissonMixture, plain": lambda: gf.PoissonMixture(
        3, init_params="random", accelerate=False, n_init=2, tol=1e-10, random_state=0
    ),
    "MiniBatchNMF": lambda: gf.MiniBatchNMF(3, batch_size=20, max_iter=9, random_state=0),
    "MiniBatchNMF, KL": lambda: gf.MiniBatchNMF(
        3, batch_size=20, max_iter=9, beta_loss="kullback-leibler", random_state=0
    ),
    "MiniBatchNMF, missing": lambda: gf.MiniBatchNMF(
        3, batch_size=20, max_iter=9, missing="mask", fresh_restarts=True, random_state=0
    ),
    "MiniBatchDictionaryLearning": lambda: gf.MiniBatchDictionaryLearning(
        5, batch_size=20, max_iter=5, alpha=0.3, random_state=0
    ),
    "MiniBatchDictionaryLearning, in order": lambda: gf.MiniBatchDictionaryLearning(
        5, batch_size=20, max_iter=5, fit_algorithm="omp", shuffle=False, random_state=0
    ),
    "RobustPCA": lambda: gf.RobustPCA(max_iter=20),
    "RobustPCA, rows": lambda: gf.RobustPCA(penalty="l21", max_iter=20),
    "RobustPCA, noise": lambda: gf.RobustPCA(noise="sqrt", max_iter=20),
    "RobustPCA, level": lambda: gf.RobustPCA(noise=0.3, max_iter=20),
    **{
        f"DictionaryLearning, {kind}": lambda kind=kind: gf.DictionaryLearning(
            20, alpha=3, fit_algorithm=kind, transform_n_nonzero_coefs=2, max_iter=12, tol=0, random_state=0
        )
        for kind in ("cd", "omp", "ksvd", "soup_l0", "soup_l1")
    },
    "DictionaryLearning, some starts": lambda: gf.DictionaryLearning(
        20, alpha=3, max_iter=5, tol=0, n_init=3, random_state=0
    ),
    "DictionaryLearning, missing": lambda: gf.DictionaryLearning(
        5, missing="mask", max_iter=12, random_state=0
    ),
}
RIDGE = {
    solver: lambda solver=solver: gf.Ridge(0.5, solver=solver, tol=1e-9, max_iter=40, random_state=0)
    for solver in ("cg", "gd", "admm", "sgd")
}
DENSE = ("missing", "Gaussian", "frozen")


def check(make, X, path, iteration=None, **data):
    """Stop in an iteration, by default the last of all runs."""
    calls = []
    whole = fit(make().set_params(callback=lambda info: calls.append(info.iteration)), X, **data)
    assert len(calls) > 1
    stopped = interrupted(make, X, path, min(iteration or len(calls), len(calls)), **data)
    assert_same_learned(stopped, whole)


@pytest.mark.parametrize(("iteration", "dtype"), [(2, np.float32), (5, np.float64), (15, np.float64)])
@pytest.mark.parametrize("name", MODELS)
def test_a_stopped_fit_goes_on_to_the_same_bits(tmp_path, name, iteration, dtype):
    check(MODELS[name], counts().astype(dtype), tmp_path / "fit", iteration)


@pytest.mark.parametrize("name", MODELS)
def test_so_does_one_that_is_stopped_at_its_end(tmp_path, name):
    check(MODELS[name], counts(seed=3), tmp_path / "fit")


@pytest.mark.parametrize("shape", [(60, 9), (24, 60)])
@pytest.mark.parametrize("solver", RIDGE)
def test_so_does_ridge_with_an_iterative_solver(tmp_path, solver, shape):
    X = counts(*shape)
    y = np.stack([X[:, 0] - 2 * X[:, 1], np.cos(np.arange(len(X)))], axis=1)
    check(RIDGE[solver], X, tmp_path / "fit", 4, y=y)


FORMS = {
    "csr": lambda: sp.csr_array(counts()),
    "wide": lambda: counts(24, 60, empty_row=False),
    "blocks": lambda: gf.blocks([counts()[:20], counts()[20:]]),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [name for name in MODELS if not any(part in name for part in DENSE)])
def test_so_do_fits_to_other_forms_of_x(tmp_path, name, form):
    check(MODELS[name], FORMS[form](), tmp_path / "fit", 4)


def low_rank(rows, cols, share=0.05):
    """A matrix of rank 3 with outliers."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 3)) @ rng.standard_normal((3, cols))
    return x + 9 * (rng.random(x.shape) < share) * rng.standard_normal(x.shape)


def some_entries(x):
    keep = np.random.default_rng(1).random(x.shape) < 0.5
    return sp.csr_array(np.where(keep, x, 0))


LARGE = {  # where a loop holds more than for a small X
    "k-means with bounds": (
        lambda: gf.KMeans(64, init="random", n_init=1, random_state=0), lambda: low_rank(1500, 64),
    ),
    "a subspace": (lambda: gf.RobustPCA(tol=1e-4), lambda: low_rank(300, 200)),
    "a subspace and no Gram matrix": (lambda: gf.RobustPCA(tol=1e-3), lambda: low_rank(640, 620)),
    "a subspace of what is observed": (
        lambda: gf.RobustPCA(tol=1e-3, max_rank=5, max_iter=30), lambda: some_entries(low_rank(200, 150)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("iteration", [3, 8])
@pytest.mark.parametrize("case", LARGE)
def test_so_do_fits_with_more_to_hold(tmp_path, case, iteration):
    make, data = LARGE[case]
    check(make, data(), tmp_path / "fit", iteration)


def gaps(x):
    return np.ma.masked_array(x, np.random.default_rng(0).random(x.shape) < 0.1)


GIVEN = {
    "a list": (MODELS["NMF"], lambda: counts().tolist()),
    "a pandas frame": (MODELS["NMF"], lambda: pytest.importorskip("pandas").DataFrame(counts())),
    "a polars frame": (MODELS["NMF"], lambda: pytest.importorskip("polars").DataFrame(counts())),
    "whole numbers": (MODELS["PoissonMixture"], lambda: counts().astype(np.uint8)),
    "a masked array": (MODELS["RobustPCA"], lambda: gaps(counts())),
    "a CSC matrix": (MODELS["KMeans"], lambda: sp.csc_matrix(counts())),
    "a LIL matrix": (MODELS["KMeans"], lambda: sp.lil_array(counts())),
    "sparse blocks": (MODELS["KMeans"], lambda: gf.blocks([sp.csr_array(counts()), sp.csr_array((0, 9))])),
}


@pytest.mark.parametrize("given", GIVEN)
def test_x_may_be_whatever_a_fit_takes(tmp_path, given):
    make, data = GIVEN[given]
    check(make, data(), tmp_path / "fit", 3)
    (tmp_path / "fit").unlink()
    fit(make(), data(), checkpoint=tmp_path / "fit", checkpoint_every=0)
    with pytest.raises(ValueError, match="of a fit with X"):
        fit(make(), data()[:-1] if given == "a list" else counts(seed=1), checkpoint=tmp_path / "fit")
