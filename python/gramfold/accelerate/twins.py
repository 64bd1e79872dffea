"""Which of scikit-learn's names gramfold has, and models of those classes as gramfold's."""

from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator

from ..fit.estimator import TWINS

FUNCTIONS = {
    "non_negative_factorization": "sklearn.decomposition",
    "sparse_encode": "sklearn.decomposition",
    "kmeans_plusplus": "sklearn.cluster",
}
NAMES = TWINS | FUNCTIONS


def ours(name: str) -> Any:
    """What gramfold has by a name of scikit-learn's."""
    return getattr(import_module("gramfold"), name)


def from_sklearn(model: BaseEstimator) -> Any:
    """Give a model of scikit-learn's as gramfold's, fitted if it is: for fast `transform`, and as a start.

    What was learned is taken over, and arrays are shared; `partial_fit` needs a fit of gramfold's own.

    Parameters
    ----------
    model : estimator
        Of a class of scikit-learn's that gramfold has.

    Returns
    -------
    estimator

    Raises
    ------
    TypeError
        If gramfold has no such class.

    Examples
    --------
    >>> import gramfold as gf
    >>> from sklearn.cluster import KMeans
    >>> slow = KMeans(2, random_state=0, n_init=1).fit([[0.0], [1.0], [9.0]])
    >>> gf.from_sklearn(slow).predict([[8.0]]) == slow.predict([[8.0]])
    array([ True])
    """
    name = type(model).__name__
    if name not in TWINS or not type(model).__module__.startswith(TWINS[name]):
        raise TypeError(f"gramfold has no class for {type(model).__module__}.{name}, the class of model")
    made = ours(name)(**model.get_params(deep=False))
    vars(made).update({key: value for key, value in vars(model).items() if key.endswith("_")})
    if hasattr(model, "_sklearn_output_config"):
        made._sklearn_output_config = model._sklearn_output_config
    return made
