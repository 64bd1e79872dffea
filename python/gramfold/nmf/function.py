"""NMF as a function."""

from typing import Any

import numpy as np

from ..fit.arguments import flag
from ..fit.warn import warn
from ..fold.source import Array
from .checks import check_factor
from .estimator import NMF


def non_negative_factorization(
    X: Any,
    W: Any = None,
    H: Any = None,
    n_components: int | str | None = "auto",
    *,
    update_H: bool = True,
    mask: Any = None,
    **parameters: Any,
) -> tuple[Array, Array, int]:
    """Factorise X ~ WH; the functional form of `NMF`.

    Parameters
    ----------
    X : array-like, CSR/CSC matrix or `blocks` of shape (n_samples, n_features)
    W, H : array-like of shape (n_samples, n_components), (n_components, n_features), optional
        The start, with init='custom'.
    n_components : int, 'auto' or None
        As in `NMF`; of a given H, 'auto' is its number of rows.
    update_H : bool
        False: H is fixed and only W is solved for, to convergence; a W that is given is only checked.
    mask : array-like of shape (n_samples, n_features), optional
        As in `NMF.fit_transform`.
    **parameters
        Those of `NMF`.

    Returns
    -------
    W, H : ndarray of shape (n_samples, n_components), (n_components, n_features)
        Those of `NMF.fit_transform`: W is solved for the final H.
    n_iter : int

    Raises
    ------
    ValueError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> import gramfold as gf
    >>> X = np.array([[1.0, 1], [2, 1], [3, 1.2], [4, 1], [5, 0.8], [6, 1]])
    >>> W, H, n_iter = gf.non_negative_factorization(X, n_components=2, random_state=0)
    >>> W.shape, H.shape
    ((6, 2), (2, 2))
    """
    model = NMF(n_components, **parameters)
    if flag(update_H, "update_H"):
        W = model.fit_transform(X, W=W, H=H, mask=mask)
        return W, model.components_, model.n_iter_
    model._check_parameters()
    if H is None:
        raise ValueError("update_H=False needs H")
    loss = model._loss(X, mask, reset=True)
    H = check_factor(H, "H", loss.x.dtype, model.H_nonneg)
    if W is not None:
        warn("When update_H=False, the provided initial W is not used.", RuntimeWarning)
        W = check_factor(W, "W", loss.x.dtype, model.W_nonneg)
    model._check_shapes(loss.x, W, H)
    return loss.encode(np.ascontiguousarray(H.T)), H, 1
