import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

from neuroprobe.networks.loading import load_weights


def network(width=4):
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))


@pytest.fixture
def trained():
    torch.manual_seed(1)
    return network()


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


LAYOUTS = {
    "plain": lambda state: state,
    "under state_dict": lambda state: {"epoch": 3, "state_dict": state},
    "under model": lambda state: {"model": state, "optimizer": {}},
    "DataParallel": lambda state: prefixed("module.", state),
    "compiled": lambda state: prefixed("_orig_mod.", state),
    "DataParallel, compiled": lambda state: prefixed("_orig_mod.module.", state),
    "compiled, DataParallel": lambda state: {"state_dict": prefixed("module._orig_mod.", state)},
    "without counts of batches": lambda state: {k: v for k, v in state.items() if "num_batches" not in k},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_layouts_of_a_checkpoint(trained, tmp_path, layout):
    torch.save(layout(trained.state_dict()), tmp_path / "weights.pt")
    loaded = load_weights(network(), tmp_path / "weights.pt")
    assert_close(loaded.state_dict(), trained.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_safetensors(trained, tmp_path, prefix):
    save_file(prefixed(prefix, trained.state_dict()), tmp_path / "weights.safetensors")
    loaded = load_weights(network(), str(tmp_path / "weights.safetensors"))
    assert_close(loaded.state_dict(), trained.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_network_with_a_module_of_its_own_by_that_name(trained, tmp_path, prefix):
    torch.save(prefixed(prefix + "module.", trained.state_dict()), tmp_path / "weights.pt")
    loaded = load_weights(nn.ModuleDict({"module": network()}), tmp_path / "weights.pt")
    assert torch.equal(loaded["module"][0].weight, trained[0].weight)


class Malicious:
    def __reduce__(self):
        return (print, ("code from a file",))


@pytest.mark.parametrize("held", [Malicious(), network()], ids=["code", "a whole network"])
def test_code_in_a_file_is_not_run(tmp_path, capsys, held):
    torch.save({"state_dict": held}, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"weights\.pt holds more than tensors, .*: save model\.state_dict\(\)"):
        load_weights(network(), tmp_path / "weights.pt")
    assert capsys.readouterr().out == ""


def test_code_in_a_bare_pickle_is_not_run(tmp_path, capsys):
    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Malicious(), protocol=2))
    with pytest.raises(ValueError, match=r"weights\.pt holds more than tensors"):
        load_weights(network(), tmp_path / "weights.pt")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_truncated_files(trained, tmp_path, suffix, share):
    path = tmp_path / f"weights.{suffix}"
    (torch.save if suffix == "pt" else save_file)(trained.state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=rf"weights\.{suffix} is no complete|is damaged"):
        load_weights(network(), path)


@pytest.mark.parametrize("text", [b"hello this is text", b"PK but no archive", b"\x80\x02abc"])
def test_files_of_another_kind(tmp_path, text):
    (tmp_path / "weights.pt").write_bytes(text)
    with pytest.raises(ValueError, match=r"weights\.pt (is no complete PyTorch checkpoint|.*is damaged)"):
        load_weights(network(), tmp_path / "weights.pt")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=rf"there is no weights file {tmp_path}/weights\.pt"):
        load_weights(network(), tmp_path / "weights.pt")


@pytest.mark.parametrize(
    ("held", "what"),
    [([1, 2], "list"), ({}, r"a mapping with \[\]"), ({"lr": 0.1, "epoch": 3}, r"a mapping with \['lr', 'epoch'\]")],
)
def test_files_without_weights(tmp_path, held, what):
    torch.save(held, tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=rf"must hold a state_dict .*; it holds {what}"):
        load_weights(network(), tmp_path / "weights.pt")


def test_weights_of_another_architecture_list_the_names(tmp_path):
    torch.save({"fc.weight": torch.ones(2, 2), "0.weight": torch.ones(4, 3, 3, 3)}, tmp_path / "weights.pt")
    message = r"not those of this Sequential: 5 missing \(0\.bias, 1\.bias, .*, \.\.\.\); 1 unknown \(fc\.weight\)"
    with pytest.raises(ValueError, match=message):
        load_weights(network(), tmp_path / "weights.pt")


def test_weights_of_another_shape_list_both(trained, tmp_path):
    torch.save(trained.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(ValueError, match=r"0\.bias \(4,\) in the file, \(6,\) in the network"):
        load_weights(network(6), tmp_path / "weights.pt")


def test_a_network_stays_as_it_was_where_the_weights_are_not_its_own(left_alone, trained, tmp_path):
    torch.save({**trained.state_dict(), "fc.weight": torch.ones(1)}, tmp_path / "weights.pt")
    other = network()
    with left_alone(other), pytest.raises(ValueError, match=r"1 unknown \(fc\.weight\)"):
        load_weights(other, tmp_path / "weights.pt")
