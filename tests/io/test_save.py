"""A saved and loaded model is equal: parameters, attributes, what it says of data, and how it goes on."""

import tracemalloc
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts
from numpy.testing import assert_array_equal
from saved import assert_same
from sklearn.base import clone

import gramfold as gf
from gramfold.keep import registry

MODELS = {name: entry for name, entry in ENTRIES.items() if entry.estimator is not None}


def learned(name, X, model=None):
    """The model of an entry, after X."""
    entry = MODELS[name]
    model = entry.estimator() if model is None else model
    learn = "partial_fit" if name.endswith("partial_fit") else "fit"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(model, learn)(X, **{key: value(X) for key, value in entry.given.items()})


def through(model, path, **options):
    gf.save(model, path)
    return gf.load(path, **options)


def says(name, model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {way: getattr(model, way)(X) for way in MODELS[name].methods if not way.startswith("fit_")}


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mapped"])
@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_equal_and_says_the_same(tmp_path, name, dtype, mmap):
    X = counts(empty_row=MODELS[name].empty_row).astype(dtype)
    model = learned(name, X)
    again = through(model, tmp_path / "model.gramfold", mmap=mmap)
    assert_same(again, model)
    assert_same(says(name, again, X), says(name, model, X))


@pytest.mark.parametrize("name", [name for name, entry in MODELS.items() if entry.sparse])
def test_a_model_of_a_sparse_matrix_is_equal(tmp_path, name):
    X = sp.csr_array(counts(empty_row=MODELS[name].empty_row))
    model = learned(name, X)
    again = through(model, tmp_path / "model.gramfold")
    assert_same(again, model)
    assert_same(says(name, again, X), says(name, model, X))


GOING_ON = [name for name, entry in MODELS.items() if hasattr(entry.estimator(), "partial_fit")]


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mapped"])
@pytest.mark.parametrize("name", GOING_ON)
def test_partial_fit_goes_on_to_the_same_bits(tmp_path, name, mmap):
    X = counts(empty_row=MODELS[name].empty_row)
    model = learned(name, X)
    again = through(model, tmp_path / "model.gramfold", mmap=mmap)
    more = {key: value(X[::-1]) for key, value in MODELS[name].given.items() if key == "y"}
    for each in (model, again):
        for _ in range(3):
            each.partial_fit(X[::-1].copy(), **more)
    again.history_ = getattr(model, "history_", None)  # has seconds
    model.history_ = again.history_
    assert_same(again, model)


WARM = [name for name, entry in MODELS.items() if hasattr(entry.estimator(), "warm_start")]


def learn_again(model, X):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X)
    getattr(model, "history_", {}).pop("seconds", None)
    return model


@pytest.mark.parametrize("mmap", [False, True], ids=["read", "mapped"])
@pytest.mark.parametrize("name", WARM)
def test_a_warm_start_goes_on_to_the_same_bits(tmp_path, name, mmap):
    X = counts(empty_row=MODELS[name].empty_row)
    model = learn_again(MODELS[name].estimator().set_params(warm_start=True), X)
    again = through(model, tmp_path / "model.gramfold", mmap=mmap)
    for given in (X[::-1].copy(), X):
        assert_same(learn_again(again, given), learn_again(model, given))


@pytest.mark.parametrize("algorithm", ["lars", "omp", "ksvd", "soup_l0", "soup_l1"])
def test_atoms_that_were_to_be_replaced_are_replaced_after_loading(tmp_path, algorithm):
    X = counts()
    model = gf.DictionaryLearning(
        14, alpha=0.5, fit_algorithm=algorithm, transform_n_nonzero_coefs=2, max_iter=1, tol=0,
        dict_init=np.repeat(X[:7], 2, axis=0), random_state=0, warm_start=True,
    )  # fmt: skip
    learn_again(model, X)
    assert model._faulty.any()
    again, unflagged = (through(model, tmp_path / "model.gramfold") for _ in range(2))
    unflagged._faulty = None
    learn_again(model, X)
    assert_same(learn_again(again, X), model)
    assert not np.array_equal(learn_again(unflagged, X).components_, model.components_)


def public():
    return {
        name
        for name in gf.__all__
        if isinstance(getattr(gf, name), type) and hasattr(getattr(gf, name), "fit")
    }


def test_every_public_estimator_can_be_saved():
    assert registry.MODELS.keys() == public()
    assert {type(entry.estimator()).__name__ for entry in MODELS.values()} | {"SparseCoder"} == public()


@pytest.mark.parametrize("name", sorted(public()))
def test_an_unfitted_model_keeps_its_parameters(tmp_path, name):
    given = (np.eye(3),) if name == "SparseCoder" else ()
    model = getattr(gf, name)(*given).set_params(n_threads=2)
    again = through(model, tmp_path / "model.gramfold")
    assert_same(again, model)


