"""Values that no parameter should be given, calls of estimators, and what a refusal must be."""

import functools
import os
import re
import signal
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from test_messages import UNFIT

import gramfold as gf

ROWS, COLS = 24, 6
SECONDS = 20  # after which a call hangs


def nothing(*_: Any, **__: Any) -> None:
    """A callable."""


VALUES: dict[str, Any] = {
    "None": None, "True": True, "np.True_": np.True_, "-1": -1, "0": 0, "np.int64(3)": np.int64(3),
    "2**31": 2**31, "2**63": 2**63, "2**200": 2**200, "-2**63": -(2**63), "10**400": 10**400,
    "1.5": 1.5, "-0.0": -0.0, "np.float32(.5)": np.float32(0.5), "nan": np.nan, "inf": np.inf,
    "-inf": -np.inf, "1e308": 1e308, "1e-320": 1e-320,
    "complex": 1 + 1j, "''": "", "nonsense": "nonsense", "bytes": b"x",
    "[]": [], "[[]]": [[]],
    "ragged": [1, [2]], "[None]": [None], "(1, 2)": (1, 2), "(2**40, 2**40)": (2**40, 2**40), "{}": {},
    "object": object(), "function": nothing, "array(2)": np.array(2),
    "ones(7)": np.ones(7), "ones(2, 3)": np.ones((2, 3)), "nan(3, 6)": np.full((3, COLS), np.nan),
    "strings": np.array(["a", "b"]), "objects": np.array([object()]), "dates": np.zeros(ROWS, "M8[s]"),
    "sparse": sp.csr_array(np.ones((2, 3))), "huge int": [10**400],
}  # fmt: skip
# Of these one of each kind, and of arrays those that fit nowhere.
SOME = (
    "None", "-1", "2**63", "10**400", "1.5", "nan", "inf", "1e308", "complex", "nonsense", "[]", "ragged",
    "{}", "object", "ones(7)", "ones(2, 3)", "strings", "dates", "huge int",
)  # fmt: skip
ARRAYS = {
    "a row less": np.ones(ROWS - 1), "two columns": np.ones((ROWS, 2)), "negative": -np.ones(ROWS),
    "nothing": np.zeros(ROWS), "nan(24)": np.full(ROWS, np.nan), "inf(24)": np.full(ROWS, np.inf),
    "strings(24)": np.full(ROWS, "a"), "objects(24)": np.full(ROWS, object()),
    "cube": np.ones((ROWS, COLS, 2)), "complex(24)": np.full(ROWS, 1j),
    "frame of another length": pd.DataFrame(np.ones((ROWS + 1, 1))),
    "sparse(24, 6)": sp.csr_array(np.ones((ROWS, COLS))), "empty": np.empty((0, COLS)),
    "negative(24, 6)": -np.ones((ROWS, COLS)), "nan(24, 6)": np.full((ROWS, COLS), np.nan),
    "strings(24, 6)": np.full((ROWS, COLS), "a"), "all hidden": np.zeros((ROWS, COLS), bool),
    "negative W": -np.ones((ROWS, 3)), "negative H": -np.ones((3, COLS)),
}  # fmt: skip


class Hangs(BaseException):
    """A call does not come back."""


@contextmanager
def in_time():
    """End what hangs in Python."""

    def ring(*_: Any) -> None:
        raise Hangs

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@functools.cache
def data():
    rng = np.random.default_rng(0)
    x = 1.0 + rng.poisson(3, (ROWS, COLS))
    return x, x @ np.arange(COLS) + rng.standard_normal(ROWS)


def atoms():
    return np.random.default_rng(1).standard_normal((4, COLS))


def fault(error: BaseException, *names: str) -> str | None:
    """What is wrong with an error as a refusal of an argument that it must name, one of `names`."""
    try:
        said = f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__} cannot be shown"
    if not isinstance(error, ValueError | TypeError):
        return said
    if UNFIT.search(said):
        return f"foreign words: {said}"
    if not any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", str(error)) for name in names):
        return f"does not name {names[0]}: {said}"
    return None


def missing(error: BaseException | None, value: Any) -> bool:
    """Whether it says that there is no such file, where a path was taken for one."""
    named = isinstance(value, str | bytes) and os.fsdecode(value) in str(error)
    return named and isinstance(error, FileNotFoundError)


