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
    return fit(make(), X, checkpoint=path, checkpoint_every=0, **data)


def fit(model, X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, **options)


NMF = {"n_components": 3, "max_iter": 30, "tol": 1e-3, "random_state": 0}
MODELS = {
    "NMF": lambda: gf.NMF(**NMF),
    "NMF, random": lambda: gf.NMF(**NMF, init="random"),
    "NMF, shuffled": lambda: gf.NMF(**NMF, shuffle=True, max_sweeps=1),
    "NMF, wide sweeps": lambda: gf.NMF(**NMF, alpha_W=0.01, l1_ratio=0.5),
    "NMF, frozen": lambda: gf.NMF(**NMF, frozen=np.ones((1, 9))),
    "NMF, KL": lambda: gf.NMF(**NMF, beta_loss="kullback-leibler"),
    "NMF, KL, mu": lambda: gf.NMF(**NMF, beta_loss="kullback-leibler", solver="mu"),
    "NMF, mu": lambda: gf.NMF(**NMF, solver="mu"),
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
    "PoissonMixture": lambda: gf.PoissonMixture(3, init_params="random", tol=1e-10, random_state=0),
    "PoissonMixture, plain": lambda: gf.PoissonMixture(
        3, init_params="random", accelerate=False, n_init=2, tol=1e-10, random_state=0
    ),
    "RobustPCA": lambda: gf.RobustPCA(),
    "RobustPCA, rows": lambda: gf.RobustPCA(penalty="l21"),
    "RobustPCA, noise": lambda: gf.RobustPCA(noise="sqrt"),
    "RobustPCA, level": lambda: gf.RobustPCA(noise=0.3),
    **{
        f"DictionaryLearning, {kind}": lambda kind=kind: gf.DictionaryLearning(
            5, fit_algorithm=kind, transform_n_nonzero_coefs=2, max_iter=12, random_state=0
        )
        for kind in ("cd", "omp", "ksvd", "soup_l0", "soup_l1")
    },
    "DictionaryLearning, missing": lambda: gf.DictionaryLearning(
        5, missing="mask", max_iter=12, random_state=0
    ),
}
DENSE = ("missing", "Gaussian", "frozen")


@pytest.mark.parametrize("iteration", [2, 3, 7])
@pytest.mark.parametrize("name", MODELS)
def test_a_stopped_fit_goes_on_to_the_same_bits(tmp_path, name, iteration, dtype):
    X = counts().astype(dtype)
    whole = fit(MODELS[name](), X)
    if whole.n_iter_ >= iteration:
        assert_same_learned(interrupted(MODELS[name], X, tmp_path / "fit", iteration), whole)


@pytest.mark.parametrize("iteration", [2, 5])
@pytest.mark.parametrize("name", [name for name in MODELS if not any(part in name for part in DENSE)])
@pytest.mark.parametrize("form", ["csr", "wide", "blocks"])
def test_so_do_fits_to_other_forms_of_x(tmp_path, name, iteration, form):
    x = counts()
    X = {"csr": sp.csr_array(x), "wide": counts(9, 60), "blocks": gf.blocks([x[:20], x[20:]])}[form]
    whole = fit(MODELS[name](), X)
    if whole.n_iter_ >= iteration:
        assert_same_learned(interrupted(MODELS[name], X, tmp_path / "fit", iteration), whole)
