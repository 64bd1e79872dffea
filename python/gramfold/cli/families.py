"""What each fitting command fits, and what of it is reported."""

from typing import NamedTuple


class Family(NamedTuple):
    """One command that fits.

    Attributes
    ----------
    model : str
        The class, of gramfold.
    help : str
    components : str
        The attribute that is written as components.
    objective : str
        What is reported: an attribute, or else the last entry of `history_`.
    certificate : str
        The same.
    rank : str or None
        The parameter behind -k.
    init : str or None
        That behind --init.
    rows : str
        The method whose results are written for each row.
    restarts : str or None
        The start, by `init`, of which restarts differ; None if they would not.
    by_fit : str or None
        What gives the same at the end of a fit: a method that fits, or an attribute.
    outliers : str or None
        The attribute that is written as outliers.
    largest : bool
        Whether the objective is the better the larger it is.
    """

    model: str
    help: str
    components: str
    objective: str
    certificate: str
    rank: str | None = "n_components"
    init: str | None = None
    rows: str = "transform"
    restarts: str | None = None
    by_fit: str | None = None
    outliers: str | None = None
    largest: bool = False


FAMILIES = {
    "nmf": Family(
        "NMF", "non-negative matrix factorisation", "components_", "objective", "kkt_residual_",
        init="init", restarts="random", by_fit="fit_transform",
    ),
    "kmeans": Family(
        "KMeans", "k-means clustering", "cluster_centers_", "objective_", "kkt", rank="n_clusters",
        init="init", rows="predict", restarts="k-means++", by_fit="labels_",
    ),
    "pca": Family(
        "PCA", "principal components", "components_", "explained_variance_ratio_", "residuals_", largest=True
    ),
    "rpca": Family(
        "RobustPCA", "low rank and outliers", "components_", "objective_", "dual_gap_", rank="max_rank",
        outliers="sparse_",
    ),
    "gmm": Family(
        "GaussianMixture", "mixtures of Gaussians", "means_", "lower_bound_", "kkt", init="init_params",
        rows="predict", restarts="kmeans", largest=True,
    ),
    "poisson": Family(
        "PoissonMixture", "mixtures of counts", "rates_", "lower_bound_", "kkt", init="init_params",
        rows="predict", restarts="kmeans", largest=True,
    ),
    "dictionary": Family(
        "DictionaryLearning", "dictionaries of sparse codes", "components_", "error_", "kkt",
    ),
    "ridge": Family(
        "Ridge", "least squares with an L2 penalty; needs --target", "coef_", "objective", "duality_gap_",
        rank=None, rows="predict",
    ),
}  # fmt: skip


def family_of(model: str) -> Family | None:
    """What fits a class; None if no command does."""
    return next((family for family in FAMILIES.values() if family.model == model), None)
