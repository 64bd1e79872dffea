import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import pytest

import gramfold as gf
from gramfold import cli

image = pytest.importorskip("matplotlib.image")
pytest.importorskip("skimage")
pytest.importorskip("pywt")

from gramfold.demo import fits as demo_fits  # noqa: E402
from gramfold.demo import run as demo  # noqa: E402

RANKS, ITERATIONS, N_PATCHES = (2, 4), 8, 400
KINDS = ("signs", "penalties")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], str]:
    """Files and printed text of the demo on a slice of the real data."""
    folder = tmp_path_factory.mktemp("demo") / "made" / "by the demo"
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        files = demo.run(folder, n_threads=1, n_patches=N_PATCHES, ranks=RANKS, iterations=ITERATIONS)
    return files, text.getvalue()


def test_every_png_is_a_real_picture(small):
    files, _ = small
    sheets = {f"{d}-r{r}-{k}" for d in ("patches", "faces") for r in RANKS for k in KINDS}
    others = {"convergence", "counts"} | {f"photograph-{k}" for k in ("reconstructed", "colours")}
    others.add("faces-reconstructed")
    others |= {"penalty-contours", "basis-comparison", "video", "faces-restored"}
    others |= {"penalty-contours", "basis-comparison", "dictionaries", "photograph-restored"}
    assert {file.stem for file in files} == sheets | others
    for file in files:
        pixels = image.imread(file)
        assert min(pixels.shape[:2]) > 300
        assert pixels[..., :3].std() > 0.1


def test_signed_atoms_are_drawn_in_colour_and_nonnegative_ones_in_grey(small):
    def colourful(file: Path) -> bool:
        return bool(np.ptp(image.imread(file)[..., :3], axis=2).max() > 0.2)

    by_name = {file.stem: file for file in small[0]}
    assert colourful(by_name["faces-r4-signs"])
    assert not colourful(by_name["faces-r4-penalties"])


def test_the_table_has_a_row_for_each_data_rank_and_model(small):
    rows = [line for line in small[1].splitlines() if line.count("|") == 3][1:]
    settings = demo_fits.SIGNS + demo_fits.PENALTIES
    expected = [(d, r, s) for d in ("patches", "faces") for r in RANKS for s in settings]
    assert len(rows) == len(expected)
    for row, (data, rank, setting) in zip(rows, expected, strict=True):
        model, ours, peer, faster = row.split("|")
        assert model.split(maxsplit=2) == [data, str(rank), setting.name.ljust(16) + " "]
        seconds, iterations, objective = map(float, ours.split())
        assert seconds >= 0
        if setting.nonneg:
            assert objective <= float(peer.split()[1])
            assert faster.strip().endswith("x")
        else:
            assert iterations == ITERATIONS
            assert peer.split() == ["-", "-"]
            assert faster.strip() == "-"


def test_the_report_says_what_was_measured_and_written(small):
    files, text = small
    assert f"runs {ITERATIONS} iterations" in text
    assert f"{N_PATCHES} x 256 float32; faces, 100 x 625 float64; threads: 1" in text
    assert f"Pictures in {files[0].parent}:" in text
    assert all(file.name in text for file in files)


@pytest.mark.parametrize("setting", [demo_fits.PLAIN, *demo_fits.PENALTIES], ids=lambda s: s.name)
def test_scikit_learn_in_pieces_makes_the_iterates_of_one_run(setting):
    problem = demo.problems(200)[1]
    W, H = problem.start(5)
    whole = demo_fits.PeerNMF(5, init="custom", tol=0, max_iter=12, **setting.options)
    expected = whole.fit_transform(problem.X, W=W, H=H)
    made = demo_fits.fit_peer(problem, 5, setting, 12)
    np.testing.assert_array_equal(made.W, expected)
    np.testing.assert_array_equal(made.H, whole.components_)
    assert made.n_iter == 12


@pytest.mark.parametrize("setting", demo_fits.SIGNS + demo_fits.PENALTIES, ids=lambda s: s.name)
def test_the_objective_in_the_table_is_the_one_gramfold_minimises(setting):
    problem = demo.problems(200)[1]
    fit = demo_fits.fit_ours(problem, 5, setting, 20, 1)
    value = gf.non_negative_factorization(
        problem.X, *problem.start(5), 5, init="custom", tol=0, max_iter=20, n_threads=1,
        **setting.options,
    )[:2]  # fmt: skip
    assert fit.objective == problem.objective(*value, setting)
    # The last curve point holds H before its last update, which cannot raise the objective.
    assert fit.objective <= fit.curve[-1, 0] * (1 + 1e-12)
    assert fit.objective > 0.9 * fit.curve[-1, 0]


