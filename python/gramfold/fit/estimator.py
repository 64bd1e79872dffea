"""What every estimator is: one of scikit-learn's, with its callbacks, and a way to its class of that name."""

import inspect
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..keep.layout import VERSION
from .callbacks import CallbackSupportMixin
from .warn import warn

TWINS = {
    "NMF": "sklearn.decomposition", "MiniBatchNMF": "sklearn.decomposition", "PCA": "sklearn.decomposition",
    "IncrementalPCA": "sklearn.decomposition", "TruncatedSVD": "sklearn.decomposition",
    "DictionaryLearning": "sklearn.decomposition", "SparseCoder": "sklearn.decomposition",
    "MiniBatchDictionaryLearning": "sklearn.decomposition", "KMeans": "sklearn.cluster",
    "MiniBatchKMeans": "sklearn.cluster", "GaussianMixture": "sklearn.mixture",
    "Ridge": "sklearn.linear_model",
}  # fmt: skip
# Parameters on which nothing depends that is learned.
WITHOUT_EFFECT = (
    "n_threads", "n_jobs", "callback", "max_time", "verbose", "verbose_interval", "copy_x", "copy_X",
)  # fmt: skip


def of_sklearn(name: str) -> Any:
    """scikit-learn's own class of this name, also while `accelerate` has put another in its place."""
    module = vars(import_module(TWINS[name]))
    replaced = module.get("_gramfold", {})
    return replaced[name][0] if name in replaced else module[name]


def check_fitted(estimator: Any) -> None:
    """Refuse an estimator that has not learned; that of scikit-learn asks for tags first."""
    if not any(name.endswith("_") and not name.startswith("_") for name in reversed(vars(estimator))):
        check_is_fitted(estimator)


def _own_class(model: Any) -> type | None:
    """The class of gramfold that a model is of, if scikit-learn has one of this name."""
    own = (cls for cls in type(model).__mro__ if cls.__module__.startswith("gramfold."))
    return next((cls for cls in own if cls.__name__ in TWINS), None)


class Estimator(CallbackSupportMixin, BaseEstimator):
    """An estimator of gramfold."""

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_gramfold_version": VERSION}

    def __setstate__(self, state: dict[str, Any]) -> None:
        written = state.get("_gramfold_version", VERSION)
        if written != VERSION:
            warn(
                f"this {type(self).__name__} was pickled by gramfold {written} and read by {VERSION}, which "
                "may lack or rename what it holds; gf.save writes files that later versions read",
                UserWarning,
            )
        super().__setstate__({name: value for name, value in state.items() if name != "_gramfold_version"})

    @available_if(_own_class)  # type: ignore[untyped-decorator]
    def to_sklearn(self) -> Any:
        """Give the model as scikit-learn's class of the same name, fitted if this one is.

        It predicts, transforms and scores with what was learned here, and works wherever scikit-learn's does,
        with ONNX converters say; `transform` of an NMF stops as far from the optimum as `tol` lets it there.
        Arrays are shared, not copied. The values of parameters stay: one that scikit-learn does not know, as
        init='k-means||', is refused when it is fitted again.

        Returns
        -------
        estimator

        Raises
        ------
        ValueError
            If a parameter that scikit-learn lacks is set to other than its default.
        AttributeError
            If scikit-learn has no such class.
        """
        own = _own_class(self)
        assert own is not None
        twin = of_sklearn(own.__name__)
        made = twin(**self._parameters_of(own, twin))
        learned = {name: value for name, value in vars(self).items() if name.endswith("_")}
        vars(made).update(learned)
        if hasattr(self, "_sklearn_output_config"):
            made._sklearn_output_config = self._sklearn_output_config
        if "cluster_centers_" in learned:
            made._n_threads, made._n_features_out = 1, len(learned["cluster_centers_"])
        if twin.__name__ == "MiniBatchNMF" and learned:
            made._check_params(np.empty((1, learned["n_features_in_"])))
            made._n_components = len(learned["components_"])
        return made

    def _parameters_of(self, own: type, twin: type[BaseEstimator]) -> dict[str, Any]:
        """The parameters that scikit-learn's class has too; others must be at their defaults."""
        ours, theirs = (inspect.signature(cls).parameters for cls in (own, twin))
        for name in ours.keys() - theirs.keys() - set(WITHOUT_EFFECT):
            value, default = getattr(self, name), ours[name].default
            if value is not default and (np.ndim(value) or value != default):
                raise ValueError(f"scikit-learn's {twin.__name__} has no {name}, which is {value!r}")
        given = {name: getattr(self, name) for name in ours if name in theirs and name != "callback"}
        if isinstance(given.get("init"), str) and given["init"] == "auto":
            given["init"] = theirs["init"].default
        return given
