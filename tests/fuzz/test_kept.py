"""What the fuzzer has found, each in the fewest bytes; and every target on sound files and changed ones."""

import gzip
import io
import random
import zipfile

import numpy as np
import pytest
from entries import counts
from fuzz.forged import File
from fuzz.matrix_changes import PARTS, npy_of, npz_of
from fuzz.saved_files import X, Y
from fuzz.targets import TARGETS
from saved import rewritten
from test_checkpoints import After, Stopped, fit

import gramfold as gf
from gramfold.cli.about import about
from gramfold.cli.inputs import opened
from gramfold.fit.kept import _asks_beyond_memory


@pytest.mark.parametrize("name", TARGETS)
def test_sound_files_and_some_that_are_changed_are_read_or_refused(name, tmp_path):
    if name == "zarr":
        pytest.importorskip("zarr")
    target, draw = TARGETS[name], random.Random(0)
    seeds = target.seeds()
    for data in draw.sample(seeds, min(6, len(seeds))):
        target.run(data, tmp_path)
        for _ in range(4):
            target.run(
                target.change(data, 1 << 18, draw.getrandbits(32), lambda data, most: data[::-1]), tmp_path
            )


def header(described, shape, order="False"):
    text = f"{{'descr': {described}, 'fortran_order': {order}, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


SPARSE = {f"{name}.npy": npy_of(part) for name, part in PARTS.items()}
COORDINATES, ARRAY = (f"%%MatrixMarket matrix {form} general\n" for form in ("coordinate real", "array real"))
DAMAGED = {
    "no sizes.npy": header("'|S0'", "(99999999999, 2)"),
    "negative.npy": header("'<f8'", "(-1, 3)") + bytes(24),
    "too large.npy": header("'<f8'", "(0, 9223372036854775807)"),
    "beyond whole numbers.npy": header("'<f8'", "(0, 99999999999999999999)"),
    "deep.npy": header("(" * 3000, "(1, 1)"),
    "cut.npy": header("'<f8", "(1, 1)"),
    "one number.npy": header("'<f8'", "()", "True") + bytes(8),
    "no archive.npz": b"PK",
    "archive without its end.npz": npz_of(SPARSE)[:-9],
    "other kind.npz": npz_of(SPARSE | {"format.npy": npy_of(3)}),
    "no text.npz": npz_of(SPARSE | {"format.npy": npy_of(np.array(b"\xff"))}),
    "three sides.npz": npz_of(SPARSE | {"shape.npy": npy_of([12, 5, 1])}),
    "one side.npz": npz_of(SPARSE | {"shape.npy": npy_of(12)}),
    "no whole sides.npz": npz_of(SPARSE | {"shape.npy": npy_of([12.5, 5])}),
    "columns outside.npz": npz_of(SPARSE | {"indices.npy": npy_of(PARTS["indices"].astype("u1") + 99)}),
    "rows that fall.npz": npz_of(SPARSE | {"indptr.npy": npy_of(PARTS["indptr"].astype("u8")[::-1])}),
    "rows beyond.npz": npz_of(SPARSE | {"indptr.npy": npy_of(PARTS["indptr"].astype("i8") << 32)}),
    "rows in a table.npz": npz_of(SPARSE | {"indptr.npy": npy_of(PARTS["indptr"][None])}),
    "no Unicode.csv": b"a,b\n1,\xff\n",
    "long.csv": b"x" * 140_000,
    "open quote.csv": b'a,b\n1,"2\n',
    "cut.csv.gz": gzip.compress(b"1,2\n" * 99)[:-12],
    "no gzip.csv.gz": b"1,2\n",
    "line without an end.mtx": (ARRAY + "2 2\n1 2 3 4").encode(),
    "NUL.mtx": (ARRAY + "1 1\n1\0").encode(),
    "nothing.mtx": (ARRAY + "0 2\n1\n2\n3").encode(),
    "too many.mtx": (ARRAY + "2000000 2000000\n1\n").encode(),
    "too many entries.mtx": (COORDINATES + "9 9 9000000000\n1 1 1\n").encode(),
    "too many rows.mtx": (COORDINATES + "1000000000000000 1 0\n").encode(),
    "beyond whole numbers.mtx": (COORDINATES + "99999999999999999999 1 1\n1 1 1\n").encode(),
    "without sizes.mtx": ARRAY.encode(),
    "too many values.mtx": (ARRAY + "1 1\n1\n2\n").encode(),
    "other symmetry.mtx": ARRAY.replace("general", "diagonal").encode() + b"1 1\n1\n",
    "other field.mtx": ARRAY.replace("real", "rational").encode() + b"1 1\n1\n",
    "other form.mtx": ARRAY.replace("array", "list").encode() + b"1 1\n1\n",
    "row that wraps around.mtx": (COORDINATES + "9 9 1\n4294967297 1 1\n").encode(),
    "no value.mtx": (COORDINATES + "9 9 1\n1 1\n").encode(),
    "not square.mtx": ARRAY.replace("general", "symmetric").encode() + b"2 2147483648\n1\n",
    "not square either.mtx": (COORDINATES.replace("general", "symmetric") + "1073741824 3 1\n1 1\n").encode(),
    "cut.mtx.gz": gzip.compress(COORDINATES.encode() * 9)[:-12],
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_matrix_is_refused_by_its_name(name, tmp_path):
    (tmp_path / name).write_bytes(DAMAGED[name])
    for read in (about, lambda path: opened(path).gathered()):
        with pytest.raises((ValueError, OSError), match=name):
            read(str(tmp_path / name))


@pytest.mark.parametrize("end", ["", " ", "\r", " x", "\n"])
def test_a_last_line_of_matrix_market_may_end_in_anything(end, tmp_path):
    (tmp_path / "x.mtx").write_text(COORDINATES + "2 2 1\n1 2 2.5" + end)
    np.testing.assert_array_equal(opened(str(tmp_path / "x.mtx")).gathered().toarray(), [[0, 2.5], [0, 0]])


@pytest.mark.parametrize("text", ["\n,2019,2020\nr1,3,4\n", '\n\n"a\nb",c\n3,4\n', 'n,a,b\n"r\n1",3,4\n'])
def test_empty_lines_and_names_of_several_lines_are_no_rows(text, tmp_path):
    (tmp_path / "x.csv").write_text(text)
    given = opened(str(tmp_path / "x.csv"))
    np.testing.assert_array_equal(given.gathered(), [[3, 4]])
    assert given.names.rows is None or len(given.names.rows) == 1


def test_a_number_is_a_number_whatever_order_a_file_says(tmp_path):
    gf.save(gf.RobustPCA(lam=np.array(0.5)), tmp_path / "model")
    file = File.of((tmp_path / "model").read_bytes())
    file.described["model"]["parameters"]["lam"]["order"] = "F"
    (tmp_path / "model").write_bytes(file.bytes())
    assert gf.load(tmp_path / "model").lam.shape == ()


def test_what_wrote_a_file_is_in_it(tmp_path):
    gf.save(gf.NMF(), tmp_path / "model")
    rewritten(tmp_path / "model", lambda described: described.pop("level"))
    for read in (gf.load, lambda path: about(str(path))):
        with pytest.raises(ValueError, match="model is damaged: it does not say which gramfold wrote it"):
            read(tmp_path / "model")


FORGED = {
    "no state": lambda kept: kept.pop("state"),
    "no class": lambda kept: kept.pop("class"),
    "parameters that are none": lambda kept: kept.update(parameters=3),
    "a mark that is none": lambda kept: kept["data"].update(X={"is": 3}),
    "a history that is none": lambda kept: kept["state"]["items"].update(history=[]),
    "no history": lambda kept: kept["state"]["items"].pop("history"),
    "no generator": lambda kept: kept["state"]["items"].update(held=3),
}


@pytest.fixture
def path(tmp_path):
    """The checkpoint of a fit that was stopped in its third iteration."""
    with pytest.raises(Stopped):
        fit(ridge().set_params(callback=After(3)), X, y=Y, checkpoint=tmp_path / "fit", checkpoint_every=0)
    return tmp_path / "fit"


def ridge():
    return gf.Ridge(0.5, solver="sgd", tol=1e-9, max_iter=40, random_state=0)


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_checkpoint_is_refused_by_its_name(kind, path):
    rewritten(path, lambda described: FORGED[kind](described["checkpoint"]))
    model = ridge()
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"{path} is (damaged|no checkpoint)"):
        model.fit(X, Y, checkpoint=path)
    assert vars(model) == before


