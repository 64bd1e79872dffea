"""No call changes a byte of what it is given; sparse X is looked at in test_sparse_forms.py."""

import numpy as np
import pytest
from entries import ENTRIES, Entry, counts, state

import gramfold as gf

DENSE = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "every other row": lambda x: np.repeat(x, 2, axis=0)[::2],
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*no observed entry.*:UserWarning")
@pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if not entry.observed])
def test_x_is_left_as_it_was(name):
    entry: Entry = ENTRIES[name]
    for i, (form, make) in enumerate(DENSE.items(), [*ENTRIES].index(name)):
        x = make(counts(empty_row=entry.empty_row).astype((np.float32, np.float64)[i % 2]))
        before = state(x)
        entry.run(x)
        assert state(x) == before, form


ones = np.ones


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:.*no observed entry.*:UserWarning")
@pytest.mark.parametrize(
    ("make", "others"),
    [
        (lambda: gf.NMF(3, init="custom", max_iter=5), {"W": ones((60, 3)), "H": counts(3, 9) + 1.0}),
        (lambda: gf.NMF(3, init="custom", max_iter=5, solver="mu"), {"W": ones((60, 3)), "H": ones((3, 9))}),
        (lambda: gf.NMF(3, missing="mask", max_iter=5), {"mask": counts() % 3 > 0}),
        (lambda: gf.NMF(3, missing="mask", max_iter=5), {"mask": counts() % 3}),
        (lambda: gf.DictionaryLearning(3, missing="mask", max_iter=3), {"mask": counts() % 3 > 0}),
        (lambda: gf.RobustPCA(max_iter=20), {"mask": counts() % 3 > 0}),
        (lambda: gf.OnlineRobustPCA(3), {"mask": counts() % 3 > 0}),
        (lambda: gf.KMeans(3), {"sample_weight": np.arange(60.0)}),
        (lambda: gf.MiniBatchKMeans(3), {"sample_weight": np.arange(60.0)}),
        (lambda: gf.PCA(3), {"sample_weight": np.arange(60.0)}),
        (lambda: gf.TruncatedSVD(3), {"sample_weight": np.arange(60.0)}),
        (lambda: gf.GaussianMixture(2, reg_covar=0.1), {"sample_weight": np.arange(60.0)}),
        (lambda: gf.PoissonMixture(2), {"sample_weight": np.arange(60.0), "exposure": 1 + np.arange(60.0)}),
        (lambda: gf.Ridge(), {"y": np.arange(60.0), "sample_weight": np.arange(60.0)}),
        (lambda: gf.Ridge(), {"y": counts(60, 4)}),
        (lambda: gf.Ridge(solver="svd", copy_X=False), {"y": np.arange(60.0)}),
    ],
)
def test_what_comes_with_x_is_left_as_it_was(make, others, dtype):
    given = {
        name: value.astype(dtype) if value.dtype == float else value.copy() for name, value in others.items()
    }
    before = {name: state(value) for name, value in given.items()}
    x = counts().astype(dtype)
    make().fit(x, **given)
    assert {name: state(value) for name, value in given.items()} == before
    assert state(x) == state(counts().astype(dtype))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (gf.KMeans, "init", counts(3, 9) + 1.0),
        (gf.KMeans, "frozen", counts(2, 9) + 1.0),
        (gf.KMeans, "prior_mean", np.arange(9.0)),
        (gf.MiniBatchKMeans, "init", counts(3, 9) + 1.0),
        (gf.GaussianMixture, "means_init", counts(3, 9) + 1.0),
        (gf.PoissonMixture, "rates_init", counts(3, 9) + 1.0),
        (gf.DictionaryLearning, "dict_init", counts(3, 9) + 1.0),
        (gf.DictionaryLearning, "code_init", counts(60, 3)),
        (gf.MiniBatchDictionaryLearning, "dict_init", counts(3, 9) + 1.0),
    ],
)
def test_starts_among_the_parameters_are_left_as_they_were(cls, name, value, dtype):
    extra = {"reg_covar": 0.1} if cls is gf.GaussianMixture else {"max_iter": 3}
    if name == "code_init":
        extra["dict_init"] = counts(3, 9) + 1.0
    given = value.astype(dtype)
    before = state(given)
    cls(3, **{name: given}, **extra).fit(counts().astype(dtype))
    assert state(given) == before
