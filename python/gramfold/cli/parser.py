"""The arguments of the command line; nothing that takes long is imported for them."""

import argparse
import math
from pathlib import Path
from typing import Any, NoReturn

from .families import FAMILIES, Family

INPUT = """INPUT is what gf.blocks reads: .npy, .npz, a folder of CSR arrays, HDF5, zarr and .h5ad (with
::DATASET where there are several), Parquet, Arrow; .csv and .tsv, also gzipped; .mtx and .mtx.gz; or -
for .npy or CSV on standard input. Of text the first line holds the names of columns unless it holds
numbers; the first column holds the names of rows if nothing is above it, or its first entry is no
number. What is slow to read can be made flat once: gramfold convert IN OUT.npy"""
STATUS = """exit status: 0 converged and written; 1 error; 2 wrong arguments; 3 written, but not
converged; 130 and 143 interrupted by Ctrl-C or SIGTERM, with a checkpoint if an iteration was done. A
second signal does not wait for it. GRAMFOLD_DEBUG=1 shows where an error came from."""
FIT = """DIR gets model.gramfold, the results of the rows (rows.npy, or rows.parquet if rows have names
and pyarrow is installed), components.npy, components.csv and report.json; of rpca also outliers.npz, CSR, or
outliers.npy where most entries are outliers. With several ranks or restarts
it gets jobs/, and a folder for each rank with the best of it. Each file takes its name when it is whole.
Standard output is DIR, or one line of JSON; warnings and progress go to standard error."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where options are listed."""
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help lists the options\n")


def parser() -> Parser:
    """The parser of all commands."""
    made = Parser(
        prog="gramfold", description="Matrix factorisation at the speed of the hardware.", epilog=STATUS
    )
    commands = made.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for name, family in FAMILIES.items():
        _fit(commands, name, family)
    _combine(commands)
    _transform(commands)
    _files(commands)
    _others(commands)
    return made


def _added(commands: Any, name: str, help_: str, more: str = "") -> Parser:
    found: Parser = commands.add_parser(
        name, help=help_, description=f"{help_[0].upper()}{help_[1:]}. {more}", epilog=STATUS
    )
    return found


def _fit(commands: Any, name: str, family: Family) -> None:
    command = _added(commands, name, f"fit {family.help}: gf.{family.model}", f"{FIT} {INPUT}")
    command.add_argument("input", metavar="INPUT[::DATASET]")
    command.add_argument("-o", "--output", type=Path, metavar="DIR", help="folder for the results")
    ranks = command.add_argument_group("model")
    if family.rank:
        ranks.add_argument(
            "-k", action="append", metavar="K", default=[],
            help=f"{family.rank}: 32, or 8:40:4 for 8, 12, ... 40; may be given again",
        )  # fmt: skip
    else:
        ranks.add_argument(
            "--target", metavar="COLUMN|FILE", required=True,
            help="a column of INPUT, which is then no feature, or a file (FILE::DATASET) with as many rows",
        )  # fmt: skip
    ranks.add_argument(
        "--set", action="append", metavar="NAME=VALUE", default=[], dest="settings",
        help=f"a parameter of gf.{family.model}: a number, True, None, a list, text, or @FILE for an array",
    )  # fmt: skip
    for flag, type_, metavar, help_ in (
        ("--max-iter", whole, "N", "iterations at most"),
        ("--max-time", positive, "SECONDS", "begin no iteration after so long"),
        ("--tol", number, "TOL", "when a fit has converged"),
        ("--seed", natural, "N", "of random numbers; restart r draws from N + r (default: 0)"),
        ("--init", str, "NAME", "how a fit starts"),
    ):
        ranks.add_argument(flag, type=type_, metavar=metavar, help=help_)
    _reading(command)
    _jobs(command, family)
    _going_on(command)
    _reports(command)


def _reading(command: Parser) -> None:
    group = command.add_argument_group("reading")
    group.add_argument("--dtype", choices=("float32", "float64"), help="to compute in (default: as INPUT)")
    group.add_argument("--memory", metavar="BYTES", help="for rows that are read, such as 1.5G")
    group.add_argument("--threads", type=whole, metavar="N", help="default: what gramfold info shows")
    group.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask cluster, whose workers see INPUT")


def _jobs(command: Parser, family: Family) -> None:
    group = command.add_argument_group("array jobs")
    if family.restarts:
        group.add_argument(
            "--restarts", type=whole, default=1, metavar="N",
            help=f"fits from N starts, by --init {family.restarts} unless told otherwise",
        )  # fmt: skip
    group.add_argument(
        "--worker-index", type=natural, metavar="I", help="do every N-th job alone, from I = 0 on"
    )
    group.add_argument(
        "--total-workers", type=whole, metavar="N", help="as above; then: gramfold combine DIR"
    )


