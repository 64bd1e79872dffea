"""What the first lines of text say, and that both readers read the same."""

import gzip

import numpy as np
import pytest

import gramfold as gf
from gramfold.io.csv import from_text
from gramfold.io.text import Layout, Text, layout_of, row_names

LAYOUTS = {
    "1,2\n3,4\n": Layout([], False, False, 2),
    "a,b\n3,4\n": Layout(["a", "b"], True, False, 2),
    "a,b\n": Layout(["a", "b"], True, False, 2),
    "id,a,b\nr1,3,4\n": Layout(["a", "b"], True, True, 2),
    ",a,b\n0,3,4\n": Layout(["a", "b"], True, True, 2),
    ",2019,2020\nr1,3,4\n": Layout(["2019", "2020"], True, True, 2),
    "a,b\nr1,3,4\n": Layout(["a", "b"], True, True, 2),  # as R writes it
    "\ufeffa,b\n3,4\n": Layout(["a", "b"], True, False, 2),
    '"a, too",b\n3,4\n': Layout(["a, too", "b"], True, False, 2),
    "nan,2\n3,4\n": Layout([], False, False, 2),
}


@pytest.mark.parametrize("text", LAYOUTS)
def test_first_lines_tell_names_of_columns_and_rows(text, tmp_path):
    (tmp_path / "x.csv").write_text(text, encoding="utf-8")
    assert layout_of(str(tmp_path / "x.csv")) == LAYOUTS[text]


REFUSED = {
    "": "x.csv is empty",
    "r1,1,2\nr2,3,4\n": "the first line of .*x.csv may be a row or names of columns: write names above",
    "a,a\n1,2\n": "x.csv has two columns of the name 'a'",
}


@pytest.mark.parametrize("text", REFUSED)
def test_first_lines_that_say_nothing_clear_are_refused(text, tmp_path):
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(ValueError, match=REFUSED[text]):
        gf.blocks(tmp_path / "x.csv")


def readers(path):
    pytest.importorskip("pyarrow", reason="pyarrow is of the extra files")
    return from_text(path), Text(path)


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "tsv.gz"])
@pytest.mark.parametrize("named", [False, True])
def test_both_readers_read_the_same(ending, named, tmp_path, monkeypatch):
    monkeypatch.setattr("gramfold.io.text.TOGETHER", 1000)
    X = np.random.default_rng(0).standard_normal((500, 20)) * 10.0 ** np.arange(-35, 35, 3.5)
    X[3, 4] = np.nan
    lines = [[f"c{j}" for j in range(20)], *([repr(x) for x in row] for row in X.tolist())]
    if named:
        lines = [["", *lines[0]], *([f"row {i}", *row] for i, row in enumerate(lines[1:]))]
    text = "\n".join(("\t" if "tsv" in ending else ",").join(line) for line in lines)
    path = str(tmp_path / f"x.{ending}")
    with (gzip.open if path.endswith("gz") else open)(path, "wb") as file:
        file.write(text.encode())
    for reader in readers(path):
        assert reader.shape == X.shape
        for _ in range(2):
            np.testing.assert_array_equal(reader.read(0, 500), X)
        np.testing.assert_array_equal(reader.read(400, 450), X[400:450])
        np.testing.assert_array_equal(reader.read(17, 20), X[17:20])
    assert row_names(path) == ([f"row {i}" for i in range(500)] if named else None)


@pytest.mark.parametrize("gap", ["", "NA", "nan", "NULL", "#N/A"])
def test_a_gap_is_nan_for_both(gap, tmp_path):
    (tmp_path / "x.csv").write_text(f"a,b\n1,2\n3,{gap}\n")
    for reader in readers(str(tmp_path / "x.csv")):
        np.testing.assert_array_equal(reader.read(0, 2), [[1, 2], [3, np.nan]])


@pytest.mark.parametrize("text", ["-1,\n,4\n", "id,,_\nr,4,5\n"])
def test_a_column_without_a_name_is_not_taken_for_the_names_of_rows(text, tmp_path):
    (tmp_path / "x.csv").write_text(text)
    for reader in readers(str(tmp_path / "x.csv")):
        assert reader.read(0, 1)[0, 0] == 4


def test_without_pyarrow_text_is_read_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("gramfold.io.csv.find_spec", lambda name: None)
    X = np.random.default_rng(0).random((50, 3))
    (tmp_path / "x.csv").write_text("\n".join(["a,b,c", *(",".join(map(repr, row)) for row in X.tolist())]))
    found = gf.blocks(tmp_path / "x.csv")
    np.testing.assert_array_equal(np.concatenate(list(found.parts)), X)
    np.testing.assert_array_equal(gf.PCA(2).fit(found).components_, gf.PCA(2).fit(X).components_)


def test_what_is_no_number_is_told_with_its_row(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,x\n")
    with pytest.raises(ValueError, match=r"row 3 of .*x\.csv holds 'x', which is no number"):
        Text(str(tmp_path / "x.csv"))
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3\n")
    with pytest.raises(ValueError, match=r"row 3 of .*x\.csv has 1 fields, but the first has 2"):
        Text(str(tmp_path / "x.csv"))
