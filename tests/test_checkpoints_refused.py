"""Checkpoints of other fits are refused by name; where they are kept, how often, and what a block is for."""

import inspect
import os

import numpy as np
import pytest
import scipy.sparse as sp
from entries import counts
from saved import assert_same, rewritten
from sklearn.model_selection import GridSearchCV
from test_checkpoints import After, Stopped, assert_same_learned, fit

import gramfold as gf
from gramfold.fit.fingerprint import data_marks

NMF = {"n_components": 3, "max_iter": 8, "tol": 0, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    """The checkpoint of a fit of NMF to counts()."""
    with pytest.raises(Stopped):
        fit(gf.NMF(**NMF, callback=After(5)), counts(), checkpoint=tmp_path / "fit", checkpoint_every=0)
    return tmp_path / "fit"


OTHER = {
    "alpha_W 0.0, not 0.5": {"alpha_W": 0.5},
    "random_state 0, not 1": {"random_state": 1},
    "init None, not 'random'": {"init": "random"},
    "frozen None, not ndarray of shape (1, 9)": {"frozen": np.ones((1, 9))},
}


@pytest.mark.parametrize("said", OTHER)
def test_another_parameter_is_named(path, said):
    model = gf.NMF(**NMF | OTHER[said])
    with pytest.raises(
        ValueError, match=r"fit is a checkpoint of a fit with .*: set it as it was, or begin anew"
    ) as e:
        model.fit(counts(), checkpoint=path)
    assert said in str(e.value)
    assert not hasattr(model, "n_features_in_")


def changed(x):
    x[0, 0] += 1
    return x


DATA = {
    "X of shape (60, 9), not of shape (59, 9)": lambda: counts()[1:],
    "X of shape (60, 9) too, but another one": lambda: changed(counts()),
}


@pytest.mark.parametrize("said", DATA)
def test_other_data_are_named(path, said):
    with pytest.raises(ValueError, match="is a checkpoint of a fit with X") as error:
        gf.NMF(**NMF).fit(DATA[said](), checkpoint=path)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "other", [lambda x: x.astype(np.float32), sp.csr_array, lambda x: gf.blocks([x, x[:0]])]
)
def test_the_same_numbers_in_another_form_are_other_data(path, other):
    with pytest.raises(ValueError, match=r"X of shape .* too, but another one"):
        gf.NMF(**NMF).fit(other(counts()), checkpoint=path)


def test_weights_that_are_left_out_or_new_are_named(tmp_path, path):
    with pytest.raises(ValueError, match=r"sample_weight None, not of shape \(60,\)"):
        gf.NMF(**NMF).fit(counts(), sample_weight=np.ones(60), checkpoint=path)
    weighted = tmp_path / "weighted"
    fit(gf.NMF(**NMF), counts(), sample_weight=np.ones(60), checkpoint=weighted, checkpoint_every=0)
    with pytest.raises(ValueError, match=r"sample_weight of shape \(60,\), not None"):
        gf.NMF(**NMF).fit(counts(), checkpoint=weighted)


def test_another_class_or_version_is_named(path):
    with pytest.raises(ValueError, match="is a checkpoint of NMF, not KMeans"):
        gf.KMeans().fit(counts(), checkpoint=path)
    rewritten(path, lambda described: described.update(gramfold="0.0.1"))
    with pytest.raises(ValueError, match=r"is a checkpoint of gramfold 0\.0\.1, not "):
        gf.NMF(**NMF).fit(counts(), checkpoint=path)


def test_a_model_is_no_checkpoint_and_a_checkpoint_no_model(tmp_path, path):
    with pytest.raises(ValueError, match=r"fit, of gramfold .*, cannot be loaded: it is a checkpoint"):
        gf.load(path)
    gf.save(gf.NMF(), tmp_path / "model")
    with pytest.raises(ValueError, match=r"model is no checkpoint.*resume=False"):
        gf.NMF(**NMF).fit(counts(), checkpoint=tmp_path / "model")


def test_a_damaged_checkpoint_is_refused(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="fit is damaged"):
        gf.NMF(**NMF).fit(counts(), checkpoint=path)


