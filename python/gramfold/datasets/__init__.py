"""Data to try a factorisation on: with known factors, from photographs, and counts from a newspaper."""

from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array

from ..fit.arguments import Seed, check_room, flag, floating, generator, real, whole
from .photographs import faces, image_patches
from .video import make_video

__all__ = ["faces", "image_patches", "make_counts", "make_nmf", "make_video", "times_deaths"]

Array = NDArray[Any]

MAX_ROUNDS = 100


def make_nmf(
    n_samples: int,
    n_features: int,
    n_components: int,
    *,
    density: float = 1.0,
    noise: float = 0.0,
    separable: bool = False,
    dtype: DTypeLike = np.float64,
    random_state: Seed = None,
) -> tuple[Array, Array, Array]:
    """Make a matrix with known non-negative factors, X = max(0, W H + noise).

    Parameters
    ----------
    n_samples, n_features, n_components : int
    density : float in (0, 1], default=1.0
        Chance that an entry of W or H is not zero; the others are uniform on (0, 1]. Each
        component keeps at least one entry in both.
    noise : float, default=0.0
        Standard deviation of the Gaussian noise, as a fraction of the root mean square of W H.
    separable : bool, default=False
        Plant, at random places, the rows of the identity among those of W and its columns among
        those of H. Then W H has no other non-negative factors of this rank but these, permuted
        and scaled (Notes), so a fit can be compared with them.
    dtype : float32 or float64, default=float64
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    X : array of shape (n_samples, n_features)
    W : array of shape (n_samples, n_components)
    H : array of shape (n_components, n_features)

    Raises
    ------
    ValueError
        If a size is below 1, `density` or `noise` is out of range, `dtype` is another, or a
        separable X is asked with more components than samples or features.

    Notes
    -----
    If W H = W' H' with n_components = rank(W H), then W' = W A and H' = inv(A) H. A row of the
    identity in W makes a row of A a row of W', so A >= 0; its columns in H likewise make
    inv(A) >= 0. Both hold only for a permutation times a positive diagonal [1]_. Planting in W
    alone is not enough.

    References
    ----------
    .. [1] H. Laurberg, M. Christensen, M. Plumbley, L. Hansen, S. Jensen, "Theorems on positive
       data: on the uniqueness of NMF", Computational Intelligence and Neuroscience, 2008.

    Examples
    --------
    >>> from gramfold.datasets import make_nmf
    >>> X, W, H = make_nmf(50, 20, 3, random_state=0)
    >>> bool((X == W @ H).all()), X.shape
    (True, (50, 20))
    """
    _check_sizes(n_samples, n_features, n_components)
    density, noise = real(density, "density", high=1.0), real(noise, "noise")
    if density == 0:
        raise ValueError("density must be above 0")
    if flag(separable, "separable") and n_components > min(n_samples, n_features):
        raise ValueError(
            f"separable needs n_components <= n_samples and n_features, got {n_components} "
            f"for {n_samples} x {n_features}"
        )
    kept, rng = floating(dtype), generator(random_state)
    largest = max((n_samples, "n_samples"), (n_features, "n_features"), (n_components, "n_components"))
    check_room(*largest, n_samples * n_features + (n_samples + n_features) * n_components)
    W = _factor(n_samples, n_components, density, separable, kept, rng)
    H = np.ascontiguousarray(_factor(n_features, n_components, density, separable, kept, rng).T)
    X = W @ H
    if noise > 0:
        with np.errstate(over="ignore"):
            scale = kept.type(noise * np.sqrt(np.mean(np.square(X), dtype=np.float64)))
            X += scale * rng.standard_normal(X.shape, dtype=cast(Any, kept))
        if not np.isfinite(X).all():
            raise ValueError(f"noise={noise:g} leaves the range of {kept}")
        np.maximum(X, 0, out=X)
    return X, W, H


