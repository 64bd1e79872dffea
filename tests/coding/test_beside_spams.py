"""The same minimisers as SPAMS, and dictionaries as good from as many steps."""

import numpy as np
import pytest

import gramfold as gf

spams = pytest.importorskip("spams", reason="spams-bin, of the test extra, is not installed")


@pytest.fixture(scope="module")
def patches():
    """12,000 centred 8x8 patches of photographs of norm 1, and 100 of them, a little changed, as atoms."""
    X = gf.datasets.image_patches((8, 8), n_patches=12_000, dtype=np.float64, random_state=0)
    X = X - X.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    X /= np.maximum(norms, 1e-3 * norms.max())
    rng = np.random.default_rng(0)
    D = X[rng.choice(len(X), 100, replace=False)] + 0.01 * rng.standard_normal((100, 64))
    return X, D / np.linalg.norm(D, axis=1, keepdims=True)


def objective(X, D, Z, alpha):
    return 0.5 * np.sum((X - Z @ D) ** 2) + alpha * np.abs(Z).sum()


def transposed(*arrays):
    return tuple(np.asfortranarray(a.T) for a in arrays)


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_the_lasso_has_the_objective_of_spams(patches, positive, l2):
    X, D = patches[0][:2000], patches[1]
    theirs = spams.lasso(*transposed(X, D), lambda1=0.15, lambda2=l2, mode=2, pos=positive, numThreads=1)
    Z = gf.sparse_encode(X, D, alpha=0.15, l2=l2, positive=positive)
    ours, theirs = (objective(X, D, z, 0.15) + 0.5 * l2 * np.sum(z**2) for z in (Z, theirs.toarray().T))
    assert ours <= theirs * (1 + 1e-9)
    assert ours >= theirs * (1 - 1e-9)


@pytest.mark.parametrize("size", [1, 5, 10])
def test_orthogonal_least_squares_has_the_residuals_of_spams(patches, size):
    X, D = patches[0][:2000], patches[1]
    theirs = spams.omp(*transposed(X, D), L=size, eps=0.0, numThreads=1).toarray().T
    Z = gf.sparse_encode(X, D, algorithm="ols", n_nonzero_coefs=size)
    ours, theirs = (np.sum((X - z @ D) ** 2, axis=1) for z in (Z, theirs))
    np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_mini_batches_learn_atoms_as_good_as_those_of_spams_from_as_many_passes(patches, dtype):
    X, D = patches
    train, held = X[:10_000], X[10_000:]
    theirs = spams.trainDL(
        *transposed(train.astype(dtype)), D=transposed(D.astype(dtype))[0], lambda1=0.15, mode=2, iter=80,
        batchsize=250, numThreads=1, verbose=False,
    ).T  # fmt: skip
    model = gf.MiniBatchDictionaryLearning(
        100, alpha=0.15, batch_size=250, max_iter=2, tol=0, max_no_improvement=None, dict_init=D,
        random_state=0,
    )  # fmt: skip
    ours = model.fit(train.astype(dtype)).components_
    costs = []
    for atoms in (ours, theirs):
        atoms = np.ascontiguousarray(atoms, np.float64)
        costs.append(objective(held, atoms, gf.sparse_encode(held, atoms, alpha=0.15), 0.15))
    assert costs[0] <= 1.001 * costs[1]
