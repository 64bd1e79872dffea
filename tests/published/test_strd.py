"""Ridge without a penalty on NIST's reference datasets: so many certified digits are right.

The data are kept as text, and proved: in exact arithmetic they give every certified digit.
"""

from fractions import Fraction

import numpy as np
import pytest
from published.strd import DATASETS, digits
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf

EVERY = pytest.mark.parametrize("name", DATASETS)

# Digits of the worst coefficient that each way gets right, rounded down: the fewest of what instruction sets
# give, whose sums round differently (Wampler1: 10.6 of NumPy's, 9.8 with AVX2). Powers of x are rounded to
# float64 before a fit sees them: of the powers of Filip the exact solution has 7.6 digits.
REACHED = {
    "Norris": {"auto": 12, "svd": 12, "path": 12, "blocks": 11.5},
    "Pontius": {"auto": 12, "svd": 12, "path": 11.5, "blocks": 11},
    "NoInt1": {"auto": 14.5, "svd": 14.5, "path": 14.5, "blocks": 14.5},
    "NoInt2": {"auto": 14.5, "svd": 14.5, "path": 14.5, "blocks": 14.5},
    "Longley": {"auto": 11.5, "svd": 13, "path": 11, "blocks": 11},
    "Filip": {"auto": 7, "svd": 7, "path": 7},
    "Wampler1": {"auto": 9.5, "svd": 9, "path": 9.5, "blocks": 6.5},
    "Wampler2": {"auto": 12.5, "svd": 12.5, "path": 12.5, "blocks": 9.5},
    "Wampler3": {"auto": 10, "svd": 9, "path": 9.5, "blocks": 6.5},
    "Wampler4": {"auto": 7.5, "svd": 7.5, "path": 7.5, "blocks": 7},
    "Wampler5": {"auto": 5.5, "svd": 5.5, "path": 6, "blocks": 6},
}


def rows(dataset):
    """X and y in float64, with powers as NumPy makes them."""
    X, y = dataset.features(lambda text: float(Fraction(text)))
    return np.array(X), np.array(y)


def coefficients(dataset, way):
    X, y = rows(dataset)
    if way == "path":
        coefs, intercepts = gf.ridge_path(X, y, [0.0, 1.0], fit_intercept=dataset.intercept)
        return np.r_[intercepts[0], coefs[0]] if dataset.intercept else coefs[0]
    model = gf.Ridge(0, fit_intercept=dataset.intercept, solver="svd" if way == "svd" else "auto")
    if way == "blocks":
        for some in np.array_split(np.arange(len(y)), 3):
            model.partial_fit(X[some], y[some])
    else:
        model.fit(X, y)
    assert model.converged_
    return np.r_[model.intercept_, model.coef_] if dataset.intercept else model.coef_


@EVERY
def test_the_data_give_every_certified_digit_in_exact_arithmetic(name):
    dataset = DATASETS[name]
    found = dataset.solution(*dataset.features(Fraction))
    for value, certified in zip(found, dataset.certified, strict=True):
        # One unit of the fifteenth digit.
        assert abs(value - Fraction(certified)) <= Fraction(10) ** -14 * abs(Fraction(certified))


@pytest.mark.parametrize(("name", "way"), [(name, way) for name in REACHED for way in REACHED[name]])
@pytest.mark.filterwarnings("ignore:the sums that partial_fit keeps")  # said of the first, with few rows
def test_so_many_certified_digits_are_right(name, way):
    assert digits(coefficients(DATASETS[name], way), DATASETS[name].certified) >= REACHED[name][way]


def test_filip_in_blocks_is_warned_of():
    X, y = rows(DATASETS["Filip"])
    model = gf.Ridge(0)
    with pytest.warns(ConvergenceWarning, match="partial_fit keeps do not tell X from one with dependent"):
        model.partial_fit(X, y)
    assert not model.converged_


def test_filip_is_as_right_as_its_rounded_powers_allow():
    X, y = rows(DATASETS["Filip"])
    exact = DATASETS["Filip"].solution(X.tolist(), y.tolist())
    assert digits(coefficients(DATASETS["Filip"], "auto"), exact) >= 7.5


@EVERY
def test_in_other_units_of_the_columns_as_many_digits_are_right(name):
    dataset = DATASETS[name]
    X, y = rows(dataset)
    unit = np.ldexp(1.0, np.arange(X.shape[1]) * 17 - 40)
    model = gf.Ridge(0, fit_intercept=dataset.intercept).fit(X * unit, y)
    found = model.coef_ * unit
    found = np.r_[model.intercept_, found] if dataset.intercept else found
    assert digits(found, dataset.certified) >= REACHED[name]["auto"] - 0.5
