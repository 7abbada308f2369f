import logging
from functools import partial

import pytest
import torch
from learning import LAYERS, gradients, planted, small, trained
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.testing import assert_close

import neuroprobe
from neuroprobe import SelectivityPenalty
from neuroprobe.addresses import UnknownLayerError
from neuroprobe.saying import say_once


@pytest.fixture
def said(caplog):
    """What was said once, as if nothing had been said before."""
    say_once.cache_clear()
    caplog.set_level(logging.WARNING, "neuroprobe")
    return lambda: [record.getMessage() for record in caplog.records]


class Given(nn.Module):
    """Responses are the images' own values: what the penalty makes of them stands on paper."""

    def __init__(self):
        super().__init__()
        self.scale, self.act = nn.Parameter(torch.ones(())), nn.ReLU()

    def forward(self, x):
        return self.act(self.scale * x).sum((2, 3))


def batch(*rows):
    """Return images (n, units, 1, 1) of given responses."""
    return torch.tensor(rows, dtype=torch.float32)[:, :, None, None]


def penalised(model, images, labels, alpha=1.0, layers=None):
    with SelectivityPenalty(model, alpha, layers) as penalty:
        model(images)
        return penalty(torch.as_tensor(labels)), penalty


# Values


def test_a_batch_made_by_hand():
    # unit 0: class means 3, 1, 1 give 0.5; unit 1: 1, 0, 0 give 1; unit 2 is silent and counts for nothing
    images = batch([2, 1, 0], [4, 1, 0], [1, 0, -5], [1, 0, 0], [1, 0, -1])
    value, penalty = penalised(Given(), images, [0, 0, 1, 1, 2], alpha=-2)
    assert value.item() == pytest.approx(2 * 0.75, abs=1e-6)
    assert penalty.si.item() == penalty.by_layer["act"] == pytest.approx(0.75, abs=1e-6)
    assert not penalty.si.requires_grad


def test_layers_count_alike_and_the_last_may_be_left_out():
    images, labels = planted()
    model = small()
    both, penalty = penalised(model, images, labels)
    first, _ = penalised(model, images, labels, layers="/relu:*")
    assert list(penalty.by_layer) == LAYERS
    assert -first.item() == pytest.approx(penalty.by_layer["/relu:0"])
    assert -both.item() == pytest.approx(sum(penalty.by_layer.values()) / 2)


def test_si_is_that_of_the_analysis():
    images, labels = planted(60)
    model = small().eval()
    _, penalty = penalised(model, images, labels)
    measured = neuroprobe.class_selectivity(model, (images, labels), preprocess=None, permutations=0).units.si
    expected = measured.groupby(level="layer").mean()
    assert penalty.by_layer == pytest.approx({layer: expected[layer] for layer in LAYERS}, abs=1e-5)


def test_a_layer_with_values_below_zero_is_rectified():
    images, labels = planted()
    model = small()
    _, signed = penalised(model, images, labels, layers="conv1")
    _, rectified = penalised(model, images, labels, layers="/relu:0")
    assert signed.by_layer["conv1"] == pytest.approx(rectified.by_layer["/relu:0"])


@pytest.mark.parametrize("layers", [None, ["conv1", "conv2"]])
def test_gradients_are_those_of_finite_differences(layers):
    images, labels = planted(6)
    model = small(channels=2).double()
    with SelectivityPenalty(model, -0.7, layers) as penalty:

        def of(*parameters):
            functional_call(model, dict(zip(names, parameters, strict=True)), (images.double(),))
            return penalty(labels)

        names, parameters = zip(*model.named_parameters(), strict=True)
        assert torch.autograd.gradcheck(of, [parameter.detach().clone().requires_grad_() for parameter in parameters])


@pytest.mark.parametrize("layers", [None, "/relu:0"])
def test_alpha_is_a_dial(layers):
    def ends(alpha):
        model = small()
        penalty = SelectivityPenalty(model, alpha, layers)
        trained(model, penalty)
        return penalty.si.item()

    low, middle, high = map(ends, (-1, 0, 1))
    assert low < middle - 0.01 < middle + 0.1 < high


