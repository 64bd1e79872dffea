"""What reaches the coders and cannot be: masked arrays, wrong shapes, models that are not fitted; by name."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import gramfold as gf
from gramfold import _core

X, D = np.random.default_rng(0).random((5, 4)), np.random.default_rng(1).random((3, 4))


def hiding(a):
    return np.ma.MaskedArray(a, mask=np.eye(*a.shape, dtype=bool))


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("X", lambda: gf.encode(hiding(X), D)),
        ("components", lambda: gf.encode(X, hiding(D))),
        ("X", lambda: gf.sparse_encode(hiding(X), D)),
        ("dictionary", lambda: gf.sparse_encode(X, hiding(D))),
        ("gram", lambda: gf.sparse_encode(X, D, gram=hiding(D @ D.T))),
        ("cov", lambda: gf.sparse_encode(X, D, cov=hiding(D @ X.T))),
        ("init", lambda: gf.sparse_encode(X, D, init=hiding(np.zeros((5, 3))))),
        ("dictionary", lambda: gf.SparseCoder(hiding(D)).fit(X)),
        ("dictionary", lambda: gf.SparseCoder(hiding(D)).inverse_transform(X[:, :3])),
        ("codes", lambda: gf.certify(X, D, hiding(X[:, :3]), alpha=1.0)),
        ("dictionary", lambda: gf.coherence_report(hiding(D))),
    ],
)
def test_masks_that_would_be_dropped_are_refused_by_name(name, call):
    with pytest.raises(ValueError, match=f"{name} is a masked array"):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: gf.encode(X, D[0]),
        lambda: gf.sparse_encode(X, D[0]),
        lambda: gf.SparseCoder(D[0]).fit(X),
        lambda: gf.SparseCoder(D[0]).transform(X),
        lambda: gf.certify(X, D[0], X[:, :3], alpha=1.0),
        lambda: gf.coherence_report(D[0]),
        lambda: gf.mutual_coherence(D[0]),
    ],
)
def test_a_dictionary_of_one_dimension_is_refused_by_name(call):
    with pytest.raises(ValueError, match=r"(dictionary|components) must have two dimensions"):
        call()


def test_a_model_that_is_not_fitted_has_no_coherence():
    with pytest.raises(NotFittedError, match="DictionaryLearning"):
        gf.coherence_report(gf.DictionaryLearning(3))


def test_a_fit_that_fails_leaves_the_coder_as_it_was():
    coder = gf.SparseCoder(D).fit(X)
    before = dict(vars(coder))
    with pytest.raises(ValueError, match="different numbers of features"):
        coder.fit(X[:, :3])
    assert vars(coder) == before


def test_a_lasso_without_a_tolerance_is_refused(kernels):
    with pytest.raises(ValueError, match="tol must be at least 0"):
        kernels.lasso(
            x=X,
            p=None,
            f=np.ascontiguousarray(D.T),
            gram=D @ D.T,
            start=None,
            enough=None,
            out=np.empty((5, 3)),
            sums=None,
            doubtful=None,
            l1=0.1,
            nonneg=False,
            most=3,
            one_by_one=False,
            max_rounds=10,
            tol=np.nan,
            n_threads=1,
        )


def test_the_pseudoinverse_of_nothing_is_nothing():
    for level in _core.available():
        if level != "numpy":
            assert _core.load(level).pseudoinverse(gram=np.empty((0, 0)), eps=1e-16).shape == (0, 0)


@pytest.mark.parametrize("nonneg", [True, False])
def test_many_atoms_are_coded_as_few_of_them_are(nonneg):
    rng = np.random.default_rng(2)
    many = rng.standard_normal((600, 700))
    rows = rng.standard_normal((3, 600)) @ many
    Z = gf.encode(rows, many, nonneg=nonneg)
    slope = (rows - Z @ many) @ many.T
    assert np.abs(slope[Z != 0]).max() < 1e-8 * np.abs(rows @ many.T).max()
    assert (Z[Z != 0] if nonneg else np.ones(1)).min() > 0
