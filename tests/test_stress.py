"""Hard numbers for every model: any scale, far from 0, of hardly any rank, repeated, denormal.

What a model makes of X is its *picture* of X: the rows that it rebuilds, or what it predicts. The picture of
X in another unit is the picture in that unit, or an error says why there is none; none holds NaN or infinity.
"""

import re

import numpy as np
import pytest
from entries import counts
from numpy.testing import assert_allclose
from stress_cases import MODELS, K

import gramfold as gf

REFUSAL = r"too (small|large)|leaves? the range|rescale"
EVERY = pytest.mark.parametrize("name", MODELS)
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def finite(picture):
    assert np.isfinite(picture).all()
    return np.asarray(picture, np.float64)


def refused(name, x, unit):
    """The picture, or why there is none."""
    try:
        return finite(MODELS[name].picture(x, unit)), None
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize(
    ("kind", "exponent"),
    [(np.float64, e) for e in (40, -40, 498, -498)] + [(np.float32, e) for e in (16, -16, 66, -66)],
)
@EVERY
def test_in_another_unit_the_picture_is_the_same_or_refused(name, kind, exponent):
    """By 1e150 and its inverse, in float32 by 1e20; by 1e12 (in float32 by 65,536) none is refused."""
    model, x = MODELS[name], counts().astype(kind)
    expected = finite(model.picture(x, 1.0))
    found, why = refused(name, np.ldexp(x, exponent), 2.0**exponent)
    if found is None:
        assert abs(exponent) > 40, why
        assert re.search(REFUSAL, why)
        return
    tolerance = 1e-9 if kind == np.float64 else 1e-3
    assert_allclose(
        np.ldexp(found, -exponent * model.degree), expected, atol=tolerance * np.abs(expected).max()
    )


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model.moves])
def test_far_from_the_origin_the_picture_is_the_same_there(name):
    """By 1e8 times the spread: counts stay whole numbers there."""
    model, x = MODELS[name], counts()
    expected, far = (finite(model.picture(rows, 1.0)) for rows in (x, x + 1e8))
    assert_allclose(far - 1e8 * model.degree, expected, atol=1e-5)


def few_kinds(x):
    return x[np.arange(len(x)) % K]


def repeated_columns(x):
    return x[:, [0, 0, 0, 3, 3, 3, 3, 7, 7]]


def one_row(x):
    rows = np.zeros_like(x)
    rows[5] = x[0] + 1
    return rows


def one_column(x):
    rows = np.zeros_like(x)
    rows[:, 2] = 10 * (x[:, 0] % 3)
    return rows


FEW = {
    "three kinds of rows": few_kinds,
    "three kinds of rows, repeated columns": lambda x: repeated_columns(few_kinds(x)),
    "equal rows": lambda x: np.repeat(x[:1], len(x), axis=0),
    "one value": lambda x: np.full_like(x, 7),
    "one large value": lambda x: np.full_like(x, 2**23 - 1),
    "zeros": np.zeros_like,
    "one row": one_row,
    "one column": one_column,
}
REPEATED = {
    "repeated rows": lambda x: np.repeat(x[::6], 6, axis=0),
    "repeated columns": repeated_columns,
}


SINGLE = ("three kinds of rows", "equal rows", "one large value", "repeated columns")


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(kind, np.float64) for kind in FEW | REPEATED] + [(kind, np.float32) for kind in SINGLE],
)
@EVERY
def test_of_hardly_any_rank_there_is_a_picture(name, kind, dtype):
    model, x = MODELS[name], (FEW | REPEATED)[kind](counts()).astype(dtype)
    if len(np.unique(x.any(axis=1) * np.arange(1, 61))) <= K and name == "KMeans, cosine":
        return  # no more rows than clusters have a direction
    picture = finite(model.picture(x, 1.0))
    if model.rebuilds and kind in FEW:
        assert_allclose(
            picture,
            x,
            atol=(1e-3 if name.startswith("NMF") else 2e-6 if dtype == np.float32 else 1e-9)
            * max(1, x.max()),
        )


