import pytest
import torch

from neuroprobe.fingerprints import fingerprints, is_known


@pytest.fixture
def images():
    return torch.rand(40, 3, 9, 7, generator=torch.Generator().manual_seed(0))


def known(images, numbers):
    return [is_known(image, number) for image, number in zip(images, numbers.tolist(), strict=True)]


def test_an_image_is_known_again_whatever_it_came_with(images):
    numbers = fingerprints(images)
    assert all(known(images, numbers))
    assert all(known(images.contiguous(memory_format=torch.channels_last), numbers))
    torch.testing.assert_close(fingerprints(images[7:9]), numbers[7:9])


def test_the_last_bit_and_the_precision_of_the_network_do_not_matter(images):
    numbers = fingerprints(images)
    assert all(known(torch.nextafter(images, torch.ones(())), numbers))
    assert all(known(images.double(), numbers))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(fingerprints(images), numbers)


def test_another_image_is_not_known(images):
    numbers = fingerprints(images)
    assert not any(known(images.flip(0), numbers))
    assert not any(known(images.flip(3), numbers))
    assert not any(known(images[:, :, :4, :3], numbers))
    assert not any(known(images + 1 / 255 * (torch.arange(7) % 3), numbers))


def test_real_photographs_are_all_told_apart(photographs):
    numbers = fingerprints(photographs[0][:200]).tolist()
    taken_for_another = sum(is_known(photographs[0][i], numbers[j]) for i in range(200) for j in range(i))
    assert taken_for_another < 60  # of 19,900 pairs: a recording holds more than one image
