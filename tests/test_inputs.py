"""What may be given as X, what is refused, and that a refusal says why and leaves the estimator alone."""

import numpy as np
import pytest
import scipy.sparse as sp
from input_cases import ENTRIES, K, encode, fit, fit_custom, matrix, nmf, transform
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import gramfold as gf


@pytest.fixture
def X():
    return matrix()


def unaligned(x):
    raw = np.zeros(x.nbytes + 8, np.uint8)
    view = raw[3 : 3 + x.nbytes].view(x.dtype).reshape(x.shape)
    view[:] = x
    assert not view.flags.aligned
    return view


SAME = {
    "list": lambda x: x.tolist(),
    "matrix of objects that are numbers": lambda x: x.astype(object),
    "big-endian": lambda x: x.astype(">f8"),
    "unaligned": unaligned,
    "field of records": lambda x: np.rec.fromarrays([np.zeros(x.shape, "i1"), x], names="a,b").b,
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "rows backwards": lambda x: x[::-1].copy()[::-1],
    "read-only": lambda x: np.frombuffer(x.tobytes()).reshape(x.shape),
}


@ENTRIES
@pytest.mark.parametrize("form", SAME)
def test_the_layout_of_x_does_not_change_the_result(X, entry, form):
    assert_allclose(entry(SAME[form](X)), entry(X), rtol=1e-9, atol=1e-12)


@ENTRIES
@pytest.mark.parametrize("kind", ["F", "csr", "csc"])
def test_dense_fortran_and_sparse_x_agree(X, entry, kind):
    given = np.asfortranarray(X) if kind == "F" else sp.csr_array(X).asformat(kind)
    assert_allclose(entry(given), entry(X), rtol=1e-9, atol=1e-12)


@ENTRIES
@pytest.mark.parametrize("kind", [bool, np.int8, np.uint16, np.int64, np.float16, np.longdouble])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_other_real_types_become_a_float(X, entry, kind, sparse):
    if sparse and kind is np.float16:
        pytest.skip("scipy.sparse has no float16")
    given = (10 * X).astype(kind)
    found = entry(sp.csr_array(given) if sparse else given)
    floats = np.float64 if kind in (np.int64, np.longdouble) else np.float32
    assert found.dtype == floats
    plain = given.astype(floats)
    assert_array_equal(found, entry(sp.csr_array(plain) if sparse else plain))


@ENTRIES
def test_a_broadcast_row_is_read_without_a_copy_of_the_whole(entry):
    X = np.broadcast_to(np.linspace(0.1, 1, 8), (30, 8))
    assert_allclose(entry(X), entry(X.copy()), rtol=1e-9, atol=1e-12)


BAD = {
    "NaN": (lambda x: with_entry(x, np.nan), "NaN"),
    "infinity": (lambda x: with_entry(x, np.inf), "infinity"),
    "minus infinity": (lambda x: with_entry(x, -np.inf), "infinity"),
    "NaN in CSR": (lambda x: sp.csr_array(with_entry(x, np.nan)), "NaN"),
    "complex": (lambda x: x + 1j, "[Cc]omplex"),
    "complex CSR": (lambda x: sp.csr_array(x + 1j), "[Cc]omplex"),
    "strings": (lambda x: np.char.add(x.astype(str), "?"), "convert"),
    "objects": (lambda x: np.full(x.shape, object()), "."),
    "one dimension": (lambda x: x[0], "2D"),
    "three dimensions": (lambda x: x[None], "dim"),
    "no rows": (lambda x: x[:0], "0 sample"),
    "no columns": (lambda x: x[:, :0], "0 feature"),
    "scalar": (lambda x: 3.0, "2D"),
    "ragged": (lambda x: [[1.0, 2.0], [3.0]], "."),
    "too large for float64": (lambda x: with_entry(x.astype(np.longdouble), np.longdouble("1e4000")), "."),
}  # fmt: skip


def with_entry(x, value):
    x = x.copy()
    x[3, 4] = value
    return x


@pytest.mark.parametrize("entry", [fit, transform, encode])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_what_is_no_real_finite_matrix_is_refused(X, entry, bad):
    make, message = BAD[bad]
    with pytest.raises((ValueError, TypeError), match=message):
        entry(make(X))


