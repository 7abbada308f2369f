"""Work shared out: the same as one after the other, in the same order, and nothing is left changed."""

import threading
import time

import pytest
import torch

from neuroprobe.cores import cores_of, shared_out

pytestmark = pytest.mark.usefixtures("two_cores")


def made(do, work, at_once):
    with shared_out(do, work, at_once) as results:
        return list(results)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_results_come_in_the_order_of_the_work(at_once):
    def slow_at_first(number):
        time.sleep(0.02 if number == 0 else 0)
        return number**2

    assert made(slow_at_first, range(7), at_once) == [0, 1, 4, 9, 16, 25, 36]
    assert made(slow_at_first, [], at_once) == []


def test_pieces_are_worked_on_at_the_same_time():
    meeting = threading.Barrier(2)
    assert sorted(made(lambda _: meeting.wait(timeout=30), range(4), 2)) == [0, 0, 1, 1]


@pytest.mark.parametrize("waiting", [0, 1])
def test_no_more_is_drawn_than_is_needed(waiting):
    drawn = []
    work = (drawn.append(number) or number for number in range(9))
    with shared_out(lambda number: number, work, 2, waiting) as results:
        next(results)
        assert drawn == [0, 1, 2][: 2 + waiting]


def test_a_core_each_while_it_lasts():
    assert made(lambda _: torch.get_num_threads(), range(4), 2) == [1] * 4
    assert made(lambda _: torch.get_num_threads(), range(2), 1) == [2] * 2
    assert torch.get_num_threads() == 2
    later = []
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [2]


@pytest.mark.parametrize("at_once", [1, 2])
def test_gradients_and_precision_are_those_of_the_caller(at_once):
    one = torch.ones(2, 2)

    def product(_):
        return (one @ one).dtype, torch.is_grad_enabled()

    assert made(product, range(2), at_once) == [(torch.float32, True)] * 2
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        assert made(product, range(2), at_once) == [(torch.bfloat16, False)] * 2


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_comes_up_in_its_place(error):
    def fails_at_three(number):
        if number == 3:
            raise error("three")
        return number

    seen = []
    with pytest.raises(error, match="three"), shared_out(fails_at_three, range(9), 2) as results:
        seen.extend(iter(results.__next__, None))
    assert seen == [0, 1, 2]
    assert torch.get_num_threads() == 2


def test_who_leaves_early_leaves_no_thread():
    before = threading.active_count()
    with shared_out(lambda number: number, range(9), 2) as results:
        next(results)
    assert (threading.active_count(), torch.get_num_threads()) == (before, 2)


def test_only_a_processor_has_cores():
    assert cores_of(torch.device("cpu")) == 2
    assert cores_of(torch.device("cuda")) == 1
    torch.set_num_threads(64)
    assert cores_of(torch.device("cpu")) == 8  # with eight threads of torch's each