def finite(found: Any) -> bool:
    """Whether a result has no NaN and no infinity."""
    if isinstance(found, tuple | list):
        return all(map(finite, found))
    a = found.data if sp.issparse(found) else found
    return not isinstance(a, np.ndarray | float | np.floating) or bool(
        np.asarray(a).dtype.kind not in "fc" or np.isfinite(a).all()
    )


def outcome(call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What a call gives, or how it ends."""
    with in_time(), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return call(), None
        except (Exception, Hangs) as error:
            return None, error


MAKERS: dict[str, Callable[[], Any]] = {
    "NMF": lambda: gf.NMF(3, init="random", random_state=0, max_iter=8, tol=1e-2),
    "NMF, mu": lambda: gf.NMF(
        3, init="random", random_state=0, max_iter=8, tol=1e-2, solver="mu", beta_loss=1.5
    ),
    "NMF, KL": lambda: gf.NMF(3, random_state=0, max_iter=8, tol=1e-2, beta_loss="kullback-leibler"),
    "NMF, missing": lambda: gf.NMF(3, init="random", random_state=0, max_iter=8, missing="mask"),
    "MiniBatchNMF": lambda: gf.MiniBatchNMF(3, init="random", random_state=0, max_iter=3, tol=0.1),
    "MiniBatchNMF, IS": lambda: gf.MiniBatchNMF(3, random_state=0, max_iter=3, beta_loss="itakura-saito"),
    "KMeans": lambda: gf.KMeans(3, random_state=0),
    "KMeans, cosine": lambda: gf.KMeans(
        3, init="random", n_init=2, ridge=1.0, metric="cosine", random_state=0
    ),
    "MiniBatchKMeans": lambda: gf.MiniBatchKMeans(3, batch_size=10, max_iter=5, random_state=0),
    "GaussianMixture": lambda: gf.GaussianMixture(2, max_iter=5, random_state=0),
    "GaussianMixture, diag": lambda: gf.GaussianMixture(
        2, covariance_type="diag", accelerate=True, init_params="random", max_iter=5, random_state=0
    ),
    "PoissonMixture": lambda: gf.PoissonMixture(2, max_iter=5, random_state=0),
    "PCA": lambda: gf.PCA(2, random_state=0),
    "PCA, randomized": lambda: gf.PCA(2, svd_solver="randomized", random_state=0),
    "PCA, missing": lambda: gf.PCA(2, missing="mask", random_state=0),
    "TruncatedSVD": lambda: gf.TruncatedSVD(2, random_state=0),
    "IncrementalPCA": lambda: gf.IncrementalPCA(2),
    "RobustPCA": lambda: gf.RobustPCA(tol=1e-3, max_iter=50),
    "RobustPCA, noise": lambda: gf.RobustPCA(tol=1e-3, max_iter=50, noise=0.5),
    "OnlineRobustPCA": lambda: gf.OnlineRobustPCA(2),
    "SparseCoder": lambda: gf.SparseCoder(atoms()),
    "SparseCoder, lasso": lambda: gf.SparseCoder(atoms(), transform_algorithm="lasso_cd"),
    "DictionaryLearning": lambda: gf.DictionaryLearning(3, max_iter=3, random_state=0),
    "DictionaryLearning, cd": lambda: gf.DictionaryLearning(
        3, fit_algorithm="cd", transform_algorithm="lasso_cd", max_iter=3, random_state=0
    ),
    "MiniBatchDictionaryLearning": lambda: gf.MiniBatchDictionaryLearning(
        3, fit_algorithm="cd", transform_algorithm="lasso_cd", max_iter=3, random_state=0
    ),
    "Ridge": lambda: gf.Ridge(random_state=0),
    "Ridge, lsqr": lambda: gf.Ridge(solver="lsqr", max_iter=50),
    "Ridge, sgd": lambda: gf.Ridge(solver="sgd", tol=1e-2, max_iter=50, random_state=0),
    "Ridge, admm": lambda: gf.Ridge(solver="admm", max_iter=50, positive=True),
}


def call(model: Any, method: str, **given: Any) -> Any:
    """A method, with the data that it wants."""
    x, y = data()
    if method == "inverse_transform":
        k = len(getattr(model, "components_", atoms()))
        return model.inverse_transform(np.ones((3, k)))
    if method == "sample":
        return model.sample(**given)
    if isinstance(model, gf.Ridge) and method in ("fit", "partial_fit", "score"):
        given = {"y": y, **given}
    if "X" in given:
        x = given.pop("X")
    elif not given and method not in ("fit", "partial_fit"):
        x = x[:5]  # some transform slowly
    return getattr(model, method)(x, **given)
