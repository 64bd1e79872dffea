"""Models of the cells of an AnnData, with results where scverse's packages look for them.

Each function fits a model to the rows of `adata.X`, or of a layer, dense or sparse, and gives it back. What
was learned of the cells goes to `obsm` or `obs`, of the genes to `varm`, and the rest to `uns`, under the
names that scanpy uses where it has the model. A backed matrix is read segment by segment. anndata itself is
not imported.
"""

from typing import Any

import numpy as np

from .kmeans.estimator import KMeans
from .nmf.estimator import NMF
from .pca.estimator import PCA

Parameters = dict[str, Any]


def nmf(adata: Any, n_components: int, *, layer: str | None = None, **parameters: Any) -> NMF:
    """Factorise the cells by genes: W in obsm["X_nmf"], H' in varm["nmf"].

    Parameters
    ----------
    adata : AnnData
        Changed in place.
    n_components : int
    layer : str, optional
        A layer in place of X.
    **parameters
        Those of `NMF`.

    Returns
    -------
    NMF
        The fitted model; its error and its parameters are in uns["nmf"] too.
    """
    model = NMF(n_components, **parameters)
    adata.obsm["X_nmf"] = model.fit_transform(_cells(adata, layer))
    adata.varm["nmf"] = np.ascontiguousarray(model.components_.T)
    adata.uns["nmf"] = {
        "params": _said(n_components, layer, parameters),
        "reconstruction_err": model.reconstruction_err_,
        "kkt_residual": model.kkt_residual_,
    }
    return model


def pca(adata: Any, n_components: int = 50, *, layer: str | None = None, **parameters: Any) -> PCA:
    """Find principal components: coordinates in obsm["X_pca"], components in varm["PCs"], as scanpy.

    Parameters
    ----------
    adata, layer
        As in `nmf`.
    n_components : int
    **parameters
        Those of `PCA`.

    Returns
    -------
    PCA
        The fitted model; `variance` and `variance_ratio` are in uns["pca"].
    """
    model = PCA(n_components, **parameters)
    adata.obsm["X_pca"] = model.fit_transform(_cells(adata, layer))
    adata.varm["PCs"] = np.ascontiguousarray(model.components_.T)
    adata.uns["pca"] = {
        "params": _said(n_components, layer, parameters),
        "variance": model.explained_variance_,
        "variance_ratio": model.explained_variance_ratio_,
    }
    return model


def kmeans(
    adata: Any, n_clusters: int, *, layer: str | None = None, use_rep: str | None = None, **parameters: Any
) -> KMeans:
    """Cluster the cells: labels in obs["kmeans"], as categories "0", "1", ....

    Parameters
    ----------
    adata, layer
        As in `nmf`.
    n_clusters : int
    use_rep : str, optional
        A key of obsm whose rows are clustered in place of X, such as "X_pca".
    **parameters
        Those of `KMeans`.

    Returns
    -------
    KMeans
        The fitted model; its inertia is in uns["kmeans"] too.
    """
    import pandas

    if use_rep is not None and layer is not None:
        raise ValueError(f"use_rep={use_rep!r} and layer={layer!r} are two sources of rows; give one")
    model = KMeans(n_clusters, **parameters)
    model.fit(_cells(adata, layer) if use_rep is None else np.asarray(adata.obsm[use_rep]))
    names = [str(label) for label in range(n_clusters)]
    labels = pandas.Categorical.from_codes(model.labels_, names)
    adata.obs["kmeans"] = pandas.Series(labels, index=adata.obs_names)
    adata.uns["kmeans"] = {
        "params": _said(n_clusters, layer, parameters) | ({} if use_rep is None else {"use_rep": use_rep}),
        "inertia": model.inertia_,
    }
    return model


def _cells(adata: Any, layer: str | None) -> Any:
    return adata.X if layer is None else adata.layers[layer]


def _said(count: int, layer: str | None, parameters: Parameters) -> Parameters:
    """The parameters that a file can hold."""
    plain = {name: value for name, value in parameters.items() if isinstance(value, bool | int | float | str)}
    return {"n": count, **({} if layer is None else {"layer": layer}), **plain}
