"""sparse_encode, SparseCoder and certify: against scikit-learn and scipy, and by what must hold."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from peer import VERSION
from scipy.optimize import nnls
from sklearn.decomposition import SparseCoder as SklearnCoder
from sklearn.decomposition import sparse_encode as sklearn_encode
from sklearn.linear_model import ElasticNet, orthogonal_mp, orthogonal_mp_gram

import gramfold as gf
from gramfold.coding import codes as codes_module

OF_TODAY = pytest.mark.skipif(
    VERSION < (1, 8), reason="scikit-learn's lasso ended sooner, its coder had less"
)


def data(n=60, m=20, k=50, seed=0, norm=True):
    rng = np.random.default_rng(seed)
    D = rng.standard_normal((k, m))
    if norm:
        D /= np.linalg.norm(D, axis=1, keepdims=True)
    return rng.standard_normal((n, m)), D


@pytest.fixture(params=["side by side", "on the support"])
def regime(request, monkeypatch):
    monkeypatch.setattr(codes_module, "SIDE_BY_SIDE", 10**6 if request.param == "side by side" else 0)


@OF_TODAY
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_the_lasso_is_scikit_learns(regime, alpha, norm, positive):
    X, D = data(norm=norm)
    ours = gf.certify(
        X, D, gf.sparse_encode(X, D, algorithm="lasso_cd", alpha=alpha, positive=positive),
        alpha=alpha, positive=positive,
    )  # fmt: skip
    theirs = sklearn_encode(X, D, algorithm="lasso_cd", alpha=alpha, positive=positive, max_iter=100_000)
    theirs = gf.certify(X, D, theirs, alpha=alpha, positive=positive)
    assert_allclose(ours.objective, theirs.objective, rtol=1e-7)
    assert np.all(ours.objective <= theirs.objective * (1 + 1e-12))
    assert ours.kkt.max() < 1e-9
    assert np.all(ours.gap <= 1e-8 * (1 + ours.objective))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize(
    ("m", "k", "alpha"), [(30, 50, 1e-3), (64, 128, 1e-3), (10, 120, 0.01), (40, 200, 1.0)]
)
def test_codes_are_optimal_where_supports_fill_the_space(dtype, m, k, alpha, positive):
    X, D = (a.astype(dtype) for a in data(40, m, k))
    Z = gf.sparse_encode(X, D, alpha=alpha, positive=positive)
    assert Z.dtype == dtype
    assert gf.certify(X, D, Z, alpha=alpha, positive=positive).kkt.max() < (
        1e-9 if dtype == np.float64 else 2e-5
    )


def test_the_elastic_net_is_scikit_learns(regime):
    X, D = data(8)
    Z = gf.sparse_encode(X, D, alpha=0.2, l2=0.3)
    m = X.shape[1]
    net = ElasticNet(alpha=0.5 / m, l1_ratio=0.4, fit_intercept=False, tol=1e-12, max_iter=100_000)
    assert_allclose(Z, [net.fit(D.T, x).coef_ for x in X], atol=1e-8)
    found = gf.certify(X, D, Z, alpha=0.2, l2=0.3)
    assert found.kkt.max() < 1e-9
    assert found.gap.max() < 1e-8


@pytest.mark.parametrize("k", [8, 20, 60])
def test_without_alpha_positive_codes_are_scipys_nnls(regime, k):
    X, D = data(k=k)
    Z = gf.sparse_encode(X, D, alpha=0.0, positive=True)
    assert Z.min() >= 0
    assert_allclose(np.linalg.norm(X - Z @ D, axis=1), [nnls(D.T, x)[1] for x in X], atol=1e-8)


@pytest.mark.parametrize("norm", [True, False])
def test_omp_is_scikit_learns(norm):
    X, D = data(200, norm=norm)
    for n_nonzero in (1, 3, 8):
        theirs = orthogonal_mp_gram(D @ D.T, D @ X.T, n_nonzero_coefs=n_nonzero).T
        for options in ({}, {"gram": D @ D.T, "cov": D @ X.T}, {"output": "csr"}):
            ours = gf.sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=n_nonzero, **options)
            assert_allclose(ours.toarray() if sp.issparse(ours) else ours, theirs, atol=1e-12)


def test_omp_stops_at_the_error_of_each_row_as_scikit_learn_does():
    X, D = data(50)
    errors = np.linspace(0.2, 1.0, 50)
    ours = gf.sparse_encode(X, D, algorithm="omp", max_error=errors)
    theirs = [orthogonal_mp(D.T, x, tol=e**2) for x, e in zip(X, errors, strict=True)]
    assert_allclose(ours, theirs, atol=1e-10)
    for algorithm in ("omp", "ols"):
        Z = gf.sparse_encode(X, D, algorithm=algorithm, max_error=errors)
        assert np.all(np.linalg.norm(X - Z @ D, axis=1) <= errors + 1e-9)


def test_ols_takes_the_atom_that_lowers_the_error_most():
    X, D = data(20, 10, 25)
    Z = gf.sparse_encode(X, D, algorithm="ols", n_nonzero_coefs=3)
    for x, z in zip(X, Z, strict=True):
        support = []
        for _ in range(3):
            errors = [
                np.inf if j in support else np.linalg.lstsq(D[[*support, j]].T, x, rcond=None)[1].sum()
                for j in range(25)
            ]
            support.append(int(np.argmin(errors)))
        assert sorted(support) == sorted(np.flatnonzero(z))


def test_positive_omp_is_non_negative_least_squares_on_few_atoms():
    X, D = data(80)
    Z = gf.sparse_encode(X, D, algorithm="omp", n_nonzero_coefs=4, positive=True)
    assert Z.min() >= 0
    assert np.count_nonzero(Z, axis=1).max() == 4
    for x, z in zip(X, Z, strict=True):
        on = np.flatnonzero(z)
        assert_allclose(nnls(D[on].T, x)[0], z[on], atol=1e-10)


@given(st.integers(0, 1000), st.floats(0.01, 2.0), st.integers(1, 12))
def test_in_an_orthonormal_dictionary_codes_have_closed_forms(seed, alpha, n_nonzero):
    rng = np.random.default_rng(seed)
    D = np.linalg.qr(rng.standard_normal((40, 40)))[0]
    X = rng.standard_normal((5, 40))
    inner = X @ D.T
    soft = np.sign(inner) * np.maximum(np.abs(inner) - alpha, 0)
    for algorithm in ("lasso_cd", "threshold"):
        assert_allclose(gf.sparse_encode(X, D, algorithm=algorithm, alpha=alpha), soft, atol=1e-9)
    cut = np.sort(np.abs(inner), axis=1)[:, -n_nonzero][:, None]
    kept = np.where(np.abs(inner) >= cut, inner, 0)
    for algorithm in ("omp", "ols"):
        codes = gf.sparse_encode(X, D, algorithm=algorithm, n_nonzero_coefs=n_nonzero)
        assert_allclose(codes, kept, atol=1e-12)


@given(st.integers(0, 1000))
def test_sparse_codes_below_the_coherence_bound_are_recovered(seed):
    rng = np.random.default_rng(seed)
    D = np.concatenate([np.eye(64), np.linalg.qr(rng.standard_normal((64, 64)))[0]])
    mu = np.max(np.abs(D @ D.T - np.eye(128)))
    size = max(1, int(np.ceil((1 + 1 / mu) / 2)) - 1)
    Z = np.zeros((10, 128))
    for z in Z:
        z[rng.choice(128, size, replace=False)] = rng.choice([-1, 1], size) * rng.uniform(0.5, 2, size)
    for algorithm in ("omp", "ols"):
        assert_allclose(gf.sparse_encode(Z @ D, D, algorithm=algorithm, n_nonzero_coefs=size), Z, atol=1e-10)
    assert_allclose(gf.sparse_encode(Z @ D, D, alpha=1e-6), Z, atol=1e-4)


def test_masked_rows_are_coded_by_what_is_observed():
    X, D = data(12, 20, 40)
    seen = np.random.default_rng(1).random(X.shape) < 0.7
    holes = np.where(seen, X, np.nan)
    for options in (
        {"alpha": 0.1},
        {"algorithm": "omp", "n_nonzero_coefs": 3},
        {"algorithm": "ols", "n_nonzero_coefs": 3},
    ):
        found = gf.sparse_encode(holes, D, mask=seen, **options)
        for x, s, z in zip(X, seen, found, strict=True):
            assert_allclose(z, gf.sparse_encode(x[s][None], D[:, s], **options)[0], atol=1e-7)
    weights = np.random.default_rng(2).random(X.shape)
    found = gf.sparse_encode(X, D, mask=weights, alpha=0.1)
    for x, w, z in zip(X, np.sqrt(weights), found, strict=True):
        assert_allclose(z, gf.sparse_encode((w * x)[None], D * w, alpha=0.1)[0], atol=1e-7)


@pytest.mark.parametrize("algorithm", ["omp", "ols", "lasso_cd", "lasso_lars", "lars", "threshold"])
def test_any_kind_of_input_gives_the_same_codes(algorithm):
    X, D = data(30)
    plain = gf.sparse_encode(X, D, algorithm=algorithm, alpha=0.3)
    kinds = [np.asfortranarray(X), X[::-1][::-1], X.tolist(), sp.csr_matrix(X), sp.csc_array(X)]
    for kind in kinds:
        assert_allclose(gf.sparse_encode(kind, D, algorithm=algorithm, alpha=0.3), plain, atol=1e-8)
    if algorithm != "ols":
        atol = 1e-5 if VERSION >= (1, 8) else 1e-2  # it stopped sooner before
        assert_allclose(sklearn_encode(X, D, algorithm=algorithm, alpha=0.3), plain, atol=atol)
    read_only = X.copy()
    read_only.setflags(write=False)
    assert_array_equal(gf.sparse_encode(read_only, D, algorithm=algorithm, alpha=0.3), plain)
    assert gf.sparse_encode(X.astype(np.float32), D, algorithm=algorithm, alpha=0.3).dtype == np.float32
    assert sp.issparse(gf.sparse_encode(X, D, algorithm=algorithm, alpha=0.3, output="csr"))


def test_a_start_at_the_minimiser_needs_one_round():
    X, D = data()
    Z = gf.sparse_encode(X, D, alpha=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = gf.sparse_encode(X, D, alpha=0.2, init=Z, max_iter=2)
    assert_allclose(again, Z, atol=1e-10)
    with pytest.warns(match="did not converge in 1 rounds"):
        gf.sparse_encode(X, D, alpha=0.2, max_iter=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "lasso"}, "algorithm must be one of"),
        ({"alpha": -1}, "alpha must be finite"),
        ({"algorithm": "omp", "n_nonzero_coefs": 0}, "n_nonzero_coefs must be at least 1"),
        ({"algorithm": "ols", "positive": True}, "positive=True does not go with algorithm='ols'"),
        ({"algorithm": "omp", "l2": 1.0}, "l2 goes with the lasso"),
        ({"max_error": 0.1}, "max_error goes with"),
        ({"algorithm": "omp", "max_error": [0.1]}, "max_error must be a number"),
        ({"gram": np.eye(3)}, r"gram must have shape \(50, 50\)"),
        ({"cov": np.eye(3)}, r"cov must have shape \(50, 60\)"),
        ({"init": np.eye(3)}, r"init must have shape \(60, 50\)"),
        ({"output": "csc"}, "output must be one of"),
        ({"tol": -1.0}, "tol must be finite"),
        ({"mask": np.ones((60, 20)), "gram": np.eye(50)}, "mask goes with"),
        ({"n_threads": 0}, "n_threads must be None"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_by_name(options, message):
    X, D = data()
    with pytest.raises(ValueError, match=message):
        gf.sparse_encode(X, D, **options)
    with pytest.raises(ValueError, match="different numbers of features"):
        gf.sparse_encode(X, D[:, 1:])


@OF_TODAY
def test_sparse_coder_is_scikit_learns():
    X, D = data()
    for options in (
        {"transform_algorithm": "omp", "transform_n_nonzero_coefs": 3},
        {"transform_algorithm": "lasso_lars", "transform_alpha": 0.2, "split_sign": True},
        {"transform_algorithm": "lasso_cd", "transform_alpha": 0.2, "positive_code": True},
    ):
        ours, theirs = gf.SparseCoder(D, **options), SklearnCoder(D, **options)
        codes = ours.fit_transform(X)
        assert_allclose(codes, theirs.fit_transform(X), atol=1e-6)
        assert_allclose(ours.inverse_transform(codes), theirs.inverse_transform(codes), atol=1e-12)
        kept = gf.SparseCoder(D, output="csr", **options).transform(X)
        assert_array_equal(kept.toarray(), codes)
        assert_allclose(ours.inverse_transform(kept), ours.inverse_transform(codes), atol=1e-12)
        assert len(ours.get_feature_names_out()) == codes.shape[1]


def near_dependent(seed):
    """More atoms than features, some of them all but equal; random rows, or rows made of few atoms."""
    rng = np.random.default_rng(seed)
    m, k = int(rng.integers(2, 40)), int(rng.integers(33, 150))
    D = rng.standard_normal((k, m))
    if seed % 3 == 0:
        D = np.abs(D)
    if seed % 5 == 0:
        D[k // 2 :] = D[: k - k // 2] + 1e-4 * rng.standard_normal((k - k // 2, m))
    D /= np.linalg.norm(D, axis=1, keepdims=True)
    few = np.abs(rng.standard_normal((60, k)) * (rng.random((60, k)) < 0.1))
    return (rng.standard_normal((60, m)) if seed % 2 else few @ D), D


@pytest.mark.parametrize(("alpha", "positive"), [(0.0, True), (1e-6, True), (1e-6, False), (0.05, False)])
@pytest.mark.parametrize("seed", range(0, 50, 2))
def test_single_precision_is_not_led_astray_by_near_dependent_atoms(seed, alpha, positive):
    X, D = near_dependent(seed + (seed % 4) // 2)
    X32, D32 = X.astype(np.float32), D.astype(np.float32)
    single = gf.sparse_encode(X32, D32, algorithm="lasso_cd", alpha=alpha, positive=positive)
    double = gf.sparse_encode(
        X32.astype(float), D32.astype(float), algorithm="lasso_cd", alpha=alpha, positive=positive
    )

    def objective(Z):
        Z = Z.astype(float)
        return 0.5 * np.sum((X32 - Z @ D32.astype(float)) ** 2) + alpha * np.abs(Z).sum()

    assert np.isfinite(single).all()
    assert objective(single) <= objective(double) + 1e-3 * (objective(double) + np.sum(X**2) * 1e-3)
