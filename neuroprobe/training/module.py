"""How a recipe trains a network, in the terms of Lightning."""

from __future__ import annotations

from contextlib import ExitStack
from math import nan
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from neuroprobe.interrupts import leave, undisturbed
from neuroprobe.training.batches import AugmentedBatches, Batch, PlainBatches
from neuroprobe.training.dials import Dials
from neuroprobe.training.non_finite import not_finite
from neuroprobe.training.optimisation import optimiser, schedule
from neuroprobe.training.plan import Plan, checked_logits
from neuroprobe.training.randomness import Purpose, generator


class Learning(LightningModule):
    """A network that learns photographs by a recipe, with penalties where there are any.

    Attributes:
        network: what learns.
        row: what the last epoch came to, by column.
        test: loss and accuracy, once tested.
    """

    network: nn.Module
    scale: Tensor  # (C,), by which a pixel is normalised
    offset: Tensor
    _loss: Tensor  # of the last step
    _lr: float

    def __init__(self, plan: Plan, dials: Dials, *, seed: int) -> None:
        super().__init__()
        self.network = plan.network.train().to(memory_format=plan.layout)
        self.row: dict[str, float] = {}
        self.test: dict[str, float] = {}
        self.seed = seed
        self._sets, self._recipe, self._layout = plan.sets, plan.recipe, plan.layout
        self._penalties = dials.penalties(self.network)
        self._undo = ExitStack()
        self._sums: dict[str, Tensor] = {}
        self._shown: Tensor | None = None  # the last batch
        self._normalisation = {"mean": list(plan.expected.mean), "std": list(plan.expected.std)}
        mean, std = torch.tensor(plan.expected.mean), torch.tensor(plan.expected.std)
        self.register_buffer("scale", 1 / (std * plan.sets["train"].white), persistent=False)
        self.register_buffer("offset", -mean / std, persistent=False)

    @property
    def validates(self) -> bool:
        """Whether there are photographs to look at after each epoch."""
        return "val" in self._sets

    @property
    def facts(self) -> dict[str, Any]:
        """What is noted beside the weights."""
        reached = {f"test_{name}": value for name, value in self.test.items()}
        return self._normalisation | reached | {"epochs": self._recipe.epochs, "seed": self.seed}

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images (n, H, W, C) as they are kept."""
        self._shown = (images.permute(0, 3, 1, 2) * self.scale[:, None, None] + self.offset[:, None, None]).to(
            self.dtype, memory_format=self._layout
        )
        return checked_logits(self.network(self._shown), self.network, len(self._sets["train"].classes))

    # What Lightning asks for

    def train_dataloader(self) -> AugmentedBatches:
        """Return what is learned."""
        return AugmentedBatches(self._sets["train"], self._recipe, self.seed)

    def val_dataloader(self) -> PlainBatches:
        """Return what is looked at after each epoch."""
        return PlainBatches(self._sets["val"])

    def test_dataloader(self) -> PlainBatches:
        """Return what is looked at once, at the end."""
        return PlainBatches(self._sets["test"])

    def configure_optimizers(self) -> Any:
        """Return the optimiser, and the schedule by which each step has its learning rate."""
        optimises = optimiser(self.network, self._recipe)
        scheduler = schedule(optimises, self._recipe, steps=int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimises, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def training_step(self, batch: Batch, _number: int) -> Tensor:
        """Return the loss of a batch, penalties included."""
        images, labels = batch
        loss = F.cross_entropy(self(images), labels)
        self._add("train_loss", loss * len(labels), len(labels))
        for penalty in self._penalties:
            loss = loss + penalty(labels)
            self._add(penalty.index, getattr(penalty, penalty.index))
        self._loss = loss.detach()
        return loss

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Stop where the step would spoil the weights."""
        self._lr = optimizer.param_groups[0]["lr"]
        check = self._loss
        if getattr(self.trainer.precision_plugin, "scaler", None) is None:  # else steps that overflow are left out
            gradients = [parameter.grad for parameter in self.network.parameters() if parameter.grad is not None]
            check = check + torch.stack(torch._foreach_norm(gradients)).sum()  # noqa: SLF001
        self._refuse_non_finite(check, "the loss or its gradient")

    def validation_step(self, batch: Batch, _number: int) -> None:
        """Look at photographs that are held out."""
        self._look("val", *batch)

    def test_step(self, batch: Batch, _number: int) -> None:  # noqa: PT019 - no test
        """Look at the test photographs."""
        self._look("test", *batch)

    def on_fit_start(self) -> None:
        """Let the penalties read the network."""
        with undisturbed():
            for penalty in self._penalties:
                self._undo.enter_context(penalty)

    def leave(self) -> None:
        """Let the penalties go, also where Lightning was stopped."""
        leave(self._undo)

    def on_train_epoch_start(self) -> None:
        """Draw what the network itself draws by the epoch, whatever came before."""
        epoch = self.current_epoch
        draws = generator(Purpose.NETWORK, self.seed, epoch, self.global_rank)
        torch.manual_seed(draws.initial_seed())
        for penalty in self._penalties:
            penalty.set_epoch(epoch)

    def on_validation_epoch_end(self) -> None:
        """Tell Lightning's early stopping."""
        self.log("val_loss", self._mean("val_loss"))

    def on_train_epoch_end(self) -> None:
        """Sum the epoch up."""
        self.row = {name: self._mean(name) for name in ("train_loss", "val_loss", "val_accuracy", "si", "gosi")}
        self.row |= {"alpha": self._strength("si"), "orientation_alpha": self._strength("gosi"), "lr": self._lr}
        self._sums.clear()

    def _strength(self, index: str) -> float:
        """Return how strongly an index is pushed in this epoch."""
        return next((penalty.alpha for penalty in self._penalties if penalty.index == index), 0.0)

    def on_test_epoch_end(self) -> None:
        """Keep what was reached."""
        self.test = {name: self._mean(f"test_{name}") for name in ("loss", "accuracy")}

    # Means over an epoch

    def _look(self, name: str, images: Tensor, labels: Tensor) -> None:
        logits = self(images)
        losses = F.cross_entropy(logits, labels, reduction="none")
        self._refuse_non_finite(losses.sum(), f"the loss of the {name} photographs")
        self._add(f"{name}_loss", losses.sum(), len(labels))
        self._add(f"{name}_accuracy", (logits.argmax(1) == labels).sum(), len(labels))

    def _add(self, name: str, total: Tensor, weight: int = 1) -> None:
        """Count a total into a mean, without waiting for the device."""
        counted = torch.stack([total.detach().float(), torch.full_like(total, weight, dtype=torch.float)])
        counted = counted.where(~total.isnan(), 0)  # a batch of one class has no si
        self._sums[name] = self._sums[name] + counted if name in self._sums else counted

    def _mean(self, name: str) -> float:
        """Return a mean over all processes; NaN where nothing was counted."""
        if name not in self._sums:
            return nan
        total, weight = self.trainer.strategy.reduce(self._sums[name], reduce_op="sum").tolist()
        return total / weight if weight else nan

    def _refuse_non_finite(self, value: Tensor, what: str) -> None:
        if torch.isfinite(value) or self._shown is None:
            return
        with self.trainer.precision_plugin.forward_context():
            where = not_finite(self.network, self._shown) or "the loss itself, or a penalty,"
        raise RuntimeError(
            f"{what} is {float(value)} in epoch {self.current_epoch + 1}, step {self.global_step + 1}: {where} is the "
            "first that is not finite. Begin another training, in a folder of its own, with a lower learning rate or "
            "alpha; or look at the data"
        )