def test_a_history_of_more_iterations_than_may_be_is_refused(path):
    file = File.of(path.read_bytes())
    code, _, _ = file.arrays["state.history"]
    file.arrays["state.history"] = (code, [99, 3], bytes(99 * 24))
    path.write_bytes(file.bytes())
    with pytest.raises(ValueError, match="fit is a checkpoint of a fit after 99 iterations: raise max_iter"):
        ridge().fit(X, Y, checkpoint=path)


def test_an_error_of_a_callback_is_no_fault_of_the_checkpoint(path):
    def fail(info):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        ridge().set_params(callback=fail).fit(X, Y, checkpoint=path)


def test_an_array_of_an_archive_ends_where_its_member_does(tmp_path):
    data = npz_of({"a.npy": header("'<f8'", "(4, 4)") + bytes(8), "b.npy": npy_of(counts())})
    (tmp_path / "x.npz").write_bytes(data)
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None
    with pytest.raises(
        ValueError, match=r"x\.npz is damaged: an array of shape \(4, 4\) reaches into the next one"
    ):
        gf.blocks(f"{tmp_path}/x.npz::a")


def test_flags_of_atoms_in_a_checkpoint_are_flags(tmp_path):
    def learner():
        return gf.DictionaryLearning(20, fit_algorithm="cd", max_iter=9, tol=0, random_state=0)

    with pytest.raises(Stopped):
        fit(
            learner().set_params(callback=After(3)), X, checkpoint=tmp_path / "fit", checkpoint_every=0
        )  # fmt: skip
    file = File.of((tmp_path / "fit").read_bytes())
    numbers = np.full(20, 2**40)  # so many atoms would be drawn anew
    file.arrays["state.faulty"] = ("I64", [20], numbers.tobytes())
    (tmp_path / "fit").write_bytes(file.bytes())
    with pytest.raises(ValueError, match=r"fit is damaged, .*its flags of atoms are none"):
        learner().fit(X, checkpoint=tmp_path / "fit")


def test_a_state_that_asks_for_more_than_all_memory_is_damaged():
    with pytest.raises(MemoryError) as beyond:
        np.empty(2**58)
    assert _asks_beyond_memory(beyond.value)
    assert not _asks_beyond_memory(MemoryError())


def test_models_that_lie_in_each_other_deep_are_refused(tmp_path):
    model = gf.NMF()
    for _ in range(9):
        model = gf.NMF(init=model)
    gf.save(model, tmp_path / "model")
    with pytest.raises(ValueError, match="models lie in each other more than 4 deep"):
        gf.load(tmp_path / "model")
