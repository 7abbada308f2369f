"""A small network that learns in a second, in anybody's Lightning module."""

from contextlib import ExitStack

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from neuroprobe import OrientationPenalty, SelectivityPenalty


def network():
    """Normalisation with statistics and dropout: what a measurement could disturb."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(6, 4, 3, stride=2),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


class Learner(LightningModule):
    def __init__(self):
        super().__init__()
        self.network = network()

    def training_step(self, batch):
        images, labels = batch
        return F.cross_entropy(self.network(images), labels)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1, momentum=0.9)


class Penalised(Learner):
    """Penalties read the passes of training: a measurement in between must not come in their way."""

    def on_fit_start(self):
        how = {"preprocess": None, "input_size": 12, "every": 2}
        self.penalties = ExitStack()
        self.classes = self.penalties.enter_context(SelectivityPenalty(self.network, -1))
        self.orientation = self.penalties.enter_context(OrientationPenalty(self.network, 1, **how))

    def training_step(self, batch):
        return super().training_step(batch) + self.classes(batch[1]) + self.orientation()

    def on_fit_end(self):
        self.penalties.close()


class ItsOwnNetwork(LightningModule):
    """A module that is itself what gives the logits."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Linear(6, 3)

    def forward(self, images):
        return self.head(self.relu(self.conv(images)).mean((2, 3)))

    def training_step(self, batch):
        return F.cross_entropy(self(batch[0]), batch[1])

    def validation_step(self, batch):
        self(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def labelled(count=48, seed=0):
    """Images (count, 3, 12, 12) of three classes, each bright in a channel of its own."""
    labels = torch.arange(count) % 3
    noise = torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(seed))
    return 0.6 * noise + 0.4 * F.one_hot(labels, 3)[:, :, None, None], labels


def fitted(*callbacks, epochs=3, seed=0, learner=Learner, ckpt_path=None, shuffle=True, **options):
    """Train on the CPU with some callbacks; return the module and the trainer."""
    torch.manual_seed(seed)
    module = learner()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    options = {"max_epochs": epochs, "enable_checkpointing": False} | options
    trainer = Trainer(callbacks=list(callbacks), num_sanity_val_steps=0, **quiet, **options)
    images = TensorDataset(*labelled())
    validation = DataLoader(images, 16) if learner is ItsOwnNetwork else None
    trainer.fit(module, DataLoader(images, 16, shuffle=shuffle), validation, ckpt_path=ckpt_path)
    return module, trainer
