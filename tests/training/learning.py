"""Small networks that learn planted classes, and the states in which a penalty finds them."""

import torch
from torch import nn
from torch.nn import functional as F

SIDE, CLASSES = 8, 3


class Small(nn.Module):
    """A functional activation and a module's; the first layer has values below 0 without its activation."""

    def __init__(self, channels=4, norm=nn.Identity):
        super().__init__()
        self.conv1, self.norm = nn.Conv2d(1, channels, 3, padding=1), norm(channels)
        self.conv2, self.act = nn.Conv2d(channels, 6, 3, stride=2), nn.ReLU(inplace=True)
        self.head = nn.Linear(6, CLASSES)

    def forward(self, x):
        x = F.relu(self.norm(self.conv1(x)))
        return self.head(self.act(self.conv2(x)).mean((2, 3)))


LAYERS = ["/relu:0", "act"]


def small(seed=0, **options):
    torch.manual_seed(seed)
    return Small(**options)


def planted(count=24, seed=0):
    """Return images (count, 1, 8, 8) in [0, 1] with a bright row that depends on the class, and labels."""
    labels = torch.arange(count) % CLASSES
    images = 0.5 * torch.rand(count, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed))
    images[torch.arange(count), :, 2 + 2 * labels] += 0.5
    return images, labels


def trained(model, penalty, steps=40):
    """Learn the planted classes with a penalty in the loss, and return the network."""
    images, labels = planted()
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    with penalty:
        for _ in range(steps):
            optimiser.zero_grad()
            (F.cross_entropy(model(images), labels) + penalty(labels)).backward()
            optimiser.step()
    return model


def gradients(model):
    """Return the gradients of all parameters as one vector."""
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
