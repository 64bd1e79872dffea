"""`gramfold demo`: dictionaries of photographs and faces, colours, a video; beside scikit-learn."""

import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

from threadpoolctl import threadpool_limits

from .. import datasets
from ..extras import require
from ..fit.arguments import effective_threads
from . import coding as demo_coding
from . import colours as demo_colours
from . import counts as demo_counts
from . import pictures as demo_pictures
from . import report as demo_report
from . import video as demo_video
from .fits import PENALTIES, PLAIN, SEED, SIGNS, Problem, compare, fastest, fit_ours

RANKS = (9, 16, 81)


def problems(n_patches: int) -> tuple[Problem, Problem]:
    """Patches of 16 x 16 pixels from ten photographs, and 100 faces of 25 x 25."""
    patches = datasets.image_patches((16, 16), n_patches=n_patches, random_state=SEED)
    return Problem("patches", patches, (16, 16)), Problem("faces", datasets.faces(), (25, 25))


def run(
    folder: Path,
    *,
    n_threads: int | None = None,
    n_patches: int = 3000,
    ranks: Sequence[int] = RANKS,
    iterations: int = 60,
) -> list[Path]:
    """Learn the dictionaries, print the table, write the pictures.

    Parameters
    ----------
    folder : Path
        Made if need be.
    n_threads : int, optional
        For both libraries; by default what `gramfold.show_config` reports.
    n_patches : int
        Image patches to learn from.
    ranks : sequence of int
        Numbers of atoms.
    iterations : int
        What scikit-learn runs for.

    Returns
    -------
    list of Path
        The PNG files.

    Raises
    ------
    ImportError
        If matplotlib or scikit-image is not installed.
    OSError
        If the folder cannot be written to.
    """
    require("matplotlib.figure", extra="demo")
    require("pywt", extra="demo")
    begun = time.perf_counter()
    data = problems(n_patches)
    folder.mkdir(parents=True, exist_ok=True)
    n_threads = effective_threads(n_threads)
    rows = []
    longer = {}
    print(demo_report.heading(data, iterations, n_threads))
    with threadpool_limits(n_threads, user_api="blas"):
        for problem in data:
            compare(problem, 2, PLAIN, 2, n_threads)  # wakes the threads of both libraries
        for problem, rank in product(data, ranks):
            for setting in SIGNS + PENALTIES:
                rows.append(compare(problem, rank, setting, iterations, n_threads))
                print(demo_report.line(rows[-1]), flush=True)
            print()
            fit = partial(fit_ours, problem, rank, PLAIN, iterations, n_threads)
            longer[problem.name, rank] = fastest(fit)
        files = demo_pictures.write(folder, rows, longer, n_threads)
        image = demo_colours.photograph()
        colours = [demo_colours.quantise(image, k, n_threads) for k in demo_colours.COLOURS]
    print(demo_colours.report(colours))
    files.append(folder / "photograph-colours.png")
    demo_colours.figure(image, colours).savefig(files[-1], dpi=demo_pictures.DPI)
    files += demo_video.write(folder, n_threads)
    files.append(demo_counts.write(folder, n_threads))
    files += demo_coding.write(folder, n_threads)
    print(demo_report.closing(rows, files, time.perf_counter() - begun))
    return files
