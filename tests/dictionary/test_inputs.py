"""What dictionary learning may be given: any sparse format, changed state, wrong shapes, masks, seeds."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from dictionary.cases import BOTH, planted
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import gramfold as gf

ALGORITHMS = ["cd", "omp", "ols", "threshold", "ksvd", "soup_l1", "soup_l0"]
ONLINE = ["cd", "omp", "ols", "threshold"]
OPTIONS = {"alpha": 0.3, "transform_n_nonzero_coefs": 2, "max_iter": 3, "tol": 0, "random_state": 0}
LEARNERS = [(gf.DictionaryLearning, name) for name in ALGORITHMS] + [
    (gf.MiniBatchDictionaryLearning, name) for name in ONLINE
]
EACH = pytest.mark.parametrize(("learner", "algorithm"), LEARNERS, ids=lambda v: getattr(v, "__name__", v))


def sparse_problem():
    X, _ = planted(60, m=12, k=9)
    X[np.abs(X) < 0.8] = 0
    X[5], X[:, 3] = 0, 0
    return X


def duplicated(x):
    """CSR in which the first entries of every row are stored as two halves, indices falling."""
    x = x.tocsr()
    rows = [(x.indices[a:b][::-1], x.data[a:b][::-1]) for a, b in zip(x.indptr, x.indptr[1:], strict=False)]
    indices = np.concatenate([np.concatenate([i, i[:1]]) for i, _ in rows])
    data = np.concatenate([np.concatenate([d[:1] / 2, d[1:], d[:1] / 2]) for _, d in rows])
    ends = np.cumsum([0] + [len(i) + len(i[:1]) for i, _ in rows])
    return sp.csr_matrix((data, indices, ends), shape=x.shape)


def with_zeros(n, m, x):
    return sp.csr_matrix((x.ravel(), np.tile(np.arange(m), n), np.arange(n + 1) * m), shape=(n, m))


FORMATS = {
    "unsorted": lambda x: sp.csr_matrix(x[:, ::-1])[:, np.arange(x.shape[1])[::-1]],
    "duplicates": lambda x: duplicated(sp.csr_matrix(x)),
    "zeros stored": lambda x: with_zeros(*x.shape, x),
    "csc": sp.csc_matrix,
    "coo": sp.coo_array,
    "bsr": lambda x: sp.bsr_matrix(x, blocksize=(5, 4)),
    "a slice": lambda x: sp.csr_matrix(np.vstack([x + 1, x, x]))[len(x) : 2 * len(x)],
}  # fmt: skip


def bytes_of(x):
    parts = [getattr(x, name) for name in ("data", "indices", "indptr", "row", "col") if hasattr(x, name)]
    return [np.asarray(part).tobytes() for part in parts] if sp.issparse(x) else [x.tobytes()]


@EACH
def test_sparse_input_of_any_kind_is_learned_as_dense_and_left_alone(learner, algorithm):
    X = sparse_problem()
    options = OPTIONS | {"dict_init": planted(60, m=12, k=9)[0][:8], "transform_algorithm": "lasso_cd"}
    expected = learner(8, fit_algorithm=algorithm, **options).fit(X)
    codes = expected.transform(X)
    for name, make in FORMATS.items():
        x = make(X)
        before = bytes_of(x)
        found = learner(8, fit_algorithm=algorithm, **options).fit(x)
        assert_allclose(found.components_, expected.components_, atol=1e-9, err_msg=name)
        assert_allclose(found.transform(x), codes, atol=1e-9, err_msg=name)
        if hasattr(found, "partial_fit"):
            found.partial_fit(x)
        assert bytes_of(x) == before, name


@EACH
def test_dense_arrays_are_left_alone(learner, algorithm):
    X, _ = planted(40, m=12, k=9)
    D, Z = X[:6].copy(), np.ones((40, 6))
    before = [a.tobytes() for a in (X, D, Z)]
    codes = {} if learner is gf.MiniBatchDictionaryLearning else {"code_init": Z}
    learner(6, fit_algorithm=algorithm, dict_init=D, **codes, **OPTIONS).fit(X).transform(X)
    assert [a.tobytes() for a in (X, D, Z)] == before


def test_masks_are_not_dropped():
    X, _ = planted(40)
    hidden = np.ma.array(X, mask=np.abs(X) > 0.5)
    for learner in BOTH:
        with pytest.raises(ValueError, match="X is a masked array"):
            learner(4).fit(hidden)
        with pytest.raises(ValueError, match="dict_init is a masked array"):
            learner(4, dict_init=hidden[:4]).fit(X)
        with pytest.raises(ValueError, match="X is a masked array"):
            learner(4, **OPTIONS).fit(X).transform(hidden)
    with pytest.raises(ValueError, match="code_init is a masked array"):
        gf.DictionaryLearning(4, dict_init=X[:4], code_init=hidden[:, :4]).fit(X)
    with pytest.raises(ValueError, match="images is a masked array"):
        gf.patches.extract(hidden, (4, 4))
    with pytest.raises(ValueError, match="patches is a masked array"):
        gf.patches.average(hidden[:25, :16], (8, 8), (4, 4))
    with pytest.raises(ValueError, match="image is a masked array"):
        gf.restore.inpaint(hidden, np.ones(X.shape, bool), np.eye(4), (2, 2), alpha=0.1)


@pytest.mark.parametrize("learner", BOTH)
def test_wrong_starts_and_seeds_are_refused_by_name(learner):
    X, _ = planted(30)
    wrong = {
        r"dict_init must have shape \(4, 20\), got \(20,\)": {"dict_init": X[0]},
        r"dict_init must have shape \(4, 20\), got \(4, 20, 1\)": {"dict_init": X[:4, :, None]},
        "Input dict_init contains NaN": {"dict_init": np.full((4, 20), np.nan)},
        "random_state must be .*Generator": {"random_state": np.random.default_rng(0)},
    }
    for message, options in wrong.items():
        with pytest.raises(ValueError, match=message):
            learner(4, **options).fit(X)
    with pytest.raises(ValueError, match="random_state must be"):
        gf.patches.extract(X, (4, 4), max_patches=3, random_state="one")


def test_a_weight_of_zero_for_a_row_or_a_column_leaves_it_out():
    X, _ = planted(60)
    w = np.ones(X.shape)
    w[10:20], w[:, 7], w[3, 3] = 0, 0, 2.5
    for algorithm in ("cd", "omp"):
        options = OPTIONS | {"fit_algorithm": algorithm, "missing": "mask", "dict_init": X[20:26]}
        fits = [gf.DictionaryLearning(6, **options).fit(x, mask=w) for x in (X, np.where(w > 0, X, 1e9))]
        assert_array_equal(fits[0].components_, fits[1].components_)
        assert np.isfinite(fits[0].components_).all()
        rest = gf.DictionaryLearning(6, **options).fit(
            np.delete(X, np.s_[10:20], 0), mask=np.delete(w, np.s_[10:20], 0)
        )
        assert_allclose(rest.components_, fits[0].components_, atol=1e-9)


@pytest.mark.parametrize("positive", [False, True])
def test_codes_that_a_coder_may_not_keep_are_not_kept(positive):
    X, _ = planted(80)
    D = X[:12] / np.linalg.norm(X[:12], axis=1, keepdims=True)
    options = {"fit_algorithm": "ksvd", "transform_n_nonzero_coefs": 2, "positive_code": positive, "tol": 0}
    start = np.linalg.lstsq(D.T, X.T, rcond=None)[0].T  # the best, by too many and of both signs
    model = gf.DictionaryLearning(12, dict_init=D, code_init=start, max_iter=3, **options).fit(X)
    assert model._codes.getnnz(axis=1).max() <= 2
    assert model._codes.min() >= 0 or not positive
    model.set_params(warm_start=True, transform_n_nonzero_coefs=1).fit(X)
    assert model._codes.getnnz(axis=1).max() == 1


STATES = st.fixed_dictionaries({
    "n_components": st.sampled_from([4, 4, 6, None]),
    "fit_algorithm": st.sampled_from(ALGORITHMS),
    "positive_code": st.booleans(), "positive_dict": st.booleans(), "alpha": st.sampled_from([0.1, 1.0]),
    "transform_n_nonzero_coefs": st.sampled_from([1, 3]),
})  # fmt: skip
CALLS = st.tuples(
    STATES, st.sampled_from([30, 30, 21]), st.sampled_from([6, 6, 9]),
    st.sampled_from([np.float32, np.float64]), st.sampled_from(["dense", "csr"]),
    st.sampled_from(["fit", "partial_fit"]),
)  # fmt: skip
SAID = "goes on with", "expecting", "does not go with", "must be one of"


@given(st.lists(CALLS, min_size=2, max_size=4))
@pytest.mark.parametrize("learner", BOTH)
def test_a_fit_goes_on_after_any_change_or_says_what_does_not_fit(learner, calls):
    model = learner(4, warm_start=True, max_iter=2, tol=0, random_state=0)
    for state, rows, cols, dtype, form, method in calls:
        X = np.random.default_rng(1).standard_normal((rows, cols)).astype(dtype)
        model.set_params(**state)
        before = dict(vars(model))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                getattr(model, method, model.fit)(sp.csr_matrix(X) if form == "csr" else X)
        except ValueError as error:
            said = str(error)
        else:
            said = None
        if said:
            assert any(part in said for part in SAID), said
            assert vars(model) == before
            continue
        D = model.components_
        assert D.dtype == dtype
        assert D.shape == (state["n_components"] or cols, cols)
        assert np.isfinite(D).all()
        assert np.all(np.linalg.norm(D, axis=1) <= 1 + 1e-6)
        assert D.min() >= 0 or not state["positive_dict"]
        assert np.isfinite(model.history_["objective"]).all() if hasattr(model, "history_") else True