def test_another_level_goes_on_with_a_warning(path):
    rewritten(path, lambda described: described.update(level="v0"))
    with pytest.warns(UserWarning, match="fit was written at level v0 and the fit goes on at"):
        gf.NMF(**NMF).fit(counts(), checkpoint=path)


def test_what_no_result_depends_on_may_change(path):
    whole = gf.NMF(**NMF).fit(counts())
    seen = []
    model = gf.NMF(**NMF, n_threads=2, verbose=0, max_time=100.0, callback=lambda info: seen.append(info))
    assert_same(model.fit(counts(), checkpoint=path).components_, whole.components_)
    assert [info.iteration for info in seen] == [5, 6, 7, 8]
    assert (np.diff(model.history_["seconds"]) >= 0).all()


def test_without_resume_a_fit_begins_anew_and_replaces_the_file(path):
    seen = []
    model = gf.NMF(**NMF | {"random_state": 1}, callback=lambda info: seen.append(info.iteration))
    model.fit(counts(), checkpoint=path, checkpoint_every=0, resume=False)
    assert seen == list(range(1, 9))
    fit(gf.NMF(**NMF | {"random_state": 1}), counts(), checkpoint=path)


def test_a_block_and_keywords_are_the_same(path):
    with gf.checkpoint(path):
        one = gf.NMF(**NMF).fit(counts())
    other = gf.NMF(**NMF)
    W = other.fit_transform(counts(), checkpoint=path)
    assert_same_learned(one, other)
    assert_same(W, one.transform(counts()))


def test_a_block_is_for_one_fit_that_keeps_checkpoints(tmp_path):
    X, place = counts(), gf.checkpoint(tmp_path / "one")
    with place:
        fit(gf.NMF(**NMF), X)
        with pytest.raises(ValueError, match="one is the checkpoint of one fit"):
            gf.NMF(**NMF).fit(X)
    with (
        pytest.warns(UserWarning, match="none was not used: no fit here keeps"),
        gf.checkpoint(tmp_path / "none"),
    ):
        gf.PCA(2).fit(X)
    search = GridSearchCV(gf.NMF(**NMF), {"alpha_W": [0, 1]}, error_score="raise")
    with gf.checkpoint(tmp_path / "search", every=0), pytest.raises(ValueError, match="one fit"):
        search.fit(X)


def test_a_fit_within_one_that_keeps_no_checkpoints_keeps_none(tmp_path):
    with (
        pytest.warns(UserWarning, match="no fit here keeps checkpoints"),
        gf.checkpoint(tmp_path / "fit", every=0),
    ):
        gf.OnlineRobustPCA(2, n_start=20).fit(counts())
    assert not list(tmp_path.iterdir())


def test_a_fit_within_a_fit_leaves_the_file_to_the_outer_one(tmp_path):
    with gf.checkpoint(tmp_path / "fit", every=0):
        fit(
            gf.GaussianMixture(3, init_params="kmeans", reg_covar=0.1, tol=0, random_state=0, max_iter=5),
            counts(),
        )
    seen = {}
    rewritten(tmp_path / "fit", seen.update)
    assert seen["checkpoint"]["class"] == "GaussianMixture"


def test_unseeded_fits_go_on_from_their_own_start(tmp_path):
    X, first = counts(), After(3)
    with pytest.raises(Stopped):
        fit(gf.NMF(3, init="random", tol=0, max_iter=9, callback=first), X, checkpoint=tmp_path / "fit",
            checkpoint_every=0)  # fmt: skip
    ends = [
        fit(gf.NMF(3, init="random", tol=0, max_iter=9), X, checkpoint=tmp_path / "fit") for _ in range(2)
    ]
    assert_same(ends[0].components_, ends[1].components_)


def test_a_file_at_the_end_of_a_fit_gives_the_same_result_again(tmp_path):
    ends = [fit(gf.NMF(**NMF), counts(), checkpoint=tmp_path / "fit", checkpoint_every=0) for _ in range(2)]
    assert_same_learned(*ends)


def test_a_failed_fit_leaves_the_estimator_as_it_was(path):
    model = gf.NMF(**NMF).fit(counts())
    before = dict(vars(model))
    with pytest.raises(Stopped):
        model.set_params(callback=After(1)).fit(counts(), checkpoint=path)
    assert vars(model.set_params(callback=None)) == before