@EVERY
def test_denormal_entries_are_as_good_as_zeros(name, dtype):
    model, x = MODELS[name], counts().astype(dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    if name in ("NMF, KL", "KMeans, cosine", "OnlineRobustPCA"):
        return  # to which a row of denormals is not one of zeros, but one like others
    expected = finite(model.picture(x, 1.0))
    found = finite(model.picture(np.where(x == 0, 7 * tiny, x), 1.0))
    tolerance = 1e-9 if dtype == np.float64 else 1e-3
    assert_allclose(found, expected, atol=tolerance * np.abs(expected).max())


CHOSEN = {
    "NMF": lambda unit: gf.NMF(random_state=0, max_iter=50),
    "NMF, KL": lambda unit: gf.NMF(beta_loss="kullback-leibler", random_state=0, max_iter=30),
    "PCA": lambda unit: gf.PCA(),
    "KMeans": lambda unit: gf.KMeans(random_state=0),
    "GaussianMixture": lambda unit: gf.GaussianMixture(reg_covar=0.1 * unit**2, random_state=0),
}


@pytest.mark.parametrize("name", CHOSEN)
def test_the_rank_of_x_does_not_depend_on_its_unit(name):
    found = [
        gf.select_rank(CHOSEN[name](2.0**e), np.ldexp(counts(), e), range(1, 5), n_restarts=1, random_state=0)
        for e in (0, 498, -498)
    ]
    assert [one.best_rank_ for one in found] == [2 if name == "PCA" else 3] * 3


@pytest.mark.parametrize("method", ["silhouette", "calinski_harabasz", "gap"])
@pytest.mark.parametrize("value", [0.0, 0.1])
def test_of_equal_rows_no_number_of_clusters_stands_out(method, value):
    X = np.full((60, 9), value)
    found = gf.select_rank(gf.KMeans(random_state=0), X, range(1, 5), n_restarts=1, method=method)
    assert found.best_rank_ is None
    assert found.reason == "all rows of X are equal"


@pytest.mark.parametrize("name", [name for name in CHOSEN if name != "KMeans"])
@pytest.mark.parametrize("value", [0.0, 7.0])
def test_equal_rows_have_a_rank_of_1(name, value):
    X = np.full((60, 9), value)
    assert gf.select_rank(CHOSEN[name](1.0), X, range(1, 5), n_restarts=1, random_state=0).best_rank_ == 1


@pytest.mark.parametrize("kind", FEW)
def test_mixtures_of_counts_of_hardly_any_kinds_have_their_rates(kind, dtype):
    x = FEW[kind](counts()).astype(dtype)
    model = gf.PoissonMixture(K, random_state=0, tol=1e-10, max_iter=300).fit(x)
    assert_allclose(model.weights_ @ model.rates_, x.mean(axis=0, dtype=np.float64), rtol=1e-5, atol=1e-12)
    for said in (model.predict_proba(x), model.score_samples(x), model.rates_, model.lower_bound_):
        finite(said)


@pytest.mark.parametrize("exponent", [100, 500, 620, 700, 1000, 1015])
def test_counts_too_large_to_tell_from_impossible_ones_are_refused(exponent):
    x = np.ldexp(counts(), exponent)
    if exponent < 650:
        assert np.isfinite(gf.PoissonMixture(K, random_state=0).fit(x).lower_bound_)
    else:
        with pytest.raises(ValueError, match="X is too large"):
            gf.PoissonMixture(K, random_state=0).fit(x)


@EVERY
def test_nothing_but_denormals_is_looked_at_or_refused(name, dtype):
    x = counts().astype(dtype) * np.finfo(dtype).smallest_subnormal
    found, why = refused(name, x, 1.0)
    assert found is not None or re.search(REFUSAL, why)
