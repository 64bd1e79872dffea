"""PCA, truncated SVD and incremental PCA beside scikit-learn and LAPACK."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from pca.cases import data, graded
from sklearn import decomposition
from sklearn.utils.estimator_checks import parametrize_with_checks

import gramfold as gf

ATTRIBUTES = ("components_", "explained_variance_", "explained_variance_ratio_", "singular_values_", "mean_")
SHAPES = [(300, 30), (40, 90), (70, 70)]
SOLVERS = ["auto", "full", "covariance_eigh"]


def agree(model, peer, rtol=1e-9):
    for name in (*ATTRIBUTES, "noise_variance_"):
        expected = np.asarray(getattr(peer, name))
        atol = 1e-9 * max(1, np.abs(expected).max(initial=0))
        assert_allclose(getattr(model, name), expected, rtol=rtol, atol=atol, err_msg=name)


@parametrize_with_checks(
    [
        gf.PCA(), gf.PCA(1), gf.PCA(1, svd_solver="full"), gf.PCA(1, svd_solver="randomized", random_state=0),
        gf.PCA(1, whiten=True), gf.PCA(1, missing="mask"), gf.TruncatedSVD(),
        gf.TruncatedSVD(1, missing="mask"), gf.TruncatedSVD(algorithm="gram"), gf.IncrementalPCA(),
        gf.IncrementalPCA(batch_size=10),
    ]
)  # fmt: skip
def test_scikit_learns_checks_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("n_components", [None, 4, 0.7, "mle"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_pca_is_scikit_learns(shape, n_components, solver):
    X = data(*shape)
    if n_components == "mle" and shape[0] < shape[1]:
        pytest.skip("scikit-learn's 'mle' needs more rows than columns")
    model = gf.PCA(n_components, svd_solver=solver).fit(X)
    peer = decomposition.PCA(n_components, svd_solver="full").fit(X)
    k = model.n_components_
    assert k == peer.n_components_
    last = k - 1 if n_components is None and shape[0] <= shape[1] else k  # the last of a centred X is 0
    assert_allclose(model.components_[:last], peer.components_[:last], atol=1e-9)
    for name in ATTRIBUTES[1:]:
        expected = getattr(peer, name)
        assert_allclose(getattr(model, name), expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())
    assert_allclose(model.transform(X)[:, :last], peer.transform(X)[:, :last], atol=1e-8)
    assert_allclose(model.fit_transform(X), model.transform(X), atol=1e-12)
    assert_allclose(
        model.inverse_transform(model.transform(X)), peer.inverse_transform(peer.transform(X)), atol=1e-7
    )


@pytest.mark.parametrize("n_components", [3, 30])
def test_the_gaussian_model_is_scikit_learns(n_components):
    X = data(300, 30)
    model, peer = gf.PCA(n_components).fit(X), decomposition.PCA(n_components, svd_solver="full").fit(X)
    assert_allclose(model.get_covariance(), peer.get_covariance(), rtol=1e-9, atol=1e-9)
    assert_allclose(model.get_precision(), peer.get_precision(), rtol=1e-7, atol=1e-9)
    assert_allclose(model.score_samples(X), peer.score_samples(X), rtol=1e-8)
    assert_allclose(model.score(X), peer.score(X), rtol=1e-9)


def test_whitened_codes_have_unit_variance_and_go_back():
    X = data(300, 30)
    model = gf.PCA(5, whiten=True)
    codes = model.fit_transform(X)
    assert_allclose(codes.var(axis=0, ddof=1), 1, rtol=1e-10)
    plain = gf.PCA(5).fit(X)
    assert_allclose(model.inverse_transform(codes), plain.inverse_transform(plain.transform(X)), atol=1e-9)
    assert_allclose(model.get_covariance(), plain.get_covariance(), rtol=1e-12)


@pytest.mark.parametrize("n_components", [None, 20])
@pytest.mark.parametrize("shape", [(500, 40), (60, 300), (200, 200)], ids=str)
def test_singular_values_are_lapacks_down_to_a_millionth_of_the_largest(shape, n_components):
    X = graded(*shape, 6) + 0.1
    expected = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    model = gf.PCA(n_components, svd_solver="covariance_eigh").fit(X)
    found = model.singular_values_
    expected = expected[: len(found)]
    large = expected >= 1e-6 * expected[0]
    assert_allclose(found[large], expected[large], rtol=1e-10)
    assert_allclose(model.components_ @ model.components_.T, np.eye(len(found)), atol=1e-12)


def test_float32_has_sums_in_float64():
    X = data(20000, 20, dtype=np.float32)
    model, exact = gf.PCA().fit(X), decomposition.PCA(svd_solver="full").fit(X.astype(np.float64))
    assert model.components_.dtype == model.transform(X).dtype == np.float32
    assert_allclose(model.singular_values_, exact.singular_values_, rtol=2e-5)
    assert_allclose(model.mean_, exact.mean_, rtol=1e-6)


def test_a_large_mean_does_not_cancel():
    X = np.random.default_rng(0).standard_normal((2000, 8)) + 1e8
    expected = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    assert_allclose(gf.PCA().fit(X).singular_values_, expected, rtol=1e-7)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
def test_the_krylov_space_finds_the_leading_components(sparse):
    rng = np.random.default_rng(0)
    X = sp.random(500, 400, 0.05, random_state=0, format="csr") if sparse else graded(500, 400, 5) + 0.1
    if sparse:
        X = X + sp.csr_array(100 * np.outer(rng.random(500) < 0.02, rng.random(400) < 0.02) / 10)
    model = gf.PCA(5, svd_solver="randomized", iterated_power=8, random_state=0).fit(X)
    peer = decomposition.PCA(5, svd_solver="full").fit(X.toarray() if sparse else X)
    first = 1 if sparse else 5  # the others of the sparse matrix have no gap
    assert_allclose(model.singular_values_[:first], peer.singular_values_[:first], rtol=1e-7)
    assert_allclose(model.explained_variance_ratio_[0], peer.explained_variance_ratio_[0], rtol=1e-6)
    assert_allclose(model.components_ @ model.components_.T, np.eye(5), atol=1e-12)


@pytest.mark.parametrize("solver", ["auto", "covariance_eigh"])
@pytest.mark.parametrize("form", ["csr", "csc"])
def test_sparse_x_is_centred_as_if_dense(form, solver):
    X = sp.random(200, 40, 0.2, random_state=0).asformat(form)
    model, peer = (
        gf.PCA(6, svd_solver=solver).fit(X),
        decomposition.PCA(6, svd_solver="full").fit(X.toarray()),
    )
    agree(model, peer)
    assert_allclose(model.transform(X), peer.transform(X.toarray()), atol=1e-10)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("shape", [(80, 10), (30, 50)], ids=str)
def test_a_row_of_weight_w_counts_as_w_rows(shape, sparse):
    X = data(*shape)
    weights = np.random.default_rng(1).integers(0, 4, len(X))
    repeated = gf.PCA(4).fit(np.repeat(X, weights, axis=0))
    given = sp.csr_array(X) if sparse else X
    model = gf.PCA(4).fit(given, sample_weight=weights)
    for name in ATTRIBUTES:
        assert_allclose(
            getattr(model, name), getattr(repeated, name), atol=1e-9 * np.abs(X).max(), err_msg=name
        )


def test_missing_entries_are_filled_in_by_the_components():
    rng = np.random.default_rng(0)
    L = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 30)) + 2
    X = np.where(rng.random(L.shape) < 0.2, np.nan, L)
    before = X.copy()
    model = gf.PCA(3, missing="mask", tol=1e-9).fit(X)
    assert_array_equal(X, before)
    assert_allclose(model.inverse_transform(model.transform(L)), L, atol=1e-6)


@pytest.mark.parametrize("algorithm", ["randomized", "gram"])
def test_truncated_svd_fills_in_missing_entries(algorithm):
    rng = np.random.default_rng(0)
    L = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 30))
    X = np.where(rng.random(L.shape) < 0.2, np.nan, L)
    before = X.copy()
    model = gf.TruncatedSVD(3, algorithm=algorithm, missing="mask", tol=1e-9, random_state=0).fit(X)
    assert_array_equal(X, before)
    assert model.n_iter_ > 1
    assert_allclose(model.inverse_transform(model.transform(X)), L, atol=1e-6)
    assert_allclose(model.singular_values_, np.linalg.svd(L)[1][:3], rtol=1e-6)
    with pytest.raises(ValueError, match="missing='mask'"):
        gf.TruncatedSVD(30, missing="mask").fit(X)


@pytest.mark.parametrize("algorithm", ["randomized", "gram"])
@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("shape", [(300, 30), (40, 90)], ids=str)
def test_truncated_svd_is_scikit_learns(shape, form, algorithm):
    X = data(*shape)
    given = sp.csr_array(X) if form == "csr" else X
    model = gf.TruncatedSVD(4, algorithm=algorithm).fit(given)
    peer = decomposition.TruncatedSVD(4, algorithm="arpack", random_state=0).fit(X)
    for name in ("components_", "singular_values_", "explained_variance_", "explained_variance_ratio_"):
        assert_allclose(getattr(model, name), getattr(peer, name), rtol=1e-8, atol=1e-8, err_msg=name)
    assert_allclose(model.transform(given), peer.transform(X), rtol=1e-8, atol=1e-6)
    assert_allclose(model.fit_transform(given), model.transform(given))


def test_batches_are_merged_exactly():
    X = data(400, 12) + np.linspace(0, 50, 400)[:, None]
    whole, model = gf.PCA(5).fit(X), gf.IncrementalPCA(5)
    for batch in np.array_split(X, [7, 150, 160, 399]):
        model.partial_fit(batch)
    agree(model, whole)
    assert model.n_samples_seen_ == 400
    assert_allclose(model.var_, X.var(axis=0), rtol=1e-10)
    agree(gf.IncrementalPCA(5, batch_size=31).fit(X), whole)
    agree(gf.IncrementalPCA(5, batch_size=31).fit(sp.csr_array(X)), whole, rtol=1e-7)


def test_many_features_are_merged_as_scikit_learn_does(monkeypatch):
    monkeypatch.setattr("gramfold.pca.incremental.MOST_FEATURES", 10)
    X = data(200, 20)
    model = gf.IncrementalPCA(5, batch_size=50).fit(X)
    peer = decomposition.IncrementalPCA(5, batch_size=50).fit(X)
    for name in ("components_", "singular_values_", "explained_variance_", "mean_", "var_"):
        assert_allclose(getattr(model, name), getattr(peer, name), rtol=1e-8, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("solver", ["covariance_eigh", "randomized"])
@pytest.mark.parametrize("shape", [(3000, 60), (60, 3000)], ids=str)
def test_results_are_the_same_bits_for_any_number_of_threads(shape, solver, dtype):
    X = data(*shape, dtype=dtype)
    models = [gf.PCA(4, svd_solver=solver, random_state=0, n_threads=n).fit(X) for n in (1, 2, 5)]
    for model in models[1:]:
        for name in ATTRIBUTES:
            assert_array_equal(getattr(model, name), getattr(models[0], name))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (gf.PCA(-1), "n_components"), (gf.PCA(9), "n_components=9 must be between"),
        (gf.PCA(1.5), "n_components"), (gf.PCA("x"), "n_components"),
        (gf.PCA(svd_solver="svd"), "svd_solver"), (gf.PCA("mle", svd_solver="arpack"), "arpack"),
        (gf.PCA(0, svd_solver="arpack"), "between 1 and"), (gf.PCA(4, svd_solver="arpack"), "strictly less"),
        (gf.TruncatedSVD(4, algorithm="arpack"), "less than min"),
        (gf.PCA(missing="x"), "missing"),
        (gf.TruncatedSVD(missing="x"), "missing"),
        (gf.PCA(svd_solver="randomized", n_components=0.5), "randomized"),
        (gf.PCA(missing="mask"), "missing='mask'"),
        (gf.PCA(whiten=2), "whiten"), (gf.TruncatedSVD(9), "n_components"),
        (gf.TruncatedSVD(algorithm="x"), "algorithm"),
        (gf.IncrementalPCA(9), "n_components"), (gf.IncrementalPCA(batch_size=0), "batch_size"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wrong_parameter_is_named(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(data(6, 4))


def test_a_wide_x_has_no_dimension_of_largest_evidence():
    with pytest.raises(ValueError, match="only supported if n_samples >= n_features, got X of 5 rows"):
        gf.PCA("mle").fit(data(5, 8))


def test_lapack_makes_no_dense_copy_of_a_sparse_x():
    with pytest.raises(TypeError, match=r'only support sparse inputs .* while "full" was passed'):
        gf.PCA(2, svd_solver="full").fit(sp.csr_array(data(20, 8)))


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, lambda X: gf.blocks([X[:9], X[9:]])])
@pytest.mark.parametrize("shape", [(200, 8), (8, 200), (700, 550)], ids=str)
def test_arpack_is_exact_and_0_components_are_a_sphere(shape, form):
    X = data(*shape)
    few, all_of_them = gf.PCA(4, svd_solver="arpack").fit(form(X)), gf.PCA().fit(X)
    assert_allclose(few.singular_values_, all_of_them.singular_values_[:4], rtol=1e-10)
    assert_allclose(few.components_, all_of_them.components_[:4], rtol=1e-7, atol=1e-10)
    svd = gf.TruncatedSVD(4, algorithm="arpack").fit(form(X))
    assert_allclose(svd.singular_values_, np.linalg.svd(X, compute_uv=False)[:4], rtol=1e-10)
    none = gf.PCA(0).fit(form(X))
    assert none.transform(form(X)).shape == (shape[0], 0)
    assert_allclose(none.get_covariance(), none.noise_variance_ * np.eye(shape[1]))
    noise = np.var(X, axis=0, ddof=1).sum() / min(shape)
    assert_allclose(none.noise_variance_, noise, rtol=1e-9)


def test_weights_and_infinity_are_checked():
    X = data(6, 4)
    with pytest.raises(ValueError, match=r"[Ss]ample.weight"):
        gf.PCA().fit(X, sample_weight=np.zeros(6))
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        gf.PCA().fit(X, sample_weight=-np.ones(6))
    X[0, 0] = np.inf
    for model in (gf.PCA(), gf.TruncatedSVD(), gf.IncrementalPCA()):
        with pytest.raises(ValueError, match="infinity"):
            model.fit(X)


@pytest.mark.parametrize("dependent", [False, True])
def test_few_of_many_columns_are_found_alone_and_go_on(dtype, dependent):
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((1500, 160)) * np.linspace(3, 0.5, 160) + 10).astype(dtype)
    if dependent:
        X[:, 120:] = X[:, :40]
    model, rounding = gf.IncrementalPCA(5).fit(X), 1e-6 if dtype == np.float32 else 1e-13
    for rows in (X, np.concatenate([X, X[:300]])):
        expected = gf.PCA().fit(rows.astype(np.float64))
        assert_allclose(model.singular_values_, expected.singular_values_[:5], rtol=rounding)
        assert_allclose(model.noise_variance_, np.sum(expected.explained_variance_[5:]) / 155, rtol=rounding)
        model.partial_fit(X[:300])
