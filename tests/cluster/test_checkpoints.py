"""A fit on workers that goes on from a checkpoint ends with the bits of one that was never stopped."""

import numpy as np
import pytest
from cluster_cases import rows

import gramfold as gf

dask = pytest.importorskip("dask", reason="dask is of the extra dask")
import dask.array as da  # noqa: E402

BATCHES = {"batch_size": 128, "max_no_improvement": None}
MODELS = {
    "NMF": lambda: gf.NMF(3, init="random"),
    "NMF, mu": lambda: gf.NMF(3, init="random", solver="mu", beta_loss=1),
    "KMeans": lambda: gf.KMeans(8),
    "KMeans, starts": lambda: gf.KMeans(8, n_init=2),
    "GaussianMixture": lambda: gf.GaussianMixture(2),
    "PoissonMixture": lambda: gf.PoissonMixture(2),
    "RobustPCA": lambda: gf.RobustPCA(),
    "DictionaryLearning": lambda: gf.DictionaryLearning(4),
    "MiniBatchNMF": lambda: gf.MiniBatchNMF(3, **BATCHES),
    "MiniBatchKMeans": lambda: gf.MiniBatchKMeans(3, **BATCHES),
    "MiniBatchDictionaryLearning": lambda: gf.MiniBatchDictionaryLearning(4, **BATCHES),
}
LEARNED = ("components_", "cluster_centers_", "means_", "rates_")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("name", MODELS)
def test_a_fit_on_workers_goes_on_to_the_same_bits(client, name, tmp_path):
    X = da.from_array(np.rint(rows()) if name == "PoissonMixture" else rows(), chunks=(200, -1))

    def fitted(iterations, **how):
        model = MODELS[name]().set_params(max_iter=iterations, tol=0)
        if "random_state" in model.get_params():
            model.set_params(random_state=0)
        return model.fit(X, **how)

    whole = fitted(8)
    path = tmp_path / "fit.checkpoint"
    assert fitted(4, checkpoint=path, checkpoint_every=0).n_iter_ < whole.n_iter_
    resumed = fitted(8, checkpoint=path)
    attribute = next(one for one in LEARNED if hasattr(whole, one))
    np.testing.assert_array_equal(getattr(resumed, attribute), getattr(whole, attribute))
    assert resumed.n_iter_ == whole.n_iter_
