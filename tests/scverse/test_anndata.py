"""Models of an AnnData: results where scanpy has them, of any layer, also after the file was written."""

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal

import gramfold as gf
from gramfold import scverse

anndata = pytest.importorskip("anndata", reason="of the extra `scverse`")
pytestmark = pytest.mark.filterwarnings("ignore")  # anndata's own
COUNTS = np.random.default_rng(0).poisson(1.0, (80, 30)).astype(np.float32)


@pytest.fixture(params=[np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def cells(request):
    made = anndata.AnnData(request.param(np.log1p(COUNTS)), layers={"counts": request.param(COUNTS)})
    made.obs_names = [f"cell{i}" for i in range(80)]
    return made


def test_factors_components_and_clusters_are_where_they_are_looked_for(cells):
    model = scverse.nmf(cells, 4, layer="counts", random_state=0, max_iter=500)
    expected = gf.NMF(4, random_state=0, max_iter=500)
    assert_array_equal(cells.obsm["X_nmf"], expected.fit_transform(cells.layers["counts"]))
    assert_array_equal(cells.varm["nmf"], expected.components_.T)
    assert cells.uns["nmf"]["reconstruction_err"] == model.reconstruction_err_
    components = scverse.pca(cells, 5)
    assert_array_equal(cells.obsm["X_pca"], gf.PCA(5).fit_transform(cells.X))
    assert_array_equal(cells.varm["PCs"], components.components_.T)
    assert_array_equal(cells.uns["pca"]["variance_ratio"], components.explained_variance_ratio_)
    clusters = scverse.kmeans(cells, 3, use_rep="X_pca", random_state=0)
    assert_array_equal(cells.obs["kmeans"].astype(int), clusters.labels_)
    assert list(cells.obs["kmeans"].cat.categories) == ["0", "1", "2"]


def test_results_are_written_and_backed_files_are_read(cells, tmp_path):
    scverse.nmf(cells, 3, layer="counts", random_state=0, max_iter=500)
    scverse.kmeans(cells, 3, random_state=0)
    with anndata.settings.override(allow_write_nullable_strings=True):  # the index, of pandas' strings
        cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    assert_array_equal(backed.obsm["X_nmf"], cells.obsm["X_nmf"])
    assert backed.uns["nmf"]["params"]["layer"] == "counts"
    scverse.pca(backed, 4)
    scverse.pca(cells, 4)
    assert_array_equal(backed.obsm["X_pca"], cells.obsm["X_pca"])


def test_two_sources_of_rows_are_refused(cells):
    with pytest.raises(ValueError, match="use_rep='X_pca' and layer='counts'"):
        scverse.kmeans(cells, 3, layer="counts", use_rep="X_pca")
