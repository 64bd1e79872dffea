"""Commands as processes of their own: signals, terminals, pipes, full disks."""

import io
import os
import resource
import select
import signal
import subprocess
import sys
import termios
import time

import numpy as np
import pytest

import gramfold as gf

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and terminals as Linux has them")
LONG = ("nmf", "x.npy", "-k", 3, "-o", "out", "--tol", 0, "--checkpoint", 0)
ENDLESS = (*LONG, "--max-iter", 10**8)


def wait_for(path, process):
    """Wait until a file is there."""
    for _ in range(600):
        if path.exists():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


def iterations(path):
    """How many iterations a checkpoint has."""
    from gramfold.keep.layout import read

    return len(read(path)[1]["state.history"])


def assert_goes_on(run, X, folder):
    """The next command ends as one that was never stopped would have."""
    most = iterations(folder / "checkpoint.gramfold") + 5
    assert run(*LONG, "--max-iter", most, "--resume", "--quiet") == (3, "out\n", "")
    assert not list(folder.glob(".*"))
    model = gf.load(folder / "model.gramfold")
    whole = gf.NMF(3, tol=0, max_iter=most, random_state=0).fit(X)
    np.testing.assert_array_equal(model.components_, whole.components_)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_checkpoint_that_the_next_command_goes_on_from(
    number, status, start, run, X, tmp_path
):
    process = start(*ENDLESS, preexec_fn=hears_sigint)
    checkpoint = tmp_path / "out/checkpoint.gramfold"
    wait_for(checkpoint, process)
    before = iterations(checkpoint)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (status, b"")
    assert err.endswith(b"gramfold nmf: interrupted; --resume goes on from out/checkpoint.gramfold\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["checkpoint.gramfold"]
    assert iterations(checkpoint) >= before
    assert_goes_on(run, X, tmp_path / "out")


def hears_sigint():
    """What starts tests in the background may have them ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_fit_that_was_killed_goes_on(start, run, X, tmp_path):
    process = start(*ENDLESS)
    wait_for(tmp_path / "out/checkpoint.gramfold", process)
    process.kill()
    process.wait()
    assert_goes_on(run, X, tmp_path / "out")


def read_terminal(descriptor):
    """What a terminal shows until the process that writes to it has ended."""
    found = b""
    while select.select([descriptor], [], [], 60)[0]:
        try:
            some = os.read(descriptor, 1 << 16)
        except OSError:
            break
        if not some:
            break
        found += some
    return found.decode()


def test_a_terminal_shows_progress_and_nothing_else_does(start, run, X):
    pytest.importorskip("tqdm")
    line = ("nmf", "x.npy", "-k", 3, "--max-iter", 3000, "--tol", 0)
    own, theirs = os.openpty()
    try:
        termios.tcsetwinsize(theirs, (24, 200))
        process = start(*line, "-o", "out", stderr=theirs)
        os.close(theirs)
        shown = read_terminal(own)
    finally:
        os.close(own)
    assert process.wait(timeout=60) == 3
    assert process.stdout.read() == b"out\n"
    for part in ("gramfold nmf", "objective=", "kkt="):
        assert part in shown
    assert run(*line, "-o", "none") == (3, "none\n", "")


def test_a_pipe_in_and_one_out(start, run, X, tmp_path):
    run("kmeans", "x.npy", "-k", 3, "-o", "out")
    process = start("transform", "out", "-", "-o", "-", stdin=subprocess.PIPE)
    out, err = process.communicate((tmp_path / "x.npy").read_bytes(), timeout=60)
    assert (process.returncode, err) == (0, b"")
    labels = gf.KMeans(3, random_state=0).fit(X).labels_
    np.testing.assert_array_equal(np.load(io.BytesIO(out)), labels)


def test_a_disk_that_is_full_leaves_nothing_half_written(start, run, tmp_path):
    np.save(tmp_path / "big.npy", gf.datasets.make_nmf(4000, 6, 3, random_state=0)[0])

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # as Python has it, and a shell may not
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    process = start("nmf", "big.npy", "-k", 3, "-o", "out", "--max-iter", 500, preexec_fn=limit)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, b"")
    assert err.startswith(b"gramfold nmf: ")
    assert b"File too large" in err.splitlines()[-1]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "components.csv", "components.npy", "model.gramfold",
    ]  # fmt: skip
    gf.load(tmp_path / "out/model.gramfold")
    assert run("nmf", "big.npy", "-k", 3, "-o", "out", "--max-iter", 500, "--resume") == (0, "out\n", "")


def test_who_closes_a_pipe_early_is_not_told_of_it(start):
    process = start("info", stdout=subprocess.PIPE)
    process.stdout.close()
    process.stdout = None
    assert process.wait(timeout=60) in (0, 1)
    assert process.stderr.read() == b""