def _going_on(command: Parser) -> None:
    group = command.add_argument_group("stopping and going on")
    group.add_argument(
        "--checkpoint", type=positive, default=60.0, metavar="SECONDS",
        help="from one checkpoint to the next (default: 60); it is kept in DIR until a fit has converged",
    )  # fmt: skip
    either = group.add_mutually_exclusive_group()
    either.add_argument(
        "--resume", action="store_true",
        help="go on from the checkpoint in DIR, under another --max-iter or --max-time if need be; what is "
        "finished stays",
    )  # fmt: skip
    either.add_argument("--force", action="store_true", help="begin anew and replace what DIR holds")
    group.add_argument(
        "--dry-run", action="store_true",
        help="fit some rows alone, and say shape, passes, memory and seconds of all of them",
    )  # fmt: skip


def _reports(command: Parser) -> None:
    group = command.add_argument_group("reports")
    group.add_argument("--plot", action="store_true", help="convergence.png and components.png too")
    group.add_argument("--json", action="store_true", help="the report as one line of JSON")
    group.add_argument("--quiet", action="store_true", help="neither progress nor warnings")


def _combine(commands: Any) -> None:
    command = _added(
        commands, "combine", "choose the best of each rank among array jobs",
        "DIR gets table.csv, a line for each rank and restart, and a folder for each rank with its best "
        "model, components and report, and consensus.npy, the components that the restarts of nmf or kmeans "
        "agree on, with stability in the table: 1 where all found the same. The results of the rows come as "
        "well if INPUT is given.",
    )  # fmt: skip
    command.add_argument("folder", type=Path, metavar="DIR", help="-o of the jobs")
    command.add_argument("input", nargs="?", metavar="INPUT", help="what was fitted")
    command.add_argument("--memory", metavar="BYTES", help="for rows that are read, such as 1.5G")
    command.add_argument("--force", action="store_true", help="replace what an earlier combine wrote")
    _reports(command)


def _transform(commands: Any) -> None:
    command = _added(commands, "transform", "results of a model for the rows of a file", INPUT)
    command.add_argument("model", metavar="MODEL", help="a file of gf.save, or DIR of a fit")
    command.add_argument("input", metavar="INPUT[::DATASET]")
    command.add_argument(
        "-o", "--output", required=True, metavar="FILE|-",
        help=".npy or .parquet, or - for .npy on standard output",
    )  # fmt: skip
    command.add_argument(
        "--method", help="of the model, such as predict_proba (default: that of the fit's row results)"
    )
    command.add_argument("--dtype", choices=("float32", "float64"), help="to compute in (default: as INPUT)")
    command.add_argument("--memory", metavar="BYTES", help="for rows that are read, such as 1.5G")
    command.add_argument("--threads", type=whole, metavar="N", help="default: what gramfold info shows")
    command.add_argument("--force", action="store_true", help="replace FILE")


def _files(commands: Any) -> None:
    command = _added(
        commands, "info", "show what a file or a model holds, or what this gramfold is",
        "Without FILE: version, instruction set, compiler and threads.",
    )  # fmt: skip
    command.add_argument("file", nargs="?", metavar="FILE|MODEL", help="a matrix, a model or a checkpoint")
    command.add_argument("--json", action="store_true", help="one line of JSON")
    command = _added(
        commands, "convert", "write a matrix as a flat file, which is read fastest",
        f"OUT ends in .npy, or for sparse rows in .npz. {INPUT}",
    )  # fmt: skip
    command.add_argument("input", metavar="IN[::DATASET]")
    command.add_argument("output", metavar="OUT")
    command.add_argument("--dtype", choices=("float32", "float64"), help="default: as IN")
    command.add_argument("--memory", metavar="BYTES", help="for rows that are read, such as 1.5G")
    command.add_argument("--force", action="store_true", help="replace OUT")


def _others(commands: Any) -> None:
    demo = _added(
        commands, "demo", "learn dictionaries of photographs and faces, beside scikit-learn",
        "Learn dictionaries of image patches and of faces and the colours of a photograph, "
        "write pictures of them and print a table of seconds and objective beside scikit-learn. Takes "
        "under a minute on two cores; nothing is downloaded. Needs the extra: pip install 'gramfold[demo]'",
    )  # fmt: skip
    demo.add_argument(
        "-o", "--output", type=Path, default=Path("gramfold-demo"), metavar="DIR",
        help="folder for the pictures, made if need be (default: %(default)s)",
    )  # fmt: skip
    demo.add_argument(
        "--threads", type=whole, metavar="N",
        help="threads for both libraries (default: what gramfold info shows)",
    )  # fmt: skip
    bench = commands.add_parser("bench", help="run the benchmarks, in a clone of gramfold's repository")
    bench.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="of python -m bench")


def whole(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def natural(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
    return int(text)


def number(text: str) -> float:
    """A finite number."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"must be a number, got {text!r}")
    return found


def positive(text: str) -> float:
    """A finite number of at least 0."""
    found = number(text)
    if found < 0:
        raise argparse.ArgumentTypeError(f"must be at least 0, got {text!r}")
    return found
