"""The training loop: counted in steps, resumable, the same weights however often it was stopped."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch.nn import functional

from skillforge_tiny.answers import Form
from skillforge_tiny.data import IGNORED, Batch, Example, batch_plan, collate

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

CHECKPOINT = "checkpoint.pt"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All that decides the weights. The defaults are those of the weights in this package."""

    form: Form = "text"
    """How the model answers."""

    seed: int = 0
    steps: int = 1_800
    problems: int = 20_000
    """Size of the forge-arith train split."""

    tokens: int = 1_024
    """Tokens per batch, padding included."""

    learning_rate: float = 4e-3
    warmup: int = 50
    """Steps in which the learning rate climbs to its peak; then it follows a cosine down to FINAL_SHARE of it."""

    weight_decay: float = 0.1
    layers: int = 3
    heads: int = 2
    intermediate: int = 384


FINAL_SHARE = 0.02


class Trained(msgspec.Struct, frozen=True):
    """How far a call of `train` came."""

    steps: int
    tokens: int
    """Tokens of all batches so far, padding included."""

    cpu_seconds: float
    """Processor time of these steps, over all calls; steps that a kill threw away are not in it."""


class Trainer:
    """A model on its way: weights, optimizer, and position in the data."""

    def __init__(self, model: LlamaForCausalLM, settings: Settings, examples: Sequence[Example]) -> None:
        self.model = model
        self.settings = settings
        self.examples = examples
        self.optimizers = _optimizers(model, settings)
        self.epoch = 0
        self.position = 0
        self.done = Trained(0, 0, 0.0)

    def train(self, folder: Path, until: int, every: int, report: Callable[[str], None]) -> Trained:
        """Steps up to number `until`, with a checkpoint in `folder` after each `every` of them and at the end."""
        self.model.train()
        batches = self._batches()
        start, base = time.process_time(), self.done
        loss_sum = 0.0
        for step in range(base.steps, min(until, self.settings.steps)):
            batch = next(batches)
            loss_sum += self._step(step, batch)
            cpu = base.cpu_seconds + time.process_time() - start
            self.done = Trained(step + 1, self.done.tokens + batch.input_ids.numel(), cpu)
            if (step + 1) % 100 == 0:
                report(_progress(self.done, self.settings, loss_sum / 100))
                loss_sum = 0.0
            if (step + 1) % every == 0 or step + 1 in (until, self.settings.steps):
                self.save(folder)
        return self.done

    def _batches(self) -> Iterator[Batch]:
        """Batches from the current position on, epoch after epoch; the position moves as each one is handed out."""
        while True:
            plan = batch_plan(self.examples, self.settings.tokens, self.settings.seed, self.epoch)
            while self.position < len(plan):
                self.position += 1
                yield collate(self.examples, plan[self.position - 1])
            self.epoch, self.position = self.epoch + 1, 0

    def _step(self, step: int, batch: Batch) -> float:
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.settings.learning_rate * schedule(step, self.settings)
        loss = completion_loss(self.model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def save(self, folder: Path) -> None:
        """Write the checkpoint; a kill at any moment leaves the one before or the new one."""
        state = {
            "settings": msgspec.to_builtins(self.settings),
            "done": msgspec.to_builtins(self.done),
            "epoch": self.epoch,
            "position": self.position,
            "model": self.model.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "random": torch.get_rng_state(),
        }
        unfinished = folder / (CHECKPOINT + ".part")
        with unfinished.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(folder / CHECKPOINT)

    def restore(self, folder: Path) -> bool:
        """Continue from the checkpoint in `folder`, if there is one. Raises ValueError where it has other settings."""
        path = folder / CHECKPOINT
        if not path.exists():
            return False
        state: dict[str, Any] = torch.load(path, weights_only=True)
        if state["settings"] != msgspec.to_builtins(self.settings):
            raise ValueError(f"{path} was made with other settings ({state['settings']}); use another folder")
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        torch.set_rng_state(state["random"])
        self.epoch, self.position = state["epoch"], state["position"]
        self.done = msgspec.convert(state["done"], Trained)
        return True


def schedule(step: int, settings: Settings) -> float:
    """The learning rate of `step` as a share of its peak."""
    warm = min(1.0, (step + 1) / settings.warmup)
    cosine = 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    return warm * (FINAL_SHARE + (1 - FINAL_SHARE) * cosine)


def completion_loss(model: LlamaForCausalLM, batch: Batch) -> torch.Tensor:
    """Mean cross entropy over the tokens that the model has to write.

    Padding stands on the right, out of sight of every earlier position, so no attention mask is needed.
    """
    hidden = model.model(input_ids=batch.input_ids[:, :-1]).last_hidden_state
    labels = batch.labels[:, 1:]
    counted = labels != IGNORED
    return functional.cross_entropy(model.lm_head(hidden[counted]), labels[counted])


def _optimizers(model: LlamaForCausalLM, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings and norms, with one learning rate for both."""
    matrices: list[torch.nn.Parameter] = []
    rest: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (matrices if parameter.ndim == 2 and "embed" not in name else rest).append(parameter)
    rate, decay = settings.learning_rate, settings.weight_decay
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)]


def _progress(done: Trained, settings: Settings, loss: float) -> str:
    rate = done.tokens / done.cpu_seconds
    return f"step {done.steps}/{settings.steps}  loss {loss:.4f}  cpu {done.cpu_seconds:.0f} s  {rate:.0f} tokens/s"
