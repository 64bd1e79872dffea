"""Whatever is called, in whatever order, with whatever shapes: it works, or says in our words what is wrong.

Random walks over every estimator: parameters change, X changes its columns, type and form, other arguments
come in shapes that do not fit. A message of a kernel or of NumPy's broadcasting is a check that is missing.
"""

import functools
import inspect
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from entries import counts
from hypothesis import given, settings
from hypothesis import strategies as st

import gramfold as gf

# Words of NumPy, SciPy, LAPACK and pybind11 that say nothing to a user.
FOREIGN = (
    "broadcast|not aligned|out of bounds|out of range for|cannot reshape|dimension mismatch|core dimension|"
    "writable|matmul|zero-size|setting an array element|same shape as|must be contiguous|incompatible|"
    "illegal value|has no attribute|unexpected keyword|subscript|object is not|infs or NaNs|LinAlg|read-only|"
    "[Ss]ingular matrix"
)
# And what our kernels say, but of X itself, which the gate passes on.
SOURCES = (Path(__file__).parent.parent / "cpp").rglob("*.[ch]pp")
OURS = {m for path in SOURCES for m in re.findall(r'require\([^;]*?"([^"]+)"\s*\)', path.read_text())}
SAID_BY_KERNELS = "|".join(re.escape(m) for m in sorted(OURS) if not m.startswith("X."))
UNFIT = re.compile(f"{FOREIGN}|{SAID_BY_KERNELS or 'cols x k'}")
ESTIMATORS: dict[str, Any] = {
    "NMF": gf.NMF,
    "MiniBatchNMF": gf.MiniBatchNMF,
    "KMeans": gf.KMeans,
    "MiniBatchKMeans": gf.MiniBatchKMeans,
    "GaussianMixture": gf.GaussianMixture,
    "PoissonMixture": gf.PoissonMixture,
    "PCA": gf.PCA,
    "TruncatedSVD": gf.TruncatedSVD,
    "IncrementalPCA": gf.IncrementalPCA,
    "RobustPCA": gf.RobustPCA,
    "OnlineRobustPCA": gf.OnlineRobustPCA,
    "DictionaryLearning": gf.DictionaryLearning,
    "MiniBatchDictionaryLearning": gf.MiniBatchDictionaryLearning,
    "SparseCoder": lambda: gf.SparseCoder(np.eye(4, 6)),
    "Ridge": gf.Ridge,
}
CHOICES: dict[str, list[Any]] = {
    "n_components": [None, 1, 2, 3, 7, 50],
    "n_clusters": [1, 2, 3, 7],
    "warm_start": [True, False],
    "covariance_type": ["full", "tied", "diag", "spherical"],
    "missing": ["error", "mask"],
    "init": ["random", "custom", "k-means++", "k-means||", "nndsvd", None],
    "init_params": ["kmeans", "k-means++", "random", "random_from_data"],
    "solver": ["cd", "mu", "auto", "dual", "cg", "svd"],
    "beta_loss": ["frobenius", "kullback-leibler"],
    "svd_solver": ["auto", "full", "covariance_eigh", "randomized"],
    "fit_algorithm": ["lars", "cd", "omp", "ksvd", "soup_l0", "soup_l1"],
    "transform_algorithm": ["omp", "lasso_cd", "threshold", "lars"],
    "penalty": ["l1", "l21"],
    "metric": ["euclidean", "cosine"],
    "max_rank": [None, 1, 2],
    "frozen": [None, np.ones((1, 6)), np.ones((2, 4)), np.ones(6)],
    "dict_init": [None, np.ones((2, 6)), np.ones((3, 4)), np.ones(6)],
    "code_init": [None, np.ones((20, 2)), np.ones((3, 4))],
    "dictionary": [np.eye(4, 6), np.eye(2, 4), np.ones(6)],
    "means_init": [None, np.ones((2, 6)), np.ones((1, 4)), np.ones(6)],
    "rates_init": [None, np.ones((2, 6)), np.ones((1, 4)), np.ones(6)],
    "weights_init": [None, [0.5, 0.5], [1.0], [[0.5, 0.5]]],
    "precisions_init": [None, np.ones(2), np.ones((2, 6)), np.eye(6)],
    "prior_mean": [None, np.ones(6), np.ones(4), np.ones((2, 6))],
    "alpha": [1.0, [1.0, 2.0], [1.0]],
    "lam": ["auto", 0.5, np.ones((20, 6)), np.ones((3, 4))],
    "fit_intercept": [True, False],
    "whiten": [True, False],
    "positive": [True, False],
    "batch_size": [3, 7, 100],
    "n_init": [1, 2],
    "whatever": [0],
}
OF_X = (
    "fit", "partial_fit", "fit_transform", "transform", "predict", "predict_proba", "score", "score_samples",
    "inverse_transform", "fit_predict", "bic", "standard_errors",
)  # fmt: skip
OF_NOTHING = ("complete", "get_covariance", "get_precision")


