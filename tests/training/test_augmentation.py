import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from neuroprobe.training.augmentation import Moves, epoch_moves, moved
from neuroprobe.training.photographs import Photographs
from neuroprobe.training.recipes import Recipe

RECIPE = Recipe("any", epochs=1, batch_size=4, lr=0.1, max_shift=3, flip=True)


def numbered(count=1, height=3, width=4):
    images = torch.arange(1, count * height * width + 1, dtype=torch.uint8).view(count, height, width, 1)
    return Photographs(images, torch.zeros(count, dtype=torch.long), ("one",))


def move(photographs, *, mirrored=False, down=0, right=0, border="edge") -> Tensor:
    moves = Moves(torch.tensor([mirrored]), torch.tensor([down]), torch.tensor([right]))
    return moved(photographs, torch.tensor([0]), moves, border=border)[0, ..., 0]


def test_a_photograph_moves_down_and_to_the_right():
    assert move(numbered(), down=1, right=2, border="zero").tolist() == [[0, 0, 0, 0], [0, 0, 1, 2], [0, 0, 5, 6]]


def test_the_edge_is_repeated():
    assert move(numbered(), down=-1, right=1).tolist() == [[5, 5, 6, 7], [9, 9, 10, 11], [9, 9, 10, 11]]


def test_it_is_mirrored_before_it_moves():
    assert move(numbered(), mirrored=True, right=1, border="zero").tolist() == [
        [0, 4, 3, 2], [0, 8, 7, 6], [0, 12, 11, 10],
    ]  # fmt: skip


@pytest.mark.parametrize(("border", "mode"), [("edge", "replicate"), ("zero", "constant")])
def test_all_at_once_is_one_after_the_other_padded_cut_and_mirrored(border, mode):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (20, 3, 8, 9), generator=generator, dtype=torch.uint8)
    photographs = Photographs(images.permute(0, 2, 3, 1).contiguous(), torch.zeros(20, dtype=torch.long), ("one",))
    moves, numbers = epoch_moves(20, RECIPE, seed=0, epoch=0), torch.tensor([7, 0, 19])
    came = moved(photographs, numbers, moves.of(numbers), border=border).permute(0, 3, 1, 2)
    for image, number in zip(came, numbers, strict=True):
        whole = images[number].flip(2) if moves.mirrored[number] else images[number]
        padded = F.pad(whole[None].float(), (3, 3, 3, 3), mode=mode)[0].byte()
        top, left = 3 - int(moves.down[number]), 3 - int(moves.right[number])
        assert torch.equal(image, padded[:, top : top + 8, left : left + 9])


def test_moves_are_another_in_each_epoch_and_the_same_in_the_same():
    one, same, other = (epoch_moves(50, RECIPE, seed=0, epoch=epoch) for epoch in (1, 1, 2))
    assert torch.equal(one.down, same.down)
    assert not torch.equal(one.down, other.down)
    assert set(one.down.tolist()) == set(range(-3, 4))


def test_half_are_mirrored():
    share = epoch_moves(10_000, RECIPE, seed=0, epoch=0).mirrored.float().mean()
    assert share.item() == pytest.approx(0.5, abs=0.02)  # four standard errors


def test_floating_photographs_move_too():
    photographs = Photographs(torch.rand(1, 3, 3, 1), torch.zeros(1, dtype=torch.long), ("one",))
    came = move(photographs, down=1, border="zero")
    assert torch.equal(came[1:], photographs.images[0, :2, :, 0])
    assert not came[0].any()
