"""Ends of processes by the kernel: as a file is about to be written, with one half written, or at any time."""

import multiprocessing
import os
import random
import resource
import signal
import sys
from pathlib import Path

WRITES = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate", "shutil.rmtree"}  # of Python's audit events
SIGNALS = (-signal.SIGKILL, -signal.SIGXFSZ, -signal.SIGALRM)  # exit codes of what died so
# A process of tests has one server, which loads this when it starts, whoever asks first: what is forked need not.
LOADED = [
    "neuroprobe.recording", "neuroprobe.training.fitting", "neuroprobe.training.train", "neuroprobe.results",
    "torchvision.datasets", "xarray", "zarr", "pandas", "safetensors.torch", "pytest",
]  # fmt: skip


def forking():
    """Return what forks processes that have all of it loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    return context


class Death:
    """Kills its process at one of the next things that it does to the disk, or at some time; later at every turn.

    ``events`` and ``seconds`` are how far it lets its process come on an average first turn; ``most`` is the size in
    bytes within which it cuts a file.
    """

    def __init__(self, seed, turn, *, events=40, seconds=0.05, most=1500):
        self.random = random.Random(seed)  # noqa: S311
        self.kind = self.random.choice(["before", "before", "within", "timer"])
        self.events = 1 + int(self.random.expovariate(1 / (events * turn)))
        self.seconds = self.random.uniform(0.001, 2 * seconds * turn)
        self.most = most

    def lie_in_wait(self, place):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        if self.kind == "timer":
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, self.seconds)
        else:
            sys.addaudithook(lambda event, arguments: self.strike(event, arguments, str(place)))

    def strike(self, event, arguments, place):
        writes = event == "open" and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if not (writes or event in WRITES) or place not in str(arguments[0]):
            return
        self.events -= 1
        if self.events > 0:
            return
        if self.kind == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        elif writes:  # the kernel writes so much of what comes and kills: any file from here on
            appends = arguments[2] & os.O_APPEND and Path(arguments[0]).exists()
            limit = (Path(arguments[0]).stat().st_size if appends else 0) + self.random.randint(0, self.most)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            self.events = 2**60
