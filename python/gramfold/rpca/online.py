"""Robust PCA of a stream: a subspace that follows the rows, without a certificate.

Each row is split in the subspace that the rows before it have left. So a fit is no fold: rows are taken in
their order, some at a time.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags

from ..fit.arguments import effective_threads, real, shown, whole
from ..fit.callbacks import fit_task
from ..fit.estimator import Estimator, check_fitted
from ..fit.inputs import FLOATS, read_array
from ..fit.out import rows_to_file
from ..fit.unchanged import unchanged_on_error
from ..fold.engine import run
from ..fold.source import Source
from ..linalg.blas import one_thread
from .first_track import first_track
from .observed import looked_at, masked, validated
from .pieces import pieces
from .track import WIDE, Track, code_rows

Array = NDArray[Any]


class OnlineRobustPCA(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):
    """Split rows that come one by one, such as frames of a video, into low rank and outliers.

    Unlike `RobustPCA` this is a method for streams that proves nothing: there is no common objective, no
    duality gap, and what was split is not looked at again. Memory is that of n_components rows, and a row
    costs a few reads of those.

    The first `n_start` rows, in however many calls they come, are kept and split by `RobustPCA`; before they
    are all there, whenever they have doubled. Each later row x is coded by Huber's estimate, which minimises
    sum_j h(x_j - v_j'c) over the observed entries with h quadratic up to a threshold and linear beyond. The
    basis then takes one step of recursive least squares towards the row without its outliers. These are
    the two steps of Feng, Xu & Yan (2013), whose outlier with its L1 price is the linear part of h.

    Parameters
    ----------
    n_components : int, default=5
        Dimension of the subspace.
    forgetting : float in (0, 1], default=0.98
        Weight that a row keeps with each row that follows. 1 forgets nothing; 0.98 looks back about 50
        rows, and follows a subspace that changes slowly.
    threshold : 'auto' or float, default='auto'
        An entry further than this from the subspace is an outlier. 'auto': three standard deviations of
        the noise, by the median of the absolute residuals of the row.
    n_start : int, default=50
        As many of the first rows are split by `RobustPCA` for a start.
    n_threads : int or None
        Default: OMP_NUM_THREADS, else the CPUs that this process may use. Results do not depend on it.

    Attributes
    ----------
    low_rank_, sparse_ : ndarray of shape (n_rows, n_features)
        The two parts of the rows of the last call. `sparse_` is 0 where nothing is observed and up to the
        threshold; noise is in neither. Before there are `n_start` rows both are preliminary, and of a first
        row alone no outlier can be told.
    components_ : ndarray of shape (n_components, n_features)
        Orthonormal rows, the direction of most energy first.
    singular_values_ : ndarray of shape (n_components,)
        Roots of the energies, old rows counted as much as they are remembered.
    n_samples_seen_, n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Only if X has string names.

    References
    ----------
    Feng, Xu & Yan (2013), Online robust PCA via stochastic optimization. Chi, Eldar & Calderbank (2013),
    PETRELS: parallel subspace estimation and tracking by recursive least squares. Huber (1981), Robust
    statistics, chapter 7.

    Examples
    --------
    >>> import gramfold as gf
    >>> frames, background, moving = gf.datasets.make_video(90, (24, 32), random_state=0)
    >>> X = frames.reshape(90, -1)
    >>> model = gf.OnlineRobustPCA(3, n_start=30).partial_fit(X[:30])
    >>> for frame in X[30:]:
    ...     model = model.partial_fit(frame[None])
    >>> bool(abs(model.low_rank_ - background[-1].ravel()).max() < 0.02)
    True
    """

    low_rank_: Array
    sparse_: Array
    components_: Array
    singular_values_: Array
    n_samples_seen_: int
    _track: Track
    _first: Array | None  # the first rows, until there are n_start
    _started_with: int  # how many of them the subspace comes from

    def __init__(
        self, n_components: int = 5, *, forgetting: float = 0.98, threshold: float | str = "auto",
        n_start: int = 50, n_threads: int | None = None,
    ) -> None:  # fmt: skip
        self.n_components = n_components
        self.forgetting = forgetting
        self.threshold = threshold
        self.n_start = n_start
        self.n_threads = n_threads

    def fit(self, X: Any, y: Any = None, mask: Any = None) -> Self:
        """Forget what was seen, and learn the rows of X in order; see `partial_fit`."""
        with fit_task(self, X, y):
            if hasattr(self, "n_samples_seen_"):
                del self.n_samples_seen_
            self.partial_fit(X, mask=mask)
        return self

    def partial_fit(self, X: Any, y: Any = None, mask: Any = None) -> Self:
        """Split further rows, and let the subspace follow them.

        Parameters
        ----------
        X : array-like or numpy masked array or `blocks`, of shape (n_rows, n_features)
            NaN and masked entries are unobserved.
        y : ignored
        mask : array-like of bool of shape (n_rows, n_features), optional
            True where X is observed.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter or X is not as described; nothing of the estimator is changed then.
        """
        first = not hasattr(self, "n_samples_seen_")
        with unchanged_on_error(self):
            self._check_parameters()
            x = self._observed(X, mask, reset=first)
            with one_thread():
                track, known = self._track_of(x, first=first)
                self.low_rank_, self.sparse_ = self._split(track, x, known)
                self.components_, energies = track.principal()
            self._track, self.singular_values_ = track, np.sqrt(energies).astype(track.basis.dtype)
            self.n_samples_seen_ = x.rows + (0 if first else self.n_samples_seen_)
        return self

    @rows_to_file
    def transform(self, X: Any, mask: Any = None) -> Array:
        """Code rows robustly in the subspace of now, which is left as it is.

        Parameters
        ----------
        X, mask
            As in `partial_fit`; a row with nothing observed has code 0.

        Returns
        -------
        ndarray of shape (n_rows, n_components)
        """
        check_fitted(self)
        x = self._observed(X, mask, reset=False)
        basis, threshold = np.ascontiguousarray(self.components_.T, x.dtype), self._threshold()
        scale = self._track.scale if threshold is None else threshold / WIDE
        codes = np.empty((x.rows, basis.shape[1]), x.dtype)
        with one_thread():
            run(code_rows, x, (basis, scale), {"codes": codes})
        return codes

    def inverse_transform(self, codes: Any) -> Array:
        """Return codes @ components_, of shape (n_rows, n_features)."""
        check_fitted(self)
        codes = read_array(codes, "codes", dtype=FLOATS)
        if codes.shape[1] != len(self.components_):
            raise ValueError(f"codes must have {len(self.components_)} columns, got {codes.shape[1]}")
        product: Array = codes @ self.components_
        return product

    def _track_of(self, x: Source, *, first: bool) -> tuple[Track, int]:
        """A subspace that can learn from x, and how many rows of x it comes from already.

        Until there are n_start rows they are kept, and it begins anew whenever they have doubled.
        """
        track, kept = (None, x.take(slice(0, 0))) if first else (self._copy_for(x), self._first)
        if kept is None:
            assert track is not None
            return track, 0
        dtype = x.dtype if track is None else track.basis.dtype
        more = x.take(slice(0, max(0, self.n_start - len(kept))))
        rows, count = np.concatenate([kept, more]).astype(dtype, copy=False), len(kept) + x.rows
        known = 0
        if track is None or count >= min(2 * self._started_with, self.n_start):
            starting = rows[: self.n_start]
            track, self._started_with = first_track(starting, self.n_components, x.n_threads), len(starting)
            for i, row in enumerate(rows[: len(kept)]):
                self._follow(track, row, x.n_threads, learn=i >= len(starting))
            known = len(starting) - len(kept)
        self._first = None if count >= self.n_start else rows
        return track, known

    def _split(self, track: Track, x: Source, known: int) -> tuple[Array, Array]:
        """The parts of the rows of x; the subspace learns from all but the first, of which it is `known`."""
        low = np.empty((x.rows, x.cols), track.basis.dtype)
        sparse = np.empty_like(low)
        for some in pieces(x.rows, x.cols):
            for i, row in enumerate(x.take(some).astype(low.dtype, copy=False), some.start):
                low[i], sparse[i] = self._follow(track, row, x.n_threads, learn=i >= known)
        return low, sparse

    def _follow(self, track: Track, row: Array, n_threads: int, *, learn: bool) -> tuple[Array, Array]:
        return track.split(row, self._threshold(), float(self.forgetting), n_threads, learn=learn)

    def _copy_for(self, x: Source) -> Track:
        """A copy of the subspace, in the wider of the two dtypes."""
        k = min(self.n_components, x.cols)
        if self._track.basis.shape[1] != k:
            raise ValueError(
                f"n_components={self.n_components} asks for {k} directions, but this model follows "
                f"{self._track.basis.shape[1]}: set it back, or call fit to begin anew"
            )
        return self._track.copy(np.result_type(self._track.basis.dtype, x.dtype))

    def _observed(self, X: Any, mask: Any, *, reset: bool) -> Source:
        given = masked(validated(self, X, reset=reset, sparse=False), mask)
        x, seen = looked_at(given, effective_threads(self.n_threads))
        largest = seen.largest.value
        far = abs(int(np.frexp(largest)[1])) > 2 * np.finfo(x.dtype).maxexp // 5
        if far and (largest > 1 or reset):
            raise ValueError(
                f"X is too {'large' if largest > 1 else 'small'} for {x.dtype}, with {largest:g} its largest "
                "entry: squares leave the range; multiply all rows by a constant"
            )
        return x

    def _threshold(self) -> float | None:
        if isinstance(self.threshold, str):
            if self.threshold != "auto":
                raise ValueError(f"threshold must be 'auto' or a number, got {shown(self.threshold)}")
            return None
        if (found := real(self.threshold, "threshold")) == 0:
            raise ValueError("threshold must be above 0 or 'auto', got 0")
        return found

    def _check_parameters(self) -> None:
        whole(self.n_components, "n_components")
        whole(self.n_start, "n_start")
        if real(self.forgetting, "forgetting", high=1.0) == 0:
            raise ValueError("forgetting must be above 0, got 0")
        self._threshold()

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