@pytest.mark.parametrize("entry", [fit, fit_custom, transform])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_negative_x_is_refused_unless_a_factor_may_be_signed(X, entry, sparse):
    given = with_entry(X, -1e-9)
    given = sp.csr_array(given) if sparse else given
    with pytest.raises(ValueError, match="Negative values in data"):
        entry(given)
    nmf(init="random", W_nonneg=False).fit(given)


def test_another_number_of_features_is_refused(X):
    model = nmf().fit(X)
    with pytest.raises(ValueError, match="7 features, but NMF is expecting 8"):
        model.transform(X[:, :7])
    with pytest.raises(ValueError, match="components must have as many columns as X: 7 against 8"):
        gf.encode(X, np.ones((2, 7)))


# Scales


@pytest.mark.parametrize("exponent", [-150, -100, 100, 150])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_float64_is_factorised_at_any_scale(X, exponent, sparse):
    check_scale(X, 10.0**exponent, sparse, 1e-6)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("exponent", [-14, -7, 7, 14])
def test_float32_is_factorised_at_any_scale_whose_squares_it_holds(X, exponent, sparse):
    check_scale(X.astype(np.float32), np.float32(10.0**exponent), sparse, 1e-2)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("exponent", [-30, -20, 20, 30])
def test_float32_refuses_a_scale_whose_squares_it_does_not_hold(X, exponent, sparse):
    form = sp.csr_array if sparse else np.asarray
    with pytest.raises(ValueError, match=r"X is too (small|large).*rescale X, or pass float64"):
        nmf(init="random").fit(form(X.astype(np.float32) * np.float32(10.0**exponent)))


def check_scale(X, scale, sparse, rtol):
    form = sp.csr_array if sparse else np.asarray
    base, scaled = nmf(init="random"), nmf(init="random")
    W = base.fit_transform(form(X))
    big = scaled.fit_transform(form(X * scale))
    expected = W.astype(float) @ base.components_
    assert_allclose(
        (big.astype(float) @ scaled.components_) / float(scale), expected, atol=rtol * expected.max()
    )
    error = np.linalg.norm(X - expected)
    assert_allclose(scaled.reconstruction_err_ / float(scale), error, rtol=rtol)
    assert_allclose(scaled.kkt_residual_, base.kkt_residual_, rtol=rtol, atol=rtol**2)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_denormal_entries_do_no_harm(X, sparse, dtype):
    tiny = dtype(7 * np.finfo(dtype).smallest_subnormal)
    X = X.astype(dtype)
    noisy = np.where(X == 0, tiny, X)
    form = sp.csr_array if sparse else np.asarray
    atol = 1000 * np.finfo(dtype).eps
    W = nmf(init="random").fit_transform(form(X))
    assert_allclose(nmf(init="random").fit_transform(form(noisy)), W, atol=atol * W.max())
    with pytest.raises(ValueError, match="X is too small"):
        nmf(init="random").fit(form(np.full((6, 5), tiny)))


# Parameters

WRONG = {
    "n_components": [0, -1, 2.5, "many", True],
    "init": ["best", 3], "n_init": [0, -1, 1.5, "x", None, True],
    "solver": ["newton", 1], "beta_loss": ["absolute", None],
    "tol": [-1e-4, np.nan, np.inf, "small", None], "max_iter": [0, -5, 1.5, "many"],
    "random_state": ["seed", -1, 1.5], "alpha_W": [-1, np.nan, np.inf, "same"],
    "alpha_H": [-1, np.nan, "as W", None], "l1_ratio": [-0.1, 1.1, np.nan, "half"],
    "verbose": ["loud", -1], "shuffle": ["yes", 1, None], "W_nonneg": [1, None, "no"], "H_nonneg": [0, None],
    "max_sweeps": [0, -1, 2.5, "all"], "extrapolate": [1, None, "yes"], "missing": ["ignore", None, True],
    "n_threads": [0, -1, 1.5, "all", True], "callback": [3, "print"], "max_time": [-1, np.nan, "1 min"],
    "frozen": [np.ones(8), np.ones((2, 5)), np.full((2, 8), np.nan), -np.ones((2, 8)), np.ones((K + 1, 8))],
}  # fmt: skip


def test_every_parameter_has_wrong_values_here():
    assert set(WRONG) == set(gf.NMF().get_params())


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter_is_named_and_nothing_is_fitted(X, name):
    for value in WRONG[name]:
        model = gf.NMF(K, tol=1e-2, shuffle=name == "random_state").set_params(**{name: value})
        before = dict(vars(model))
        with pytest.raises(ValueError, match=name):
            model.fit(X)
        assert vars(model) == before, value
        if name != "n_components":
            with pytest.raises(ValueError, match=name):
                gf.non_negative_factorization(X, n_components=K, **{name: value})