def test_alpha_of_0_changes_nothing():
    images, labels = planted()
    model = small()
    F.cross_entropy(model(images), labels).backward()
    plain = gradients(model)
    model.zero_grad()
    with SelectivityPenalty(model, 0) as penalty:
        (F.cross_entropy(model(images), labels) + penalty(labels)).backward()
    assert torch.equal(gradients(model), plain)


def test_alpha_follows_the_epochs():
    images, labels = planted()
    model = small()
    with SelectivityPenalty(model, [0, 0.5]) as penalty:
        model(images)
        values = []
        for epoch in range(3):
            penalty.set_epoch(epoch)
            values.append(penalty(labels).item() / penalty.si.item())
    assert values == pytest.approx([0, -0.5, -0.5])


def test_each_small_batch_has_an_si_of_its_own():
    images, labels = planted()
    model = small()
    with SelectivityPenalty(model, 1) as penalty:
        model(images)
        whole = penalty(labels)
        parts = []
        for half in (slice(0, 12), slice(12, 24)):
            model(images[half])
            parts.append(penalty(labels[half]))
    assert parts[0] != parts[1]
    assert sum(parts) / 2 < whole  # fewer images, a larger si


# Which pass is read


def test_passes_without_gradients_are_not_read():
    images, labels = planted()
    model = small()
    with SelectivityPenalty(model, 1) as penalty:
        model(images)
        expected = penalty(labels)
        with torch.no_grad():
            model(images[:5])
        neuroprobe.record(model, images[:7], preprocess=None, progress=False)
        assert_close(penalty(labels), expected)


def test_a_probe_inside_reads_the_same_pass():
    images, labels = planted()
    model = small()
    with SelectivityPenalty(model, 1) as penalty:
        with neuroprobe.Probe(model, "act", reduce="mean") as probe:
            model(images)
        assert penalty(labels).requires_grad
    assert probe["act"].shape == (24, 6)


def test_two_penalties_at_once():
    images, labels = planted()
    model = small()
    alone = [penalised(model, images, labels, alpha, layer)[0] for alpha, layer in zip((1, -3), LAYERS, strict=True)]
    with SelectivityPenalty(model, 1, LAYERS[0]) as one, SelectivityPenalty(model, -3, LAYERS[1]) as other:
        for _ in range(2):
            model(images)
            assert_close([one(labels), other(labels)], alone)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # the compiler looks at it
@pytest.mark.parametrize(
    "wrap", [nn.DataParallel, partial(torch.compile, backend="eager")], ids=["parallel", "compiled"]
)
def test_wrapped_networks(left_alone, wrap):
    images, labels = planted()
    model = small()
    expected, _ = penalised(model, images, labels)
    wrapped = wrap(model)
    wrapped(images)
    with left_alone(model):
        value, _ = penalised(wrapped, images, labels)
    assert_close(value, expected)


def test_autocast_to_bfloat16():
    images, labels = planted()
    model = small()
    value, _ = penalised(model, images, labels)
    value.backward()
    expected = model.conv1.weight.grad
    model.zero_grad()
    with SelectivityPenalty(model, 1) as penalty, torch.autocast("cpu", torch.bfloat16):
        output = model(images)
        lower = penalty(labels)
    lower.backward()
    assert (output.dtype, lower.dtype) == (torch.bfloat16, torch.float32)
    assert_close(lower, value, rtol=0.05, atol=0)
    assert F.cosine_similarity(model.conv1.weight.grad.flatten(), expected.flatten(), dim=0) > 0.98


# The model is left alone


@pytest.mark.parametrize("norm", [nn.Identity, nn.BatchNorm2d])
def test_nothing_is_left_behind(left_alone, norm):
    images, labels = planted()
    model = small(norm=norm)
    model(images)  # what it learns of a batch, it has learnt
    model.norm.eval()
    with left_alone(model):
        penalised(model, images, labels)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_nothing_is_left_behind_by_an_error(left_alone, error):
    images, _ = planted()
    model = small()

    def failing():
        with SelectivityPenalty(model, 1):
            model(images)
            raise error

    with left_alone(model), pytest.raises(error):
        failing()


def test_a_batch_updates_running_statistics_once():
    images, labels = planted()
    one, other = small(norm=nn.BatchNorm2d), small(norm=nn.BatchNorm2d)
    one(images)
    penalised(other, images, labels)
    assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)