@pytest.mark.parametrize(
    ("name", "value"), [("checkpoint_every", -1), ("checkpoint_every", "s"), ("resume", 1)]
)
def test_arguments_are_checked(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name.removeprefix('checkpoint_')} must be .*, got {value!r}"):
        gf.NMF().fit(counts(), checkpoint=tmp_path / "fit", **{name: value})


def test_writing_takes_at_most_a_fiftieth_of_the_time(monkeypatch, tmp_path):
    clock, written = [0.0], []

    def write(*_):
        clock[0] += 10
        written.append(clock[0])

    monkeypatch.setattr("gramfold.fit.kept.time.perf_counter", lambda: clock[0])
    monkeypatch.setattr("gramfold.fit.kept.write", write)

    def second(info):
        clock[0] += 1

    model = gf.NMF(**NMF | {"max_iter": 2000}, callback=second)
    model.fit(counts(), checkpoint=tmp_path / "fit", checkpoint_every=60.0)
    assert written[0] == 70
    assert (np.diff(written[:-1]) >= 510).all()
    assert len(written) == 5
    assert written[-1] == 2000 + 49  # before the last iteration


def test_a_folder_that_is_missing_is_told_before_the_fit(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none for the checkpoint fit"):
        gf.NMF(**NMF).fit(counts(), checkpoint=tmp_path / "none" / "fit")


def test_a_disk_that_is_full_costs_the_checkpoint_and_not_the_fit(monkeypatch, tmp_path):
    def full(_):
        raise OSError(28, "No space left on device")

    whole = gf.NMF(**NMF).fit(counts())
    monkeypatch.setattr("gramfold.keep.atomic.os.fsync", full)
    with pytest.warns(UserWarning, match="the fit goes on, but no checkpoint was written: .*No space left"):
        model = gf.NMF(**NMF).fit(counts(), checkpoint=tmp_path / "fit", checkpoint_every=0)
    assert_same_learned(model, whole)
    assert not list(tmp_path.iterdir())


def test_one_weight_for_all_rows_is_told_by_its_value(tmp_path):
    X = counts()
    make = lambda: gf.Ridge(solver="cg", tol=1e-12)  # noqa: E731
    fit(make(), X, y=X[:, 0], sample_weight=0.5, checkpoint=tmp_path / "fit", checkpoint_every=0)
    with pytest.raises(ValueError, match=r"sample_weight 0\.5, not 0\.25"):
        make().fit(X, X[:, 0], sample_weight=0.25, checkpoint=tmp_path / "fit")


ITERATIVE = (
    gf.NMF, gf.MiniBatchNMF, gf.KMeans, gf.MiniBatchKMeans, gf.GaussianMixture, gf.PoissonMixture,
    gf.RobustPCA, gf.DictionaryLearning, gf.MiniBatchDictionaryLearning, gf.Ridge,
)  # fmt: skip


@pytest.mark.parametrize("model", ITERATIVE, ids=lambda model: model.__name__)
def test_every_model_that_iterates_takes_the_keywords(model):
    names = list(inspect.signature(model.fit).parameters)
    assert names[-3:] == ["checkpoint", "checkpoint_every", "resume"]
    assert "`gramfold.checkpoint`" in model.fit.__doc__


@pytest.mark.parametrize("form", ["path", "memory map", "flat", "h5"])
def test_a_file_that_has_changed_is_other_data(form, tmp_path):
    x = np.random.default_rng(0).random((400, 6))
    path = tmp_path / "x.npy"
    if form == "h5":
        h5py = pytest.importorskip("h5py")
        path = tmp_path / "x.h5"
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=x, chunks=(100, 6), compression="gzip")
    else:
        np.save(path, x)
    given = {"memory map": lambda: np.load(path, mmap_mode="r"), "flat": lambda: gf.blocks([path])}.get(
        form, lambda: path
    )
    marks = data_marks({"X": given()})
    assert data_marks({"X": given()}) == marks
    os.utime(path, ns=(5, 5))
    if form == "memory map":
        x[:] += 1
        np.save(path, x)
    assert data_marks({"X": given()}) != marks
