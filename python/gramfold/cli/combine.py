"""`gramfold combine`: the best of each rank among the jobs of a folder, and a table of all."""

import argparse
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import gramfold

from ..io.npy import write_npy
from ..keep.atomic import in_place_of
from . import outputs, pictures
from .errors import CONVERGED, UNCONVERGED
from .families import family_of
from .fit import read_report, write_results
from .inputs import Input, opened
from .jobs import JOBS
from .report import objective_in

TABLE = "table.csv"
NAME = re.compile(r"(k(\d+)|default)-r(\d+)")


def run(command: argparse.Namespace) -> int:
    """Combine the jobs of a folder; gives the exit status."""
    given = None if command.input is None else opened(command.input, memory=command.memory)
    best = combine(command.folder, given, command, force=command.force)
    print(json.dumps(best) if command.json else command.folder)
    return CONVERGED if all(report["converged"] for report in best) else UNCONVERGED


def combine(
    folder: Path, given: Input | None, command: argparse.Namespace, *, force: bool
) -> list[dict[str, Any]]:  # fmt: skip
    """Write the table and the best of each rank; gives their reports.

    Raises
    ------
    FileNotFoundError, FileExistsError, ValueError
        If there is no job, one is not done, or results would be replaced.
    """
    found = _reports(folder)
    family = family_of(next(iter(found.values()))["model"])
    assert family is not None
    ranks: dict[str, list[Path]] = {}
    for job in found:
        ranks.setdefault(job.name.partition("-")[0], []).append(job)
    places = {rank: folder / rank for rank in ranks}
    for there in (folder / TABLE, *map(outputs.taken, places.values())):
        if there is not None and there.exists() and not force:
            raise FileExistsError(f"{there} is there already: --force replaces it")
    best = {rank: min(jobs, key=lambda job: objective_in(found[job], family)) for rank, jobs in ranks.items()}
    agreed = {rank: _agreement(jobs) for rank, jobs in ranks.items()}
    _write_table(folder / TABLE, found, set(best.values()), agreed)
    for rank, job in best.items():
        places[rank].mkdir(exist_ok=True)
        model = gramfold.load(job / outputs.MODEL)
        _check_columns(model, given, job)
        gramfold.save(model, places[rank] / outputs.MODEL)
        write_results(places[rank], model, family, given, command.plot)
        if agreed[rank] is not None:
            _write_agreement(places[rank], agreed[rank], command.plot)
        outputs.write_report(places[rank], found[job])
    return [found[job] for job in best.values()]


def _agreement(jobs: list[Path]) -> Any:
    """The consensus of the restarts of a rank; None if there is but one, or none that can be had."""
    models = [gramfold.load(job / outputs.MODEL, mmap=True) for job in jobs]
    if len(models) < 2 or not any(hasattr(models[0], name) for name in ("components_", "cluster_centers_")):
        return None
    try:
        return gramfold.consensus(models)
    except ValueError:  # too few of their components lie near each other
        return None


def _write_agreement(folder: Path, found: Any, plot: bool) -> None:
    write_npy(str(folder / outputs.CONSENSUS), [found.components_], len(found.components_), "consensus")
    if plot:
        pictures.save(lambda ax: found.plot(ax=ax), folder / "consensus.png")


def _check_columns(model: Any, given: Input | None, job: Path) -> None:
    if given is not None and given.X.shape[1] != model.n_features_in_:
        raise ValueError(
            f"{job} was fitted to {model.n_features_in_} columns, but {given.place} has {given.X.shape[1]}"
        )


def _reports(folder: Path) -> dict[Path, dict[str, Any]]:
    """The reports of all jobs, by rank and restart."""
    jobs = [path for path in (folder / JOBS).glob("*") if NAME.fullmatch(path.name) and path.is_dir()]
    if not jobs:
        raise FileNotFoundError(f"{folder / JOBS} holds no jobs: give -o of what was run with several")
    found, lacking = {}, []
    for job in sorted(jobs, key=_order):
        report = read_report(job)
        if report is None or not (job / outputs.MODEL).exists():
            lacking.append(job.name)
        else:
            found[job] = report
    if lacking:
        raise ValueError(
            f"{len(lacking)} of {len(jobs)} jobs are not done ({', '.join(lacking[:5])}): run them with "
            "--resume"
        )
    first = next(iter(found.values()))
    for job, report in found.items():
        for what, now, then in (
            ("model", report["model"], first["model"]),
            ("data", report["fingerprint"]["data"], first["fingerprint"]["data"]),
        ):
            if now != then:
                raise ValueError(f"{job.name} is a fit of another {what} than the other jobs: run it again")
    return found


def _order(job: Path) -> tuple[int, int]:
    parts = NAME.fullmatch(job.name)
    assert parts is not None
    return int(parts[2] or 0), int(parts[3])


def _write_table(
    path: Path, found: dict[Path, dict[str, Any]], best: set[Path], agreed: dict[str, Any]
) -> None:  # fmt: skip
    with in_place_of(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(
            [
                "rank",
                "restart",
                "objective",
                "certificate",
                "iterations",
                "converged",
                "seconds",
                "best",
                "stability",
            ]
        )
        for job, report in found.items():
            rank, restart = _order(job)
            one = agreed[job.name.partition("-")[0]]
            stability = "" if one is None else f"{one.silhouette_:.4f}"
            lines.writerow(
                [rank or "", restart, report["objective"]["value"], report["certificate"]["value"],
                 report["iterations"], report["converged"], report["seconds"]["fit"], job in best,
                 stability]
            )  # fmt: skip
        text.detach()
