"""The commands that fit: open INPUT, fit each job, write its results."""

import argparse
import inspect
import json
import sys
import time
from pathlib import Path
from typing import Any

import gramfold

from . import outputs, pictures
from .bar import bar
from .cluster import connected, spread
from .errors import CONVERGED, UNCONVERGED, Terminated, UsageError
from .families import FAMILIES, Family
from .inputs import Input, opened
from .jobs import Job, jobs_of
from .report import LIMITS, data_digest, parameters_digest, parameters_of, report_of
from .settings import model_of
from .target import split


def run(command: argparse.Namespace) -> int:
    """Do what a fitting command says; gives the exit status."""
    family = FAMILIES[command.name]
    jobs, single = jobs_of(command, family)
    models = [model_of(command, family, job) for job in jobs]
    if command.output is None and not command.dry_run:
        raise UsageError("say where results go: -o DIR")
    if command.plot:
        pictures.check()
    with connected(command.scheduler):
        return _run(command, family, jobs, models, single)


def _run(
    command: argparse.Namespace, family: Family, jobs: list[Job], models: list[Any], single: bool
) -> int:  # fmt: skip
    begun = time.perf_counter()
    given = opened(command.input, dtype=command.dtype, memory=command.memory)
    given = spread(given) if command.scheduler else given
    given, y = split(given, command.target) if command.name == "ridge" else (given, None)
    seconds = {"open": time.perf_counter() - begun}
    if command.dry_run:
        from . import dry

        return dry.run(command, family, jobs, models, given, y)
    data = data_digest(given, y)
    fits = [
        _Fit(command, family, job, model, given, y, data, single)
        for job, model in zip(jobs, models, strict=True)
    ]
    for fit in fits:
        fit.check()
    reports = [fit.done or fit.run(seconds) for fit in fits]
    if not single and command.total_workers is None:
        from . import combine

        combine.combine(command.output, given, command, force=command.force or command.resume)
    said = json.dumps(reports[0] if single else reports)
    print(said if command.json else command.output)
    return CONVERGED if all(report["converged"] for report in reports) else UNCONVERGED


class _Fit:
    """One job."""

    done: dict[str, Any] | None = None

    def __init__(
        self, command: argparse.Namespace, family: Family, job: Job, model: Any, given: Input, y: Any,
        data: str, whole: bool,
    ) -> None:  # fmt: skip
        self.command, self.family, self.folder, self.model = command, family, job.folder, model
        self.given, self.y, self.whole = given, y, whole
        self.fingerprint = {"parameters": parameters_digest(model), "data": data}
        self.checkpoint = self.folder / outputs.CHECKPOINT
        self.title = f"gramfold {command.name}" + ("" if whole else f" {job.folder.name}")

    def check(self) -> None:
        """Find out whether the job is done already; refuse to replace other results.

        Raises
        ------
        FileExistsError, ValueError
        """
        there = outputs.taken(self.folder)
        if there is None or self.command.force:
            return
        if not self.command.resume:
            raise FileExistsError(
                f"{there} is there already: --force replaces it, --resume goes on, or leaves it if it is done"
            )
        report = read_report(self.folder)
        if report is None:
            return
        self._compare(report)
        most = self.model.get_params().get("max_iter")
        at_limit = most is not None and report["iterations"] >= most
        if report["converged"] or at_limit or not self.checkpoint.exists():
            self.done = report

    def _compare(self, report: dict[str, Any]) -> None:
        """Refuse to go on with results of another fit, naming in what it differs."""
        if report["fingerprint"] == self.fingerprint:
            return
        now, then = parameters_of(self.model), report["parameters"]
        other = [
            f"{name} {then.get(name)!r}, not {value!r}"
            for name, value in now.items()
            if name not in LIMITS and then.get(name) != value
        ]
        if report["model"] != self.family.model:
            other = [f"gf.{report['model']}, not gf.{self.family.model}"]
        said = ", ".join(other) or f"another X than {self.given.place} as it is now"
        raise ValueError(f"{self.folder} is of a fit with {said}: --force replaces it")

    def run(self, seconds: dict[str, float]) -> dict[str, Any]:
        """Fit, and write everything; gives the report."""
        self.folder.mkdir(parents=True, exist_ok=True)
        outputs.remove_left(self.folder)
        if self.command.force:  # so that no other command takes them for those of this fit
            for name in (outputs.REPORT, outputs.CHECKPOINT):
                (self.folder / name).unlink(missing_ok=True)
        model, begun = self.model, time.perf_counter()
        if "callback" in model.get_params() and not self.command.quiet:
            model.set_params(callback=bar(self.title, sys.stderr))
        fit = model.fit_transform if self.family.by_fit == "fit_transform" else model.fit
        try:
            found = fit(self.given.X, *([] if self.y is None else [self.y]), **self._going_on())
        except (KeyboardInterrupt, Terminated) as stop:
            kept = self.checkpoint.exists()
            said = f"--resume goes on from {self.checkpoint}" if kept else "before there was a checkpoint"
            raise type(stop)(f"interrupted; {said}") from None
        if "callback" in model.get_params():
            model.set_params(callback=None)
        fitted = time.perf_counter()
        (self.folder / outputs.REPORT).unlink(missing_ok=True)  # until what it is of is there as a whole
        gramfold.save(model, self.folder / outputs.MODEL)
        if self.whole:
            rows = found if self.family.by_fit == "fit_transform" else getattr(model, "labels_", None)
            write_results(self.folder, model, self.family, self.given, self.command.plot, rows)
        seconds = {**seconds, "fit": fitted - begun, "write": time.perf_counter() - fitted}
        report = report_of(model, self.family, self.given, seconds, self.fingerprint)
        outputs.write_report(self.folder, report)
        if report["converged"]:
            self.checkpoint.unlink(missing_ok=True)
        del self.model  # there may be many jobs
        return report

    def _going_on(self) -> dict[str, Any]:
        if "checkpoint" not in inspect.signature(self.model.fit).parameters:
            return {}
        every, resume = self.command.checkpoint, self.command.resume
        return {"checkpoint": self.checkpoint, "checkpoint_every": every, "resume": resume}


def write_results(
    folder: Path, model: Any, family: Family, given: Input | None, plot: bool, rows: Any = None
) -> None:  # fmt: skip
    """Write components, outliers, pictures and, where X is at hand, the results of its rows."""
    columns = None if given is None else given.names.columns
    if columns is None and hasattr(model, "feature_names_in_"):
        columns = list(model.feature_names_in_)
    outputs.write_components(folder, model, family, columns)
    if family.outliers:
        outputs.write_outliers(folder, getattr(model, family.outliers))
    if given is not None:
        outputs.write_rows(folder, model, family, given, rows)
    if plot:
        pictures.write(folder, model, family)


def read_report(folder: Path) -> dict[str, Any] | None:
    """The report in a folder; None if there is none.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    path = folder / outputs.REPORT
    if not path.exists():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return found if {"converged", "fingerprint", "model", "objective"} <= found.keys() else None
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
