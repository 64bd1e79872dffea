"""`python -m bench FAMILY...`: measure the machine, run the cases, print tables and verdict."""

import argparse
import importlib
import json
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby
from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

from bench import machine
from bench.frame import Case, Row, Settings, measure, table, verdict

FAMILIES = ("fold", "nmf", "kmeans", "mixture", "pca", "rpca", "ridge", "coding", "contention", "calls",
            "files", "dask")  # fmt: skip
PACKAGES = ("numpy", "scipy", "scikit-learn", "scikit-learn-intelex", "faiss-cpu", "superkmeans", "spams-bin",
            "pyrpca", "pomegranate", "dask", "distributed", "dask-ml")  # fmt: skip
SIZES = ("small", "middle", "large")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("family", nargs="+", choices=FAMILIES)
    parser.add_argument("--repeat", type=int, default=5, help="calls of ours; the median counts")
    parser.add_argument(
        "--peer-repeat", type=int, help="calls of the peer (default: --repeat, 1 if above 20 s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws the starts")
    parser.add_argument("--threads", type=int, default=machine.usable_cpus())
    parser.add_argument("--only", default="", help="only cases whose label contains this")
    parser.add_argument("--size", choices=SIZES, help="only cases of this size, in a family that has sizes")
    parser.add_argument("--list", action="store_true", help="print the labels of the cases")
    parser.add_argument("--json", type=Path, help="write every number to this file as well")
    return parser.parse_args()


def _is_installed(package: str) -> bool:
    try:
        return bool(version(package))
    except PackageNotFoundError:
        return False


def _environment(threads: int) -> dict[str, str]:
    """What the numbers depend on, besides the code."""
    blas = {
        f"{lib['internal_api']} {lib['version']}, {lib['num_threads']} threads"
        for lib in threadpool_info()
        if lib["user_api"] == "blas"
    }
    return {
        "cpu": f"{machine.cpu_name()}, {machine.usable_cpus()} usable, {threads} threads used",
        "python": platform.python_version(),
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES if _is_installed(name)),
        "BLAS of the peers": "; ".join(sorted(blas)),
    }


def _report(environment: dict[str, str], limits: machine.Limits, rows: list[Row]) -> str:
    """Every number as JSON, a line for each case."""
    head = json.dumps({"environment": environment, "limits": vars(limits)})
    lines = ",\n".join(map(json.dumps, rows))
    return f'{head[:-1]}, "rows": [\n{lines}\n]}}\n'


def _cases(family: str, args: argparse.Namespace) -> list[Case]:
    cases = importlib.import_module(f"bench.{family}").cases()
    return [case for case in cases if args.only in case.label and args.size in (None, case.size or args.size)]


def _run(family: str, cases: list[Case], settings: Settings, limits: machine.Limits, rows: list[Row]) -> None:
    module = importlib.import_module(f"bench.{family}")
    first = len(rows)
    for group, members in groupby(cases, key=lambda case: case.group):
        start = len(rows)
        for case in members:
            print(f"  ... {case.label}", flush=True)
            rows.append({"family": family} | measure(case, settings, limits))
        print(f"\n{family}, {group}\n{table(rows[start:], module.COLUMNS)}\n", flush=True)
    print(module.LEGEND, *verdict(rows[first:]), sep="\n")


def main() -> int:
    """Run the benchmark; the exit status is 1 if a case missed the quality it is compared at."""
    args = _arguments()
    if args.list:
        for family in args.family:
            for case in _cases(family, args):
                print(f"{family}: {case.label}")
        return 0
    settings = Settings(args.threads, args.seed, args.repeat, args.peer_repeat)
    if settings.threads != machine.usable_cpus():
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)  # default calls and children take it from here
    with threadpool_limits(settings.threads):
        environment = _environment(settings.threads)
        for name, value in environment.items():
            print(f"{name}: {value}")
        limits = machine.limits(settings.threads)
        print(limits, flush=True)
        rows: list[Row] = []
        try:
            for family in args.family:
                _run(family, _cases(family, args), settings, limits, rows)
        finally:  # a failing case takes no finished one with it
            if args.json:
                args.json.write_text(_report(environment, limits, rows))
    return 0 if all(row["equal_quality"] for row in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
