"""pickle, joblib and copies work on every model; a pickle of another version says so."""

import copy
import pickle
import warnings

import joblib
import pytest
from entries import ENTRIES, counts

import gramfold as gf

MODELS = {name: entry for name, entry in ENTRIES.items() if entry.estimator is not None}


@pytest.fixture
def model():
    return gf.KMeans(3, random_state=0).fit(counts())


@pytest.mark.parametrize("name", MODELS)
def test_every_model_goes_through_a_pickle(name):
    model = MODELS[name].estimator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        X = counts(empty_row=MODELS[name].empty_row)
        model.fit(X, **{key: value(X) for key, value in MODELS[name].given.items()})
    again = pickle.loads(pickle.dumps(model))
    assert vars(again).keys() == vars(model).keys()


def test_copies_and_joblib_keep_no_version(tmp_path, model):
    joblib.dump(model, tmp_path / "model.joblib")
    for again in (
        copy.copy(model),
        copy.deepcopy(model),
        joblib.load(tmp_path / "model.joblib", mmap_mode="r"),
    ):
        assert vars(again).keys() == vars(model).keys()
        assert (again.predict(counts()) == model.predict(counts())).all()


def test_a_pickle_of_another_version_warns(monkeypatch, model):
    monkeypatch.setattr("gramfold.fit.estimator.VERSION", "0.0.1")
    pickled = pickle.dumps(model)
    monkeypatch.undo()
    with pytest.warns(
        UserWarning, match=r"this KMeans was pickled by gramfold 0\.0\.1 and read by \d"
    ) as caught:
        pickle.loads(pickled)
    assert caught[0].filename == __file__
