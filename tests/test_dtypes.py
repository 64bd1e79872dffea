"""X of any numbers is read as floats where it lies, with the bits of the array that is converted from it."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from entries import ENTRIES, counts
from kernel_fuzz import STUB, Case

import gramfold as gf
from gramfold._core.floats import float_of
from gramfold.fit.floats import Piecewise, as_floats
from gramfold.fit.inputs import read_rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

INTEGERS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
DTYPES = [*INTEGERS, "float16", "bfloat16", ">f4", ">f8", ">i2", ">u4"]
ROOM = 0.3  # of X, for a fit and its results


def laid(x, form):
    """The same numbers in other places: C, F, every other column of rows twice as long, or misaligned."""
    if form == "F":
        return np.asfortranarray(x)
    if form == "strided":
        room = np.zeros((x.shape[0], 2 * x.shape[1]), x.dtype)
        room[:, ::2] = x
        return room[:, ::2]
    if form == "misaligned":
        room = np.zeros(x.nbytes + 1, np.uint8)
        moved = room[1:].view(x.dtype).reshape(x.shape)
        moved[...] = x
        return moved
    return np.ascontiguousarray(x)


def of_floats(x):
    """What NumPy makes of x, its memory in the same order."""
    return x.astype(float_of(x.dtype))


def same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name, strict=True)


def numbers(dtype, rows=60, cols=9):
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes", reason="of which this is a type").bfloat16
    x = counts(rows, cols)
    return x > 0 if dtype == "bool" else x.astype(dtype)


FORMS = {"C": "uint8", "F": "int32", "strided": "int16", "misaligned": "float32", "csr": "uint16"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ENTRIES)
def test_every_model_reads_other_numbers_as_their_floats(name, form):
    entry, x = ENTRIES[name], numbers(FORMS[form])
    if form == "csr":
        if not entry.sparse:
            pytest.skip("dense X only")
        x = sp.csr_array(x)
    elif entry.observed:
        pytest.skip("the entries stored are what is observed")
    else:
        x = laid(x, form)
    same(entry.run(x), entry.run(of_floats(x)))


MODELS = {
    "NMF": lambda: gf.NMF(4, max_iter=4, random_state=0),
    "NMF, KL": lambda: gf.NMF(4, beta_loss="kullback-leibler", init="random", max_iter=3, random_state=0),
    "few clusters": lambda: gf.KMeans(4, random_state=0),
    "many clusters": lambda: gf.KMeans(60, init="random", n_init=1, random_state=0),
    "PCA": lambda: gf.PCA(4),
    "a mixture": lambda: gf.GaussianMixture(
        3, covariance_type="diag", init_params="random", max_iter=3, random_state=0
    ),
    "missing": lambda: gf.NMF(3, missing="mask", init="random", max_iter=3, random_state=0),
}


@pytest.mark.parametrize("form", ["C", "F", "strided"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODELS)
def test_all_numbers_are_read_as_their_floats_in_many_blocks(name, dtype, form):
    x = laid(numbers(dtype, 1100, 33), form)
    found, expected = (vars(MODELS[name]().fit(of)) for of in (x, of_floats(x)))
    same(*({k: v for k, v in of.items() if isinstance(v, np.ndarray)} for of in (found, expected)))


@pytest.mark.parametrize("kernel", [name for name, arguments in STUB.items() if "x" in arguments])
def test_kernels_read_numbers_as_their_floats(compiled, kernel):
    first, returned = list(STUB).index(kernel), 0
    for number in range(first, first + 40 * len(STUB), len(STUB)):
        if Case(number, sound=True).arguments["x"] is not None:
            returned += returns(compiled, number)
    assert returned > 0


def returns(kernels, number):
    """Whether a call of whole numbers returned, which does the same as that of their floats."""

    def call(*, convert):
        case = Case(number, sound=True)
        arguments, x = case.arguments, case.arguments["x"]
        values = np.nan_to_num(x[0] if isinstance(x, tuple) else x, nan=0, posinf=9, neginf=0)
        values = np.clip(np.abs(4 * values), 0, 200)
        values = values.astype("uint8" if case.dtype == np.float32 else "uint32")
        values = of_floats(values) if convert else values
        arguments["x"] = (values, *x[1:]) if isinstance(x, tuple) else values
        try:
            returned = getattr(kernels, case.kernel)(**arguments)
        except (ValueError, TypeError) as error:
            return type(error), None
        return returned, {name: value for name, value in arguments.items() if name != "x"}

    with np.errstate(all="ignore"):
        found, expected = call(convert=False), call(convert=True)
    np.testing.assert_equal(found, expected)
    return found[1] is not None


@pytest.mark.parametrize("dtype", INTEGERS)
def test_extremes_of_integers_are_rounded_as_numpy_does(kernels, dtype):
    low, high = (0, 1) if dtype == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    x = np.array([[low, high, 0, 1, high // 3]] * 40, dtype)
    got = np.empty((len(x), 5), float_of(x.dtype))
    kernels.products(x=x, f=np.eye(5, dtype=got.dtype), out=got, image=None, n_threads=1)
    np.testing.assert_array_equal(got, of_floats(x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", ">f2"])
def test_every_number_of_16_bits_is_converted(kernels, dtype):
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(-1, 256)
    if dtype == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes", reason="of which this is a type").bfloat16
    x, out = bits.view(dtype), np.empty(bits.shape, np.float32)
    nothing = np.zeros(0, np.float32), np.zeros(0, np.int32), np.zeros(len(x) + 1, np.int64)
    with np.errstate(invalid="ignore"):
        kernels.residual(
            x=x, weights=None, codes=nothing, atoms=np.zeros((0, 256), np.float32), out=out, n_threads=1
        )
    np.testing.assert_array_equal(out, x.astype(np.float32))


@pytest.mark.parametrize("dtype", ["float16", ">f4", ">f8"])
def test_nan_and_infinity_are_seen_in_any_float(dtype):
    x = numbers(dtype)
    models = gf.NMF(2), gf.KMeans(2), gf.PCA(2), gf.IncrementalPCA(2), gf.DictionaryLearning(2)
    for bad, name in ((np.inf, "infinity"), (np.nan, "NaN")):
        x[3, 2] = bad
        for model in models:
            with pytest.raises(ValueError, match=f"Input X contains {name}"):
                model.fit(x)
    model = MODELS["missing"]()
    found, expected = (model.fit(of).components_ for of in (x, of_floats(x)))
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("x", [np.array([[1j, 2]]), [["a", "b"]], np.array([["a", 1]], object)], ids=str)
def test_what_is_no_number_is_refused(x):
    with pytest.raises(ValueError, match=r"Complex|could not convert"):
        read_rows(x)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_pieces_of_x_give_the_same_whatever_its_numbers(monkeypatch, kind):
    monkeypatch.setattr("gramfold.fit.floats.PIECE", 100)
    x, b = kind(numbers("uint8")), np.arange(18.0).reshape(9, 2)
    for name in ("NMF from nndsvda", "NMF, KL", "Ridge, auto", "DictionaryLearning, cd"):
        same(ENTRIES[name].run(x), ENTRIES[name].run(of_floats(x)))
    np.testing.assert_allclose(Piecewise(as_floats(x)) @ b, x @ b)
    np.testing.assert_allclose(Piecewise(as_floats(x)).T @ (x @ b), x.T @ (x @ b))


def test_repeated_entries_of_integers_do_not_overflow():
    parts = np.full(6, 200, np.uint8), np.array([0, 0, 1, 1, 0, 2]), np.array([0, 4, 6])
    x = sp.csr_array(parts, shape=(2, 3))
    np.testing.assert_array_equal(read_rows(x).toarray(), [[400, 400, 0], [200, 0, 200]])


IN_LITTLE_ROOM = """
import warnings
import numpy as np, scipy.linalg as la, scipy.sparse as sp, gramfold as gf, test_dtypes, test_memory
warnings.simplefilter("ignore")
some = np.random.default_rng(0).integers(0, 9, (100, 2000)).astype(np.uint8)
models = [
    gf.NMF(3, max_iter=2), gf.NMF(3, max_iter=2, solver="mu", init="random"),
    gf.MiniBatchNMF(3, max_iter=2, init="random"), gf.KMeans(3, max_iter=2),
    gf.KMeans(30, init="random", n_init=1, max_iter=3), gf.MiniBatchKMeans(3),
    gf.DictionaryLearning(3, max_iter=2),
]
grams = [
    gf.PCA(3), gf.PCA(3, svd_solver="randomized"), gf.TruncatedSVD(3), gf.Ridge(),
    gf.GaussianMixture(2, covariance_type="diag", max_iter=2),
]
if form == "dense":
    x = np.empty((50_000, 2000), np.uint8)
    for first in range(0, len(x), 100):
        x[first : first + 100] = some + first % 7
    size = x.nbytes
