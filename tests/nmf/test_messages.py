"""Given factors and masks of any shape: a fit, or a ValueError that names them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning

import gramfold as gf

sides = st.sampled_from([1, 2, 3, 4, 5])


@pytest.mark.filterwarnings("ignore")
@given(st.tuples(sides, sides), st.tuples(sides, sides), st.sampled_from(["auto", None, 2, 3]), st.booleans())
def test_factors_of_any_shape_are_taken_or_named(shape_W, shape_H, n_components, batches):
    X, W, H = np.ones((4, 3)), np.ones(shape_W), np.ones(shape_H)
    model = (gf.MiniBatchNMF if batches else gf.NMF)(n_components, init="custom", max_iter=2)
    k = {"auto": shape_H[0], None: 3}.get(n_components, n_components)
    if shape_W == (4, k) and shape_H == (k, 3):
        assert model.fit_transform(X, W=W, H=H).shape == shape_W
        return
    with pytest.raises(ValueError, match=r"[WH] must have shape \(\d, \d\) for X of shape \(4, 3\)"):
        model.fit(X, W=W, H=H)
    assert not hasattr(model, "components_")


@given(st.tuples(sides, sides), st.sampled_from(["auto", None, 2, 6]))
def test_a_fixed_H_must_fit_n_components_and_X(shape, n_components):
    k = {"auto": shape[0], None: 3}.get(n_components, n_components)
    arguments = {"X": np.ones((4, 3)), "H": np.ones(shape), "n_components": n_components, "update_H": False}
    if shape == (k, 3):
        W, H, _ = gf.non_negative_factorization(**arguments)
        assert (W.shape, H.shape) == ((4, k), shape)
        return
    with pytest.raises(ValueError, match="H must have shape"):
        gf.non_negative_factorization(**arguments)


@pytest.mark.filterwarnings("ignore")
@given(st.lists(sides, min_size=1, max_size=3))
def test_a_mask_of_another_shape_is_named(shape):
    model = gf.NMF(2, missing="mask", max_iter=2, init="random", random_state=0)
    if shape == [4, 3]:
        model.fit(np.ones((4, 3)), mask=np.ones(shape))
        return
    with pytest.raises(ValueError, match="mask must have the shape of X"):
        model.fit(np.ones((4, 3)), mask=np.ones(shape))


def test_masked_arrays_are_no_factors():
    X, W, H = np.ones((4, 3)), np.ones((4, 2)), np.ones((2, 3))
    hidden = [np.ma.masked_array(factor, np.eye(*factor.shape)) for factor in (W, H)]
    for name, w, h in (("W", hidden[0], H), ("H", W, hidden[1])):
        with pytest.raises(ValueError, match=f"{name} is a masked array"):
            gf.NMF(2, init="custom").fit(X, W=w, H=h)
    with pytest.raises(ValueError, match="H is a masked array"):
        gf.non_negative_factorization(X, H=hidden[1], n_components=2, update_H=False)


@pytest.mark.parametrize("signs", [(False, True), (True, False), (False, False)])
def test_semi_nmf_with_gaps_takes_any_start(signs):
    X = np.random.default_rng(0).standard_normal((12, 7))
    mask = np.random.default_rng(1).random(X.shape) > 0.2
    model = gf.NMF(3, missing="mask", W_nonneg=signs[0], H_nonneg=signs[1], init="random", random_state=0,
                   tol=0, max_iter=9)  # fmt: skip
    assert np.all(np.diff(model.fit(X, mask=mask).history_["objective"]) <= 0)


@pytest.mark.filterwarnings("ignore:.*did not converge")
def test_the_time_limit_holds_for_slow_codes_too():
    X = np.random.default_rng(0).random((40, 30))
    model = gf.NMF(4, solver="mu", beta_loss=1, init="random", random_state=0, max_time=0.0).fit(X)
    with pytest.warns(UserWarning, match="max_time=0"):
        model.transform(X)


def test_sparse_codes_and_the_keyword_of_scikit_learn_give_x_back():
    import scipy.sparse as sp

    X = np.random.default_rng(0).random((9, 6))
    model = gf.NMF(3, random_state=0, tol=1e-2).fit(X)
    W = model.transform(X)
    for codes in (sp.csr_array(W), sp.csc_matrix(W), sp.coo_array(W)):
        np.testing.assert_allclose(model.inverse_transform(X=codes), W @ model.components_, rtol=1e-12)


def test_a_generator_as_random_state_is_told_what_to_pass():
    for options in ({}, {"init": "random"}, {"shuffle": True}):
        model = gf.NMF(2, random_state=np.random.default_rng(0), **options)
        with pytest.raises(ValueError, match=r"random_state must be .*generator\.bit_generator"):
            model.fit(np.ones((5, 4)))


@pytest.mark.parametrize("batches", [False, True])
def test_a_penalty_that_growing_factors_evade_is_named(batches):
    X = gf.datasets.make_nmf(40, 20, 3, random_state=0)[0]
    model = (gf.MiniBatchNMF if batches else gf.NMF)(
        3, alpha_W=0, alpha_H=0.001, max_iter=5, tol=1e-9, random_state=0
    )
    with pytest.warns(ConvergenceWarning, match="alpha_W=0 and alpha_H=0.001 penalise one factor alone"):
        model.fit(X)
    with pytest.warns(ConvergenceWarning, match="5 reached. Increase it"):
        model.set_params(alpha_W=0.001).fit(X)


@pytest.mark.parametrize("seed", ["bad", -1, 2**32, 1.5])
def test_a_start_that_draws_nothing_asks_for_a_random_state_all_the_same(seed):
    X, W, H = np.ones((6, 4)), np.ones((6, 2)), np.ones((2, 4))
    model = gf.NMF(2, init="custom", random_state=seed)
    with pytest.raises(ValueError, match="random_state"):
        model.fit_transform(X, W=W, H=H)