@functools.cache
def others(n, m):
    """Further arguments by name, for X of n rows and m columns: some fit, some do not."""
    return {
        "sample_weight": [np.ones(n), np.ones(3), np.ones((n, 2)), np.zeros(n)],
        "exposure": [np.ones(n), np.ones(3), np.ones((n, 2))],
        "mask": [np.ones((n, m), bool), np.ones((3, 4), bool), np.ones(m), np.zeros((n, m))],
        "W": [np.ones((n, 2)), np.ones((n, 3)), np.ones((3, 2)), np.ones(2)],
        "H": [np.ones((2, m)), np.ones((3, m)), np.ones((2, 3)), np.ones(2)],
        "y": [np.ones(n), np.ones((n, 2)), np.ones(3), np.ones((n, 2, 2))],
    }


@functools.cache
def matrices():
    x = counts(20, 6) + 0.0
    return [
        x, x, x.astype(np.float32), sp.csr_array(x), sp.csr_array(x.astype(np.float32)), counts(20, 4),
        sp.csc_array(counts(20, 4)), counts(3, 6), counts(1, 6), x[:, :0], x[:0], x[0], x[None], x[:, :1],
        np.ones((20, 2)), np.zeros((20, 6)), x - 3.0,
    ]  # fmt: skip


def call_of(draw, model):
    """A method with its arguments."""
    method = draw(st.sampled_from([m for m in (*OF_X, *OF_NOTHING) if hasattr(type(model), m)]))
    if method in OF_NOTHING:
        return method, (), {}
    x = draw(st.sampled_from(matrices()))
    taken = inspect.signature(getattr(type(model), method)).parameters
    needed = ("y",) if isinstance(model, gf.Ridge) and "y" in taken else ()
    given = {
        name: draw(st.sampled_from(values))
        for name, values in (others(*x.shape) if x.ndim == 2 else {}).items()
        if name in taken and (name in needed or draw(st.integers(0, 3)) == 0)
    }
    return method, (x,), given if x.ndim == 2 else given | dict.fromkeys(needed, np.ones(20))


@pytest.mark.parametrize("name", ESTIMATORS)
@settings(max_examples=60)
@given(data=st.data())
def test_random_walks_end_in_results_or_in_our_own_words(name, data):
    model, walk = ESTIMATORS[name](), []
    if hasattr(model, "max_iter"):
        model.set_params(max_iter=4)
    parameters = [p for p in CHOICES if p in model.get_params()]
    for _ in range(data.draw(st.integers(1, 5))):
        for parameter in data.draw(st.lists(st.sampled_from(parameters), max_size=2)):
            model.set_params(**{parameter: data.draw(st.sampled_from(CHOICES[parameter]))})
            walk.append(f"{parameter}={getattr(model, parameter)!r}")
        method, arguments, given = call_of(data.draw, model)
        shapes = [np.shape(a) for a in arguments], {name: np.shape(value) for name, value in given.items()}
        walk.append(f"{method}{shapes}")
        if not hasattr(model, method):
            continue
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                getattr(model, method)(*arguments, **given)
        except (ValueError, TypeError, AttributeError) as error:
            said = f"{type(error).__name__}: {error}"
            if UNFIT.search(said):
                pytest.fail(f"{walk}: {said}")