else:
    few = sp.csr_array(np.where(some < 7, 0, some))
    starts = np.concatenate([[0], np.cumsum(np.tile(np.diff(few.indptr), 500))]).astype(np.int32)
    x = sp.csr_array((np.tile(few.data, 500), np.tile(few.indices, 500), starts), (50_000, 2000))
    models, grams = [*models[:2], *models[3:6]], []
    size = x.data.nbytes + x.indices.nbytes
y = np.arange(float(x.shape[0]))
for model in models + grams:
    model.fit(x[:3000, :300], y[:3000])  # what is loaded when it is needed
for dtype in ("f4", "f8"):
    square = np.eye(600, dtype=dtype)
    la.lu(square @ square), la.qr(square), la.eigh(square)
test_memory.limit_memory(int(test_dtypes.ROOM * size))
for model in models:
    print(model, flush=True)
    model.fit(x, y)
for model in grams:
    print(model, flush=True)
    model.fit(x[:, ::10], y)
print("all run")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize("form", ["dense", "csr"])
def test_a_fit_takes_little_beside_integers(run_python, form):
    code = f"form = {form!r}" + IN_LITTLE_ROOM
    assert run_python(
        code,
        300,
        OPENBLAS_NUM_THREADS="1",
        OMP_NUM_THREADS="2",
        MALLOC_TRIM_THRESHOLD_="0",
        PYTHONFAULTHANDLER="1",
    ).endswith("all run\n")
