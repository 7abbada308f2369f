"""Small networks of every make, images (N, 3, 16, 16) to logits (N, 5): what an ablation must get right."""

from collections import OrderedDict, namedtuple

import torch
from torch import nn
from torch.nn import functional as F

SIDE, CLASSES = 16, 5


def conv(channels_in, channels, stride=1, **options):
    return nn.Conv2d(channels_in, channels, 3, stride, padding=1, **options)


class Head(nn.Module):
    """What the others end with."""

    def __init__(self, channels):
        super().__init__()
        self.linear = nn.Linear(channels, CLASSES)

    def forward(self, maps):
        return self.linear(maps.mean((2, 3)))


class Residual(nn.Module):
    def __init__(self, inplace=True):
        super().__init__()
        self.conv1, self.norm1, self.conv2 = conv(3, 6, bias=False), nn.BatchNorm2d(6), conv(6, 6)
        self.norm2 = nn.GroupNorm(2, 6)
        self.relu, self.head = nn.ReLU(inplace=inplace), Head(6)  # called three times

    def forward(self, x):
        x = self.relu(self.norm1(self.conv1(x)))
        y = self.relu(self.norm2(self.conv2(x)))
        y += x
        return self.head(self.relu(y))


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList([conv(3, 4), conv(7, 4), conv(11, 4)])
        self.norm, self.head = nn.BatchNorm2d(11), Head(15)

    def forward(self, x):
        features = [x]
        for layer in self.convs:
            joined = torch.cat(features, 1)
            features.append(F.relu(layer(self.norm(joined) if joined.shape[1] == 11 else joined), inplace=True))
        return self.head(torch.cat(features, 1))


class Branches(nn.Module):
    """Branches that meet, functional activations of three forms, one that leads nowhere."""

    def __init__(self):
        super().__init__()
        self.stem, self.left, self.right, self.idle = conv(3, 4), conv(4, 4), conv(4, 4), conv(4, 2)
        self.head = Head(8)

    def forward(self, x):
        x = self.stem(x).relu_()
        F.relu(self.idle(x))
        left, right = torch.relu(self.left(x)), self.right(x).relu()
        return self.head(torch.cat([F.max_pool2d(left, 2), F.interpolate(right, scale_factor=0.5)], 1))


class Gated(nn.Module):
    """Squeeze and excitation, written back in place."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = conv(3, 6), nn.SiLU(inplace=True)
        self.squeeze, self.excite, self.gate = nn.Conv2d(6, 2, 1), nn.Conv2d(2, 6, 1), nn.Sigmoid()
        self.inner, self.head = nn.ReLU(), Head(6)

    def forward(self, x):
        x = self.act(self.conv(x))
        gate = self.gate(self.excite(self.inner(self.squeeze(F.adaptive_avg_pool2d(x, 1)))))
        x *= gate
        return self.head(x)


class HandedOn(nn.Module):
    """Identity and Dropout hand on a tensor that others read too."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.identity = conv(3, 4), nn.ReLU(), nn.Identity()
        self.dropout, self.head = nn.Dropout(0.5), Head(4)

    def forward(self, x):
        x = self.relu(self.conv(x))
        return self.head(self.dropout(self.identity(x)) * 2 + x)


Pair = namedtuple("Pair", ["maps", "extra"])


class Several(nn.Module):
    """A module that gives several tensors, and a network that gives its logits first."""

    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = conv(3, 4), conv(3, 2)

        def forward(self, x):
            maps = self.one(x)
            return Pair(maps, {"more": [self.other(x).relu() + maps[:, :2]]})

    def __init__(self):
        super().__init__()
        self.inner, self.head = self.Inner(), Head(6)

    def forward(self, x):
        maps, extra = self.inner(x)
        logits = self.head(torch.cat([F.relu(maps), extra["more"][0]], 1))
        return {"logits": logits, "features": maps}


class Flat(nn.Module):
    """Shapes that follow the number of images, in many ways."""

    def __init__(self):
        super().__init__()
        self.conv, self.one, self.two = conv(3, 4, stride=4), nn.Linear(64, 8), nn.Linear(8, CLASSES)

    def forward(self, x):
        x = F.relu(self.conv(x))
        batch, channels, height, width = x.shape
        x = x.view(batch, channels, height * width).transpose(1, 2).reshape(x.size(0), -1)
        x = F.gelu(self.one(x.view(len(x) * 2, -1).view(batch, -1)))
        return self.two(x.flatten(1)) + torch.zeros(batch, 1) + torch.arange(CLASSES)


