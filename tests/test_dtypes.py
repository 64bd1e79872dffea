"""X of any numbers is read as floats where it lies, with the bits of the array that is converted from it."""

import numpy as np
import pytest
import scipy.sparse as sp
from entries import COLS, ENTRIES, ROWS, counts

from gramfold import NMF
from gramfold.floats import float_of

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = ["uint8", "int8", "uint16", "int16", "bool", "float16"]
WIDE = ["int32", "uint32", "int64", "uint64"]
SWAPPED = [">f4", ">f8", ">i2", ">u4"]


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


def numbers(dtype):
    x = counts()
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
