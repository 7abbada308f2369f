"""The small CIFAR-10 network of Ukita (2020): six convolutions and one hidden linear layer."""

from collections import OrderedDict

from torch import nn

# (channels, stride) of the six 3x3 convolutions, none of them padded
_CONVOLUTIONS = ((32, 1), (32, 2), (64, 1), (64, 2), (128, 1), (128, 2))
_HIDDEN = 512


def cnn7(num_classes: int = 10) -> nn.Sequential:
    """Build the seven-layer network of Ukita (2020), every layer in the order Conv-ReLU-BatchNorm.

    Images are (N, 3, 32, 32); the maps shrink to 30, 14, 12, 5, 3 and 1 pixels. Responses are read
    at ``relu1`` ... ``relu7`` (960 units).

    Example:
        >>> import torch
        >>> cnn7().eval()(torch.zeros(1, 3, 32, 32)).shape
        torch.Size([1, 10])

    Source: Ukita, Neural Networks 125 (2020) 185-193, the network for CIFAR-10.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for number, (width, stride) in enumerate(_CONVOLUTIONS, start=1):
        modules[f"conv{number}"] = nn.Conv2d(channels, width, kernel_size=3, stride=stride)
        modules[f"relu{number}"] = nn.ReLU()
        modules[f"bn{number}"] = nn.BatchNorm2d(width)
        channels = width
    modules["flatten"] = nn.Flatten()
    modules["fc1"] = nn.Linear(channels, _HIDDEN)
    modules["relu7"] = nn.ReLU()
    modules["bn7"] = nn.BatchNorm1d(_HIDDEN)
    modules["fc2"] = nn.Linear(_HIDDEN, num_classes)
    return nn.Sequential(modules)
