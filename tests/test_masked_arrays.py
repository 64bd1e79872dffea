"""A masked array is never used with its mask dropped: it is read as what it means, or refused."""

import numpy as np
import pytest
from entries import ENTRIES, Entry, counts

import gramfold as gf

MASKED = np.ma.masked_array(counts() + 0.5, np.arange(540).reshape(60, 9) % 7 == 0)


def takes_gaps(entry: Entry):
    name = "" if entry.estimator is None else type(entry.estimator()).__name__
    model = None if entry.estimator is None else entry.estimator()
    return getattr(model, "missing", "") == "mask" or name in ("RobustPCA", "OnlineRobustPCA")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not takes_gaps(entry)])
def test_masked_entries_are_refused_where_they_would_be_taken_for_numbers(name):
    entry = ENTRIES[name]
    with pytest.raises(ValueError, match=r"X is a masked array.*missing='mask'"):
        entry.run(MASKED)
    if entry.estimator is None:
        return
    good = counts()
    model = entry.estimator().fit(good, **{n: value(good) for n, value in entry.given.items()})
    for method in entry.methods:
        with pytest.raises(ValueError, match=r"X is a masked array.*missing='mask'"):
            getattr(model, method)(MASKED)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if takes_gaps(entry)])
def test_masked_entries_are_left_out_as_nan_is_where_entries_may_be_missing(name):
    given = ENTRIES[name].run(MASKED)
    expected = ENTRIES[name].run(MASKED.filled(np.nan))
    for part, value in expected.items():
        np.testing.assert_array_equal(given[part], value)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_masked_array_that_hides_nothing_is_an_array():
    x = counts()
    found = gf.KMeans(3, random_state=0).fit(np.ma.masked_array(x)).labels_
    np.testing.assert_array_equal(found, gf.KMeans(3, random_state=0).fit(x).labels_)


def hidden(a):
    a = np.asarray(a, float)
    return np.ma.masked_array(a, np.arange(a.size).reshape(a.shape) % 3 == 0)


X = counts() + 0.5
OTHERS = {
    "W": lambda w: gf.NMF(9, init="custom").fit(X[:9], W=w, H=np.ones((9, 9))),
    "H": lambda h: gf.NMF(9, init="custom").fit(X, W=np.ones((60, 9)), H=h),
    "y": lambda y: gf.Ridge().fit(np.ones((9, 9)), y),
    "sample_weight": lambda w: gf.Ridge().fit(np.ones((9, 9)), np.ones(9), sample_weight=w),
    "KMeans, sample_weight": lambda w: gf.KMeans(3).fit(np.eye(9), sample_weight=w),
    "kmeans_plusplus, sample_weight": lambda w: gf.kmeans_plusplus(np.eye(9), 3, sample_weight=w),
    "NMF, sample_weight": lambda w: gf.NMF(3).fit(np.eye(9), sample_weight=w),
    "NMF, frozen": lambda c: gf.NMF(9, frozen=c).fit(X),
    "PCA, sample_weight": lambda w: gf.PCA(3).fit(np.eye(9), sample_weight=w),
    "TruncatedSVD, sample_weight": lambda w: gf.TruncatedSVD(3).fit(np.eye(9), sample_weight=w),
    "GaussianMixture, sample_weight": lambda w: gf.GaussianMixture(2).fit(np.eye(9), sample_weight=w),
    "PoissonMixture, sample_weight": lambda w: gf.PoissonMixture(2).fit(np.eye(9), sample_weight=w),
    "exposure": lambda e: gf.PoissonMixture(2).fit(np.eye(9), exposure=e),
    "ridge_path, sample_weight": lambda w: gf.ridge_path(np.eye(9), np.ones(9), [1.0], sample_weight=w),
    "dictionary": lambda d: gf.sparse_encode(X, d, alpha=1.0),
    "components": lambda d: gf.encode(X, d),
    "codes": lambda c: gf.certify(X[:9], np.eye(9), c, alpha=1.0),
    "KMeans, init": lambda c: gf.KMeans(9, init=c).fit(X),
    "KMeans, frozen": lambda c: gf.KMeans(9, frozen=c).fit(X),
    "KMeans, prior_mean": lambda m: gf.KMeans(3, ridge=1.0, prior_mean=m).fit(X),
    "rates_init": lambda r: gf.PoissonMixture(9, rates_init=r).fit(counts()),
    "means_init": lambda m: gf.GaussianMixture(9, means_init=m).fit(X),
    "dict_init": lambda d: gf.DictionaryLearning(9, dict_init=d).fit(X),
    "code_init": lambda c: gf.DictionaryLearning(9, code_init=c, dict_init=np.eye(9)).fit(X[:9]),
    "A": lambda a: gf.least_norm(a, np.ones(9)),
    "b": lambda b: gf.least_norm(np.eye(9), b),
    "coherence_report": lambda d: gf.coherence_report(d),
    "OrthoBasis.analyze": lambda x: gf.OrthoBasis("dct", 9).analyze(x),
    "lam": lambda lam: gf.RobustPCA(lam=lam).fit(X[:9]),
    "SparseCoder": lambda d: gf.SparseCoder(d).fit(X).transform(X),
}
VECTORS = ("y", "sample_weight", "exposure", "b", "prior_mean")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", OTHERS)
def test_masked_entries_of_other_arguments_are_refused(name):
    flat = name.rpartition(", ")[2] in VECTORS
    good = 1.0 + np.arange(9.0) if flat else 1 + counts(9, 9) + np.eye(9)
    OTHERS[name](good)
    with pytest.raises(ValueError, match="masked array"):
        OTHERS[name](hidden(good))