def test_parameters_of_many_kinds_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(0)
    model = gf.KMeans(
        n_clusters=np.int64(3), init=np.asfortranarray(rng.random((3, 4))), frozen=[[1.0, 2], [3, np.inf]],
        prior_mean=(0.5, -0.0, np.nan, 1e-300), tol=np.float32(0.1), random_state=2**70,
        callback=gf.progress(leave=True),
    )  # fmt: skip
    again = through(model, tmp_path / "model.gramfold")
    found = again.get_params()
    assert found.pop("callback").tqdm_kwargs == {"leave": True}
    assert_same(found, {key: value for key, value in model.get_params().items() if key != "callback"})
    assert np.signbit(found["prior_mean"][1])


def test_a_model_among_the_parameters_is_saved_with_its_own(tmp_path):
    inner = gf.KMeans(2, random_state=0).fit(np.arange(8.0).reshape(4, 2))
    model = gf.NMF(3, init=inner)  # none takes one, but a file has room for it
    again = through(model, tmp_path / "model.gramfold")
    assert_same(again, model)
    assert again.get_params()["init__n_clusters"] == 2


def test_one_generator_in_two_places_stays_one(tmp_path):
    X, rng = counts(), np.random.RandomState(3)
    model = gf.MiniBatchKMeans(3, random_state=rng).partial_fit(X)
    assert model._rng is model.random_state
    rng.standard_normal()
    again = through(model, tmp_path / "model.gramfold")
    assert again._rng is again.random_state
    assert_array_equal(again._rng.standard_normal(7), rng.standard_normal(7))


@pytest.mark.parametrize(
    "value", [lambda X: X, np.random.RandomState(np.random.PCG64(0)), 1j, {1: 2}, object()]
)
def test_what_cannot_be_saved_is_named(tmp_path, value):
    with pytest.raises(ValueError, match=r"this KMeans cannot be saved: parameters\.init is .*"):
        gf.save(gf.KMeans(3, init=value), tmp_path / "model.gramfold")
    assert not list(tmp_path.iterdir())


def test_a_model_that_was_changed_by_hand_is_refused_by_name(tmp_path):
    model = gf.NMF(2, random_state=0).fit(counts())
    for name, value in (("mine_", 3), ("n_iter_", "three"), ("components_", np.ones((2, 4)))):
        changed = clone(model).fit(counts())
        setattr(changed, name, value)
        with pytest.raises(ValueError, match=f"this NMF cannot be saved: .*{name}"):
            gf.save(changed, tmp_path / "model.gramfold")


def test_only_models_of_gramfold_are_saved(tmp_path):
    class Mine(gf.NMF):
        pass

    for other in (Mine(), 3, gf.NMF):
        with pytest.raises(TypeError, match=r"model must be an estimator of gramfold, .* got"):
            gf.save(other, tmp_path / "model.gramfold")


def test_feature_names_and_output_are_kept(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(counts()).rename(columns=lambda i: f"gene {i} ü")
    model = gf.PCA(2).fit(frame).set_output(transform="pandas")
    again = through(model, tmp_path / "model.gramfold")
    assert_same(again.feature_names_in_, model.feature_names_in_)
    assert again.transform(frame).equals(model.transform(frame))


def test_a_wide_robust_pca_keeps_the_order_of_its_arrays(tmp_path):
    model = gf.RobustPCA(tol=1e-3).fit(counts().T)
    again = through(model, tmp_path / "model.gramfold")
    assert model.dual_.flags.f_contiguous
    assert_same(again, model)


def test_a_mapped_model_is_read_only_and_takes_no_memory(tmp_path):
    large = np.random.default_rng(0).random((4, 2**19))
    gf.save(gf.KMeans(4, init=large), tmp_path / "model.gramfold")
    tracemalloc.start()
    again = gf.load(tmp_path / "model.gramfold", mmap=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < large.nbytes / 16
    assert type(again.init) is np.ndarray
    assert not again.init.flags.writeable
    assert_array_equal(again.init, large)


def test_saving_an_array_by_columns_copies_it_piece_by_piece(tmp_path):
    large = np.asfortranarray(np.random.default_rng(0).random((2**14, 2**8)))
    model = gf.KMeans(4, init=large)
    tracemalloc.start()
    gf.save(model, tmp_path / "model.gramfold")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < large.nbytes / 3  # two pieces
    assert_same(gf.load(tmp_path / "model.gramfold").init, large)


def test_what_no_reader_would_take_is_not_written(monkeypatch, tmp_path):
    monkeypatch.setattr("gramfold.keep.layout.LONGEST_HEADER", 1000)
    with pytest.raises(ValueError, match="model cannot be written: its names and numbers"):
        gf.save(gf.KMeans(2, init=[[1.0] * 300] * 2), tmp_path / "model")
    assert not list(tmp_path.iterdir())
