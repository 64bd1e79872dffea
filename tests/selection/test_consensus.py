"""Components of several fits are matched."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from rank_cases import blobs, parts

import gramfold as gf


def shuffled(components, count, noise=0.0, seed=0):
    rng = np.random.RandomState(seed)
    return [
        components[rng.permutation(len(components))] * rng.uniform(0.5, 2, (len(components), 1))
        + noise * rng.standard_normal(components.shape)
        for _ in range(count)
    ]


def test_components_in_any_order_and_of_any_size_are_matched():
    components = np.random.RandomState(1).random_sample((4, 12))
    found = gf.consensus(shuffled(components, 6))
    unit = components / np.linalg.norm(components, axis=1, keepdims=True)
    apart = np.abs(found.components_[:, None] - unit).max(axis=2)
    assert (apart.min(axis=1) < 1e-12).all()
    assert sorted(apart.argmin(axis=1)) == [0, 1, 2, 3]
    np.testing.assert_allclose(found.stability_, 1)
    assert [sorted(labels) for labels in found.labels_.tolist()] == [[0, 1, 2, 3]] * 6


def test_signs_of_atoms_do_not_matter():
    atoms = np.random.RandomState(1).standard_normal((5, 9))
    given = shuffled(atoms, 5)
    for i, one in enumerate(given):
        one[: i % 3] *= -1
    np.testing.assert_allclose(gf.consensus(given).stability_, 1)


def test_a_component_that_one_fit_alone_has_is_an_outlier():
    components = np.eye(6)[:3]
    given = [components.copy() for _ in range(8)]
    given[2][1] = np.eye(6)[5]
    found = gf.consensus(given)
    assert np.argwhere(found.labels_ < 0).tolist() == [[2, 1]]
    assert found.silhouette_ == 1
    assert (gf.consensus(given, density_threshold=2).labels_ >= 0).all()
    assert gf.consensus(given, density_threshold=2).silhouette_ < 1


def test_restarts_of_nmf_agree_where_the_factors_are_unique():
    X, _, H = gf.datasets.make_nmf(200, 30, 4, separable=True, random_state=0)
    models = [gf.NMF(4, init="random", max_iter=5000, tol=1e-6, random_state=i).fit(X) for i in range(5)]
    found = gf.consensus(models)
    assert found.silhouette_ > 0.99
    cosines = found.components_ @ (H / np.linalg.norm(H, axis=1, keepdims=True)).T
    np.testing.assert_allclose(cosines.max(axis=1), 1, atol=1e-3)


def test_too_many_components_are_less_stable():
    X = parts(200, 40, 4, 0)
    right, more = (
        gf.consensus([
            gf.NMF(k, init="random", max_iter=3000, random_state=i).fit(X) for i in range(5)
        ], density_threshold=2).silhouette_
        for k in (4, 8)
    )  # fmt: skip
    assert more < right - 0.1


def test_centroids_keep_their_place():
    X = blobs(200, 3, 4, 0)
    models = [gf.KMeans(4, n_init=5, random_state=i).fit(X) for i in range(4)]
    found = gf.consensus(models)
    assert found.silhouette_ > 0.99
    labels = found.labels_[0]
    np.testing.assert_allclose(found.components_[labels], models[0].cluster_centers_)


def test_results_depend_on_the_seed_alone():
    given = shuffled(np.random.RandomState(1).random_sample((4, 12)), 6, noise=0.1)
    one, two = (gf.consensus(given, density_threshold=2) for _ in range(2))
    np.testing.assert_array_equal(one.components_, two.components_)
    np.testing.assert_array_equal(one.labels_, two.labels_)


def test_a_single_component_has_no_silhouette():
    found = gf.consensus([np.ones((1, 3)), np.ones((1, 3))])
    assert np.isnan(found.stability_).all()
    np.testing.assert_allclose(found.components_, np.ones((1, 3)) / np.sqrt(3))


def test_what_does_not_fit_together_is_said():
    with pytest.raises(ValueError, match="at least two fits, got 1"):
        gf.consensus([np.eye(3)])
    with pytest.raises(ValueError, match=r"models\[1\] has components of shape \(2, 2\), but models\[0\]"):
        gf.consensus([np.eye(3), np.eye(2)])
    with pytest.raises(ValueError, match=r"density_threshold=0\.1 leaves 0 of 6 components"):
        gf.consensus([np.eye(6)[:3], np.eye(6)[3:]], density_threshold=0.1)


def test_results_are_printed_and_drawn():
    given = [np.eye(3) for _ in range(8)]
    given[0][1] = [1, 1, 1]
    found = gf.consensus(given)
    assert repr(found) == "Consensus of 8 fits on 3 components: silhouette 1.000, 1 of 24 outliers"
    ax = found.plot(ax=Figure().subplots())
    assert ax.images[0].get_array().shape == (24, 24)
