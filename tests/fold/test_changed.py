"""Numbers of a file that are changed where they are read: with the bits of memory, without a copy."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from file_cases import in_file, mapped
from kernel_fuzz import STUB, Case

import gramfold as gf
from gramfold._core import level
from gramfold.fit.floats import changed_in_file
from gramfold.fit.on_disk import OnDisk, changed, loaded
from gramfold.fold.source import Source
from gramfold.linalg.powers import times_power

FORMS = ("C", "F", "record", "strided", "reversed")
STEPS = ((-3, None), (5,), (None, -140, 3), (130, None))


def made(x, steps):
    """The numbers as NumPy changes them."""
    with np.errstate(all="ignore"):
        for step in steps:
            x = np.sqrt(x) if step is None else np.ldexp(x, step)
    return x


def numbers(dtype, rows=1100, cols=33):
    return np.random.default_rng(0).integers(0, 9, (rows, cols)).astype(dtype)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", "uint8", "int32", "float16"])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_read_is_changed(kernels, form, dtype, steps, tmp_path):
    x = numbers(dtype)
    there = changed(in_file(x, tmp_path, form), *steps)
    floats = "f4" if dtype in ("float32", ">f4", "uint8", "float16") else "f8"
    expected = made(x.astype(floats), steps)
    assert isinstance(there[5:, ::2], OnDisk)
    for key in (np.s_[:], np.s_[3], np.s_[2, 1], np.s_[::-1, 1:3], [3, 1, 1, -1], np.array([], int)):
        np.testing.assert_array_equal(loaded(there[key]), expected[key])
        assert loaded(there[key]).dtype == floats
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(there))[7], expected[7])
    np.testing.assert_array_equal(there.T[3], expected.T[3])
    found, here = np.empty((2, *x.shape), floats)
    one = np.eye(x.shape[1], dtype=floats)
    for out, of in ((found, there), (here, expected)):
        kernels.products(x=of, f=one, out=out, image=None, n_threads=2)
    np.testing.assert_array_equal(found, here)


@pytest.mark.parametrize("kernel", [name for name, arguments in STUB.items() if "x" in arguments])
def test_kernels_read_changed_files_as_memory(compiled, kernel, tmp_path):
    first, called = list(STUB).index(kernel), 0
    for number in range(first, first + 20 * len(STUB), len(STUB)):
        found, expected = (called_with(compiled, number, tmp_path, there) for there in (True, False))
        np.testing.assert_equal(found, expected)
        called += found is not None
    assert called


def called_with(kernels, number, folder, there):
    """What a kernel gives, and writes, of roots that are taken in the file or in memory."""
    case = Case(number, sound=True)
    arguments, x = case.arguments, case.arguments["x"]
    if x is None or not np.size(x[0] if isinstance(x, tuple) else x):
        return None
    values = np.abs(np.nan_to_num(x[0] if isinstance(x, tuple) else x, nan=0, posinf=9, neginf=0))
    if there:
        values = changed(in_file(values, folder), -2, None)
    else:
        floats = np.float64 if values.dtype.kind in "iu" and values.itemsize >= 4 else values.dtype
        floats = floats if values.dtype.name in ("float32", "float64") or floats == np.float64 else np.float32
        values = made(values.astype(np.dtype(floats).newbyteorder("="), copy=False), (-2, None))
    if isinstance(x, tuple):
        columns = in_file(x[1], folder) if there else x[1]
        arguments["x"] = (values, columns, *x[2:])
    else:
        arguments["x"] = values
    with np.errstate(all="ignore"):
        try:
            found = getattr(kernels, case.kernel)(**arguments)
        except (ValueError, TypeError) as error:
            return type(error)
    return found, {name: value for name, value in arguments.items() if name != "x"}


@pytest.mark.parametrize("sparse", [False, True])
def test_powers_of_two_leave_x_in_its_file(sparse, tmp_path):
    x = numbers("float32")
    x = sp.csr_array(x) if sparse else x
    there = times_power(Source(in_file(x, tmp_path), 1).x, 7)
    source, here = Source(there, 2), Source(times_power(x, 7), 2)
    assert source.flat
    assert source.squared_norm == here.squared_norm
    factor = np.random.default_rng(1).random((33, 4), np.float32)
    np.testing.assert_array_equal(source.gram_product(factor), here.gram_product(factor))
    np.testing.assert_array_equal(source.take([3, 900]), here.take([3, 900]))
    roots = changed_in_file(there, None)
    np.testing.assert_array_equal(Source(roots, 1).take([5]), np.sqrt(here.take([5])))


@pytest.mark.parametrize("form", ["C", "F", "strided", "csr"])
@pytest.mark.parametrize("dtype", ["float32", "uint16"])
def test_clusters_of_roots_are_those_of_memory(form, dtype, tmp_path):
    x = numbers(dtype)
    x[:500] *= 7
    x = sp.csr_array(x.astype(np.float32)) if form == "csr" else x
    there = in_file(x, tmp_path, form)
    found, expected = (
        gf.PoissonMixture(3, n_init=n, random_state=0).fit(of) for n, of in ((1, there), (1, x))
    )
    np.testing.assert_array_equal(found.rates_, expected.rates_)
    assert mapped(tmp_path) == 0 or (form, level) == ("csr", "numpy")
