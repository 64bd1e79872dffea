"""Which of scikit-learn's names gramfold has, and where."""

from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator

# Of each public module of scikit-learn the names, and the modules of gramfold that have them.
NAMES = {
    "sklearn.decomposition": {
        "NMF": "nmf.estimator", "non_negative_factorization": "nmf.estimator",
        "MiniBatchNMF": "nmf.minibatch", "PCA": "pca.estimator", "IncrementalPCA": "pca.incremental",
        "TruncatedSVD": "pca.truncated_svd", "DictionaryLearning": "dictionary.estimator",
        "MiniBatchDictionaryLearning": "dictionary.minibatch", "SparseCoder": "coding.sparse_coder",
        "sparse_encode": "coding.sparse_encode",
    },
    "sklearn.cluster": {
        "KMeans": "kmeans.estimator", "MiniBatchKMeans": "kmeans.minibatch",
        "kmeans_plusplus": "kmeans.seeding",
    },
    "sklearn.mixture": {"GaussianMixture": "mixture.gaussian"},
    "sklearn.linear_model": {"Ridge": "ridge.estimator"},
}  # fmt: skip


def ours(module: str, name: str) -> Any:
    """What gramfold has by a name of scikit-learn's."""
    return getattr(import_module(f"gramfold.{NAMES[module][name]}"), name)


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
    module = next((module for module, found in NAMES.items() if name in found), None)
    if module is None or not type(model).__module__.startswith(module):
        raise TypeError(f"gramfold has no class for {type(model).__module__}.{name}")
    made = ours(module, name)(**model.get_params(deep=False))
    vars(made).update({key: value for key, value in vars(model).items() if key.endswith("_")})
    if hasattr(model, "_sklearn_output_config"):
        made._sklearn_output_config = model._sklearn_output_config
    return made