def test_only_the_hooks_that_are_needed_stay():
    images, _ = planted()
    model = small()
    with SelectivityPenalty(model, 1, "act"):
        model(images)
        hooked = [name for name, module in model.named_modules() if module._forward_hooks]
    assert hooked == ["", "act"]


def test_it_may_be_entered_again():
    images, labels = planted()
    model = small()
    penalty = SelectivityPenalty(model, 1)
    with penalty, pytest.raises(RuntimeError, match="this SelectivityPenalty is entered already"), penalty:
        pass
    with penalty:
        model(images)
        assert penalty(labels).requires_grad


# What does not fit


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.zeros(5, dtype=torch.long), r"24 images, labels \(5,\) came"),
        (torch.zeros(24), r"class indices, whole numbers from 0; torch\.float32 came"),
        (torch.full((24,), -1), r"class indices from 0; -1 came"),
        (["cat"] * 24, r"class indices, whole numbers from 0; \['cat'"),
    ],
)
def test_labels_that_do_not_fit_are_errors(labels, message):
    model = small()
    with SelectivityPenalty(model, 1) as penalty:
        model(planted()[0])
        with pytest.raises(ValueError, match=message):
            penalty(labels)


@pytest.mark.parametrize("alpha", [float("nan"), float("inf")])
def test_alpha_is_finite(alpha):
    with pytest.raises(ValueError, match=f"alpha must be a finite number; {alpha} came"):
        SelectivityPenalty(small(), alpha)


def test_without_a_pass_there_is_no_penalty():
    images, labels = planted()
    model = small()
    with SelectivityPenalty(model, 1) as penalty:
        with torch.no_grad():
            model(images)
        with pytest.raises(RuntimeError, match=r"none in this block: call the model first, outside torch\.no_grad"):
            penalty(labels)


def test_outside_its_block_there_is_no_penalty():
    with pytest.raises(RuntimeError, match=r"inside its block alone: `with SelectivityPenalty\(\.\.\.\) as penalty:`"):
        SelectivityPenalty(small(), 1)(planted()[1])


def test_a_batch_of_one_class_has_no_penalty(said):
    images, _ = planted()
    model = small()
    with SelectivityPenalty(model, 1) as penalty:
        for _ in range(2):
            model(images)
            value = penalty(torch.full((24,), 2))
            value.backward()
    assert value.item() == 0
    assert penalty.si.isnan()
    assert not model.conv1.weight.grad.any()
    assert said() == ["a batch held fewer than two classes: it has no class selectivity, and a penalty of 0"]


def test_a_batch_without_images_has_no_penalty():
    images, labels = planted()
    model = small()
    with SelectivityPenalty(model, 1) as penalty:
        model(images)
        model(images[:0])
        value = penalty(labels[:0])
        value.backward()
    assert value.item() == 0
    assert penalty.si.isnan()


def test_a_layer_that_cannot_learn_is_left_out_and_said_once(said):
    images, labels = planted()
    model = small()
    model.conv1.requires_grad_(False)
    value, penalty = penalised(model, images, labels)
    assert value.item() == pytest.approx(-penalty.by_layer["act"])
    assert len(said()) == 1
    assert "SelectivityPenalty leaves out /relu:0, whose outputs carry no gradient" in said()[0]


def test_layers_of_which_none_can_learn_are_an_error():
    images, labels = planted()
    model = small().requires_grad_(False)
    model.head.requires_grad_(True)
    with pytest.raises(
        ValueError, match=r"needs a layer that learns; /relu:0, act came, whose .* name others in layers="
    ):
        penalised(model, images, labels)


def test_an_unknown_layer_is_an_error_on_entry(left_alone):
    model = small()
    with left_alone(model), pytest.raises(UnknownLayerError, match=r"no layer 'conv3' .*; nearest: conv2, conv1"):
        SelectivityPenalty(model, 1, "conv3").__enter__()


def test_it_needs_no_known_size():
    images, labels = torch.rand(6, 1, 15, 9), torch.arange(6) % 3
    assert penalised(small(), images, labels)[0].requires_grad