class Split(nn.Module):
    """Channels that part and meet again, shuffled; a circular border."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1, padding_mode="circular")
        self.left, self.right, self.head = conv(4, 4, groups=2), nn.PReLU(4), Head(8)

    def forward(self, x):
        left, right = torch.relu(self.conv(x)).chunk(2, dim=1)
        first, second = torch.split(self.left(left), [1, 3], 1)
        x = torch.cat((second, first, self.right(right)), 1)
        batch, channels, height, width = x.size()
        x = x.view(batch, 2, channels // 2, height, width).transpose(1, 2).contiguous()
        return self.head(x.view(batch, -1, height, width).tanh())


class Shared(nn.Module):
    """One convolution called again, and a tensor read long after it was made."""

    def __init__(self):
        super().__init__()
        self.stem, self.conv, self.head = conv(3, 4), conv(4, 4), Head(4)
        self.norm, self.act = nn.InstanceNorm2d(4), nn.ELU()

    def forward(self, x):
        start = x = self.act(self.stem(x))
        for _ in range(3):
            x = self.act(self.norm(self.conv(x)))
        return self.head(x + start)


class Attention(nn.Module):
    """Tokens: a class token that is expanded, positions that are added, attention, the class token read."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.token, self.positions = nn.Parameter(torch.randn(1, 1, 8)), nn.Parameter(torch.randn(1, 17, 8))
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.positions
        return self.head(self.block(x)[:, 0])


def chain():
    """Build a plain chain, Conv-ReLU-BatchNorm."""
    return nn.Sequential(
        OrderedDict(
            conv1=conv(3, 6), relu1=nn.ReLU(), bn1=nn.BatchNorm2d(6),
            conv2=conv(6, 8, stride=2), relu2=nn.ReLU(), bn2=nn.BatchNorm2d(8),
            pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(), fc=nn.Linear(8, CLASSES),
        )
    )  # fmt: skip


class Viewing(nn.Module):
    """Looks at its maps as rows, in the order in which they lie where images are not channels last."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = conv(3, 4), nn.Linear(4 * 4 * 4, CLASSES)

    def forward(self, x):
        x = F.adaptive_max_pool2d(F.relu(self.conv(x)), 4)
        return self.linear(x.view(x.size(0), -1))


SMALL = {
    "chain": chain, "residual": Residual, "dense": Dense, "branches": Branches, "gated": Gated,
    "handed on": HandedOn, "several": Several, "flat": Flat, "split": Split, "shared": Shared, "tokens": Attention,
    "viewing": Viewing,
}  # fmt: skip


# networks that cannot be run again in parts


class Deciding(nn.Module):
    """Decides by the images what to run."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = conv(3, 4), Head(4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        if x.mean() > 1e9:
            x = -x
        return self.head(x)


class Scaled(nn.Module):
    """Takes a number out of a tensor."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = conv(3, 4), Head(4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x / (1 + x.detach().abs().amax().item()))


class Abroad(nn.Module):
    """Leaves torch for NumPy and comes back."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = conv(3, 4), Head(4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(torch.from_numpy(x.detach().numpy() * 2))


class Undercover(nn.Module):
    """Writes through a view into what is read later."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = conv(3, 4), Head(4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        half = x[:, :2]
        half.mul_(3)
        return self.head(x)


class Meeting(nn.Module):
    """Images meet: each is compared with the mean of its batch."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = conv(3, 4), Head(4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x - x.mean(0))


class Brightest(Meeting):
    """Images meet: each is divided by what grows with the largest value of its batch."""

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x / (1 + x.amax()))


class ByLength(nn.Module):
    """Takes a constant by how many images there are."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = conv(3, 4), Head(4)

    def forward(self, x):
        return self.head(F.relu(self.conv(x)) * (1.0 if len(x) > 4 else 0.5))


class BySelection(nn.Module):
    """Takes a constant by how much its batch shows."""

    def __init__(self):
        super().__init__()
        self.conv, self.head = conv(3, 4), Head(4)

    def forward(self, x):
        x = F.relu(self.conv(x))
        return self.head(x * (x[x > 0].numel() / x.numel()))


# what they do with a few images is not what they do with others
REPLAYABLE_IN_APPEARANCE = {"by length": ByLength, "by selection": BySelection}
UNREPLAYABLE = {
    "deciding": Deciding, "scaled": Scaled, "abroad": Abroad, "undercover": Undercover, "meeting": Meeting,
    "brightest": Brightest,
}  # fmt: skip


def built(make, seed=0):
    """Build a network in eval mode, with normalisations that have seen something."""
    torch.manual_seed(seed)
    network = make()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.5)
    return network.eval()
