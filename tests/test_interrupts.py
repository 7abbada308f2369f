"""Ctrl-C is held back where it must be, and is never lost."""

import random
import signal
import threading
from contextlib import ExitStack, contextmanager, suppress

import pytest
import torch
from small_networks import SIDE, Residual

import neuroprobe
from neuroprobe.interrupts import entered, leave, undisturbed


def ctrl_c():
    signal.raise_signal(signal.SIGINT)


def test_it_waits_and_is_not_lost():
    done = []

    def run():
        with undisturbed():
            ctrl_c()
            with undisturbed():
                ctrl_c()
            done.append("all")
        done.append("more")

    with pytest.raises(KeyboardInterrupt):
        run()
    assert done == ["all"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_errors_pass():
    with pytest.raises(ValueError, match="own"), undisturbed():
        raise ValueError("own")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_the_users_is_called_afterwards():
    came = []
    former = signal.signal(signal.SIGINT, lambda *_: came.append("theirs"))
    try:
        with undisturbed():
            ctrl_c()
            assert came == []
    finally:
        signal.signal(signal.SIGINT, former)
    assert came == ["theirs"]


def test_other_threads_are_let_by():
    done = []

    def run():
        with undisturbed():
            done.append(1)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert done == [1]


@contextmanager
def noted(log, name, *, interrupted=False):
    log.append(f"in {name}")
    if interrupted:
        ctrl_c()
    try:
        yield
    finally:
        log.append(f"out {name}")


def test_contexts_are_all_entered_and_all_left():
    log = []
    with pytest.raises(KeyboardInterrupt), entered(noted(log, 1, interrupted=True), noted(log, 2)):
        log.append("body")
    assert log == ["in 1", "in 2", "out 2", "out 1"]


def test_contexts_are_left_where_leaving_is_interrupted():
    log, stack = [], ExitStack()
    stack.enter_context(noted(log, 1))
    stack.callback(ctrl_c)
    stack.enter_context(noted(log, 2))
    with pytest.raises(KeyboardInterrupt):
        leave(stack)
    assert log == ["in 1", "in 2", "out 2", "out 1"]


def recorded(network, images):
    neuroprobe.record(network, images, preprocess=None, batch_size=1, progress=False)


def probed(network, images):
    with neuroprobe.Probe(network), neuroprobe.ablate(network, {"relu:0": [0]}):
        neuroprobe.layers(network, SIDE)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that interrupts on this system")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it may come in a callback of another's
@pytest.mark.parametrize("call", [recorded, probed])
def test_at_any_moment_the_model_is_put_back(left_alone, call):
    network, images, moments = Residual().train(), torch.rand(2, 3, SIDE, SIDE), random.Random(0)  # noqa: S311
    call(network, images)  # imports that are cut short are not ours to put back
    former = signal.signal(signal.SIGALRM, lambda *_: ctrl_c())
    cut_short = 0
    try:
        for _ in range(40):
            with suppress(KeyboardInterrupt), left_alone(network):  # it may come once the call is done
                signal.setitimer(signal.ITIMER_REAL, moments.uniform(1e-4, 0.03))
                try:
                    call(network, images)
                except KeyboardInterrupt:
                    cut_short += 1
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, former)
    assert cut_short > 0