def make_counts(
    n_samples: int,
    n_features: int,
    n_components: int,
    *,
    row_nnz: int = 7,
    exponent: float = 1.1,
    random_state: Seed = None,
) -> tuple[csr_array, Array, Array]:
    """Make a sparse matrix of counts, such as words in short texts, from a mixture of topics.

    A row draws a topic from its mixture and a column from the topic, again and again, until
    `row_nnz` different columns have come up; an entry counts how often its column did. The dense
    matrix is never built.

    Parameters
    ----------
    n_samples, n_features, n_components : int
        Rows, columns, topics.
    row_nnz : int, default=7
        Stored entries in every row.
    exponent : float, default=1.1
        The r-th most popular column has popularity r ** -exponent (Zipf); columns are in random
        order. Each topic multiplies it by its own Gamma(0.2) weights.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    X : CSR array of shape (n_samples, n_features), float64
        Sorted indices, 32-bit where they fit.
    W : array of shape (n_samples, n_components)
        Topic mixture of each row, from a Dirichlet(0.1); rows sum to 1.
    H : array of shape (n_components, n_features)
        Column distribution of each topic; rows sum to 1.

    Raises
    ------
    ValueError
        If a size is below 1, `exponent` is negative, `row_nnz` exceeds `n_features`, or so many
        different columns do not come up in a reasonable number of draws.

    Examples
    --------
    >>> from gramfold.datasets import make_counts
    >>> X, W, H = make_counts(1000, 300, 5, random_state=0)
    >>> X.shape, X.nnz
    ((1000, 300), 7000)
    """
    _check_sizes(n_samples, n_features, n_components)
    exponent = real(exponent, "exponent")
    if whole(row_nnz, "row_nnz") > n_features:
        raise ValueError(f"row_nnz must be at most n_features, got {row_nnz} > {n_features}")
    rng = generator(random_state)
    largest = max((n_samples, "n_samples"), (n_features, "n_features"), (n_components, "n_components"))
    check_room(*largest, (n_samples + n_features) * n_components + n_samples * row_nnz)
    W = _distributions(rng.standard_gamma(0.1, (n_samples, n_components)))
    popularity = rng.permutation(np.arange(1.0, n_features + 1) ** -exponent)
    H = _distributions(rng.standard_gamma(0.2, (n_components, n_features)) * popularity)
    topic_ends, column_ends = _ends(W), _ends(H)
    index = np.int32 if max(n_samples * row_nnz, n_features) < 2**31 else np.int64
    X = csr_array((n_samples, n_features))
    for _ in range(MAX_ROUNDS):
        # As many draws as entries are missing cannot give too many.
        missing = row_nnz - np.diff(X.indptr)
        if not missing.any():
            return X, W, H
        rows = np.repeat(np.arange(n_samples), missing)
        columns = _draw(column_ends, _draw(topic_ends, rows, rng), rng)
        pairs = rows.astype(index), columns.astype(index)
        X = X + csr_array((np.ones(len(rows)), pairs), shape=X.shape)
    raise ValueError(
        f"row_nnz={row_nnz} different columns of n_features={n_features} hardly ever come up at "
        f"exponent={exponent}: lower one of the two"
    )


def times_deaths() -> tuple[Array, Array]:
    """Deaths of women of 80 years and over, by The Times of London: a mixture of two Poisson distributions.

    On 1096 days of the years 1910 to 1912 the newspaper printed between 0 and 9 such notices [1]_.

    Returns
    -------
    deaths : array of shape (10, 1), float64
        The numbers 0 to 9, one to a row, as `PoissonMixture` takes them.
    days : array of shape (10,), float64
        On how many days there were so many: the weights of the rows.

    References
    ----------
    .. [1] V. Hasselblad, "Estimation of finite mixtures of distributions from the exponential family",
       Journal of the American Statistical Association 64, 1969.

    Examples
    --------
    >>> import gramfold as gf
    >>> deaths, days = gf.datasets.times_deaths()
    >>> model = gf.PoissonMixture(2, tol=1e-9, max_iter=200, random_state=0).fit(deaths, sample_weight=days)
    >>> sorted(model.rates_[:, 0].round(1).tolist())
    [1.3, 2.7]
    """
    days = np.array([162, 267, 271, 185, 111, 61, 27, 8, 3, 1], dtype=np.float64)
    return np.arange(len(days), dtype=np.float64)[:, None], days


def _factor(
    length: int,
    n_components: int,
    density: float,
    separable: bool,
    dtype: np.dtype[Any],
    rng: np.random.Generator,
) -> Array:
    """W, or H transposed: one column per component."""
    factor = 1 - rng.random((length, n_components), dtype=cast(Any, dtype))
    if density < 1:
        keep = np.less(rng.random(factor.shape), density)
        keep[rng.integers(length, size=n_components), np.arange(n_components)] = True
        factor *= keep
    if separable:
        factor[rng.permutation(length)[:n_components]] = np.eye(n_components, dtype=dtype)
    return factor


def _distributions(weights: Array) -> Array:
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def _ends(distributions: Array) -> Array:
    """Cumulative sums, row i moved up by i: one increasing list to search for all rows at once."""
    ends = np.cumsum(distributions, axis=1)
    ends /= ends[:, -1:]
    ends += np.arange(len(ends))[:, None]
    return ends


def _draw(ends: Array, rows: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """One column for each entry of `rows`, from the distribution of that row."""
    n_columns = ends.shape[1]
    found = np.searchsorted(ends.ravel(), rows + rng.random(len(rows)), side="right")
    drawn: NDArray[np.intp] = np.clip(found - rows * n_columns, 0, n_columns - 1)
    return drawn


def _check_sizes(n_samples: int, n_features: int, n_components: int) -> None:
    whole(n_samples, "n_samples")
    whole(n_features, "n_features")
    whole(n_components, "n_components")
