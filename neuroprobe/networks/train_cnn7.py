"""Train the cnn7 that the package ships: ``python -m neuroprobe.networks.train_cnn7 FOLDER --out FILE``.

FOLDER holds CIFAR-10 in ImageFolder layout, ``train/CLASS/*.jpg`` and ``test/CLASS/*.jpg``. The test
photographs are looked at once, after the last epoch. On two CPU cores the 40 epochs take about 15 minutes.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.datasets import ImageFolder
from tqdm import tqdm

from neuroprobe.networks.cnn7 import cnn7

MAX_SHIFT = 3  # pixels: Ukita's 10% of 32


def read_photographs(folder: Path) -> tuple[Tensor, Tensor]:
    """Read an ImageFolder whole: images (N, 3, 32, 32) as uint8, labels (N,)."""
    photographs = ImageFolder(folder)
    images = np.stack([np.asarray(image) for image, _ in tqdm(photographs, desc=folder.name)])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.tensor(photographs.targets)


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Flip half of the images left to right and shift each by up to 3 pixels both ways."""
    count, _, height, width = images.shape
    flipped = torch.rand(count, generator=generator) < 0.5
    images = torch.where(flipped[:, None, None, None], images.flip(3), images)
    padded = F.pad(images, (MAX_SHIFT,) * 4, mode="replicate")
    down, right = torch.randint(0, 2 * MAX_SHIFT + 1, (2, count, 1), generator=generator)
    rows = (torch.arange(height) + down)[:, None, :, None]
    columns = (torch.arange(width) + right)[:, None, None, :]
    return padded[torch.arange(count)[:, None, None, None], torch.arange(3)[:, None, None], rows, columns]


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images whose largest logit is their label's."""
    network.eval()
    hits = [(network(x).argmax(1) == y).sum() for x, y in zip(images.split(500), labels.split(500), strict=True)]
    return float(sum(hits)) / len(labels)


def train(folder: Path, out: Path, *, epochs: int, batch_size: int = 128, lr: float = 2e-3, seed: int = 0) -> None:
    """Train with Adam and a one-cycle learning rate; write the weights and what they reached."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = read_photographs(folder / "train")
    mean = images.double().div(255).mean((0, 2, 3)).float()
    std = images.double().div(255).std((0, 2, 3)).float()

    def normalise(batch: Tensor) -> Tensor:
        return (batch.float() / 255 - mean[:, None, None]) / std[:, None, None]

    network = cnn7().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=1e-2)
    steps = epochs * (len(images) // batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=lr, total_steps=steps)
    for epoch in range(epochs):
        network.train()
        order = torch.randperm(len(images), generator=generator).split(batch_size)[: len(images) // batch_size]
        losses = []
        for chosen in tqdm(order, desc=f"epoch {epoch + 1}/{epochs}", mininterval=5):
            batch = normalise(augment(images[chosen], generator)).to(memory_format=torch.channels_last)
            loss = F.cross_entropy(network(batch), labels[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
        print(f"epoch {epoch + 1}: training loss {torch.stack(losses).mean():.4f}", flush=True)

    test_images, test_labels = read_photographs(folder / "test")
    reached = accuracy(network, normalise(test_images), test_labels)
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    facts = {"mean": mean.tolist(), "std": std.tolist(), "test_accuracy": reached, "epochs": epochs, "seed": seed}
    save_file(weights, out, metadata={name: str(value) for name, value in facts.items()})
    print(facts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="CIFAR-10 in ImageFolder layout, with train/ and test/")
    parser.add_argument("--out", type=Path, default=Path("cnn7.safetensors"))
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    train(arguments.folder, arguments.out, epochs=arguments.epochs)