@pytest.mark.parametrize(("name", "values"), [
    ("l1", [-1, np.nan, np.inf, "1", None]), ("l2", [-1, np.nan, np.inf, "1", None]),
    ("nonneg", [1, None, "no"]), ("n_threads", [0, -1, 1.5, True]),
    ("components", [[[np.nan] * 8], [[1.0] * 7], [1.0] * 8, [["a"] * 8], np.empty((0, 8))]),
])  # fmt: skip
def test_a_wrong_argument_of_encode_is_named(X, name, values):
    for value in values:
        arguments = {"components": np.ones((K, 8)), name: value}
        with pytest.raises(ValueError, match=name if name != "components" else None):
            gf.encode(X, **arguments)


@pytest.mark.parametrize(("name", "value"), [
    ("W", np.ones((29, K))), ("W", np.ones((30, K + 1))), ("W", -np.ones((30, K))),
    ("W", np.full((30, K), np.nan)), ("W", np.ones(30)), ("W", None),
    ("H", np.ones((K, 7))), ("H", np.ones((K + 1, 8))), ("H", -np.ones((K, 8))),
    ("H", np.full((K, 8), np.inf)), ("H", None), ("H", np.full((K, 8), 1j)),
])  # fmt: skip
def test_a_custom_start_that_does_not_fit_is_named(X, name, value):
    start = {"W": np.ones((30, K)), "H": np.ones((K, 8)), name: value}
    with pytest.raises(ValueError, match=name if np.iscomplexobj(value) is False else "omplex"):
        nmf(init="custom").fit(X, **start)


@pytest.mark.parametrize("make", [
    lambda X: with_entry(X, np.nan), lambda X: with_entry(X, -1), lambda X: X[:0], lambda X: X[:2],
])  # fmt: skip
def test_a_fit_that_fails_leaves_the_estimator_as_it_was(X, make):
    fresh, fitted = nmf(), nmf().fit(X)
    before = dict(vars(fitted))
    for model in (fresh, fitted):
        with pytest.raises(ValueError, match=r"."):
            model.fit(make(X))
    assert vars(fresh) == vars(clone(fresh))
    assert vars(fitted) == before
    assert_array_equal(fitted.transform(X), nmf().fit_transform(X))
    with pytest.raises(ValueError, match="8"):
        fitted.transform(X[:, :4])


def test_a_fit_that_fails_in_the_callback_leaves_the_estimator_as_it_was(X):
    def fail(info):
        raise KeyError("mine")

    fitted = nmf().fit(X)
    fitted.callback = fail
    before = dict(vars(fitted))
    with pytest.raises(KeyError, match="mine"):
        fitted.fit(X[:, :5])
    assert vars(fitted) == before


APPLIED = {
    "PCA": (lambda: gf.PCA(2), "transform"),
    "whitened": (lambda: gf.PCA(2, whiten=True), "transform"),
    "TruncatedSVD": (lambda: gf.TruncatedSVD(2), "transform"),
    "IncrementalPCA": (lambda: gf.IncrementalPCA(2), "transform"),
    "Ridge": (lambda: gf.Ridge(), "predict"),
    "KMeans": (lambda: gf.KMeans(2, random_state=0), "predict"),
    "distances": (lambda: gf.KMeans(2, random_state=0), "transform"),
    "cosine": (lambda: gf.KMeans(2, metric="cosine", random_state=0), "predict"),
}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", [np.array, np.asfortranarray, sp.csr_array])
@pytest.mark.parametrize("name", APPLIED)
def test_nan_and_infinities_are_refused_where_a_model_is_applied(name, form, bad, dtype):
    make, method = APPLIED[name]
    X = np.random.default_rng(0).random((700, 30)).astype(dtype)
    constant = np.ones_like(X) if name == "whitened" else X  # whose deviations are 0
    model = make().fit(constant, *((X[:, :2],) if name == "Ridge" else ()))
    apply = getattr(model, method)
    expected = apply(form(X))
    for row in (0, 350, 699):
        spoilt = X.copy()
        spoilt[row, 7] = bad
        with pytest.raises(ValueError, match=r"^Input X contains (NaN|infinity)"):
            apply(form(spoilt))
    np.testing.assert_array_equal(apply(form(X)), expected)