def test_a_fit_that_did_not_get_as_far_has_no_speedup():
    problem = demo.problems(200)[1]
    good = demo_fits.fit_ours(problem, 3, demo_fits.PLAIN, 20, 1)
    poor = demo_fits.fit_ours(problem, 3, demo_fits.PLAIN, 1, 1)
    assert demo_fits.Comparison(problem, 3, demo_fits.PLAIN, poor, good).speedup is None
    assert demo_fits.Comparison(problem, 3, demo_fits.PLAIN, good, poor).speedup > 0


def test_short_fits_are_repeated_and_the_fastest_is_kept():
    def fit(seconds: float) -> demo_fits.Fit:
        return demo_fits.Fit(np.zeros(0), np.zeros(0), seconds, 1, 0.0, np.zeros((0, 2)))

    short = iter([fit(0.03), fit(0.01), fit(0.02), fit(0.0)])
    assert demo_fits.fastest(lambda: next(short)).seconds == 0.01
    assert demo_fits.fastest(lambda: fit(5.0)).seconds == 5.0


def test_more_colours_come_closer_to_the_photograph_and_as_close_as_scikit_learns():
    image = demo.demo_colours.photograph()[::4, ::4]
    made = [demo.demo_colours.quantise(image, k, 1, 5) for k in (2, 8)]
    assert made[1].noise > made[0].noise > 10
    for one in made:
        np.testing.assert_allclose(one.inertia, one.peer_inertia, rtol=1e-4)
        np.testing.assert_allclose(np.square(image - one.picture).sum(), one.inertia, rtol=1e-4)
        assert len(np.unique(one.picture.reshape(-1, 3), axis=0)) == one.k == len(one.palette)


def test_learned_atoms_restore_a_photograph_better_than_cosines(small):
    lines = {line.split(":")[0].strip(): line.split(":")[1] for line in small[1].splitlines() if ":" in line}
    for task in ("denoised", "inpainted"):
        values = dict(part.split() for part in lines[task].split(", "))
        assert float(values["learned"]) > float(values["cosines"]) + 0.3 > float(values.get("noise", 20)) + 5


def test_cosine_atoms_are_centred_and_of_norm_1():
    atoms = demo.demo_coding.cosine_atoms(6, 9)
    assert atoms.shape == (80, 36)
    np.testing.assert_allclose(atoms.sum(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(atoms, axis=1), 1, rtol=1e-6)


def test_info_prints_the_configuration(capsys):
    assert cli.main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    config = gf.show_config()
    assert [line.partition(": ")[0] for line in lines] == list(config)
    assert f"level: {config['level']}" in lines


def test_the_command_passes_folder_and_threads_on(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(demo, "run", lambda folder, n_threads: calls.append((folder, n_threads)))
    assert cli.main(["demo", "-o", str(tmp_path), "--threads", "3"]) == 0
    assert cli.main(["demo"]) == 0
    assert calls == [(tmp_path, 3), (Path("gramfold-demo"), None)]


@pytest.mark.parametrize("module", ["matplotlib.figure", "skimage.data", "pywt"])
def test_a_missing_extra_is_named_on_stderr(module, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["demo", "-o", str(tmp_path / "new")]) == 1
    captured = capsys.readouterr()
    assert captured.err == (
        f"gramfold demo: this needs {module.partition('.')[0]}: pip install 'gramfold[demo]'\n"
    )
    assert not captured.out
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_named_on_stderr(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["demo", "-o", str(tmp_path / "file")]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("gramfold demo: ")
    assert str(tmp_path / "file") in captured.err


def test_an_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupt)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "gramfold demo: interrupted\n"


@pytest.mark.parametrize("arguments", [[], ["dmo"], ["demo", "--threads", "0"], ["demo", "x"]])
def test_wrong_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("gramfold")
    assert said.endswith("--help lists the options\n")
    assert said.count("\n") == 1
