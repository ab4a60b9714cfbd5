"""Data-parallel training over devices and hosts, started by ``torchrun``.

Gradients are averaged by one all-reduce per step. The usual wrapper is not used: it hooks the
first backward pass, and the gradient penalty needs a second.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

PATIENCE = timedelta(hours=24)


@dataclass(frozen=True)
class Workers:
    """This process among its peers."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def chief(self) -> bool:
        """The one process that writes."""
        return self.rank == 0

    def share(self, minibatch: int) -> int:
        """This worker's part of a minibatch.

        Raises:
            ValueError: when the minibatch cannot be shared evenly.
        """
        if minibatch % self.world:
            raise ValueError(
                f"minibatch {minibatch} cannot be shared by {self.world} workers; choose a "
                f"multiple of {self.world}"
            )
        return minibatch // self.world

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the workers.

        A parameter that has none (the last size's colours, once the new size is in) has none on
        any worker, and gets none: Adam leaves it alone, as in a run of one worker.
        """
        if self.world == 1:
            return
        parameters = [p for p in parameters if p.grad is not None]
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.world
        start = 0
        for parameter, gradient in zip(parameters, gradients, strict=True):
            part = flat[start : start + gradient.numel()].view_as(gradient)
            start += gradient.numel()
            parameter.grad = part

    def agree(self, flags: Sequence[bool], device: torch.device) -> list[bool]:
        """Each true on every worker when it is true on any.

        Whatever a clock or a signal decides goes through here: workers that take different
        branches wait for each other for ever.
        """
        if self.world == 1:
            return list(flags)
        values = torch.tensor([float(flag) for flag in flags], device=device)
        dist.all_reduce(values, op=dist.ReduceOp.MAX)
        return [value > 0 for value in values.tolist()]

    def mean(self, values: Tensor) -> Tensor:
        """The mean over the workers."""
        if self.world > 1:
            dist.all_reduce(values)
            values = values / self.world
        return values

    def broadcast(self, value: Any) -> Any:
        """The chief's value on every worker."""
        if self.world == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0)
        return box[0]

    def barrier(self) -> None:
        """Wait for every worker."""
        if self.world > 1:
            dist.barrier()

    def leave(self) -> None:
        """Leave the process group."""
        if self.world > 1 and dist.is_initialized():
            dist.destroy_process_group()


def native_precision(device: torch.device) -> Literal["bf16", "fp32"]:
    """bf16 where the device has instructions for it, else fp32."""
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if device.type == "cpu" and torch.backends.mkldnn.is_available():
        # Older versions of torch cannot say; fp32 is right everywhere.
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"):
            return "bf16"
    return "fp32"


def join(device: str = "auto") -> tuple[Workers, torch.device]:
    """This process's place and device: from torchrun's environment, else a lone worker.

    Raises:
        ValueError: when the named device is not there.
    """
    rank = int(os.environ.get("RANK", "0"))
    world = int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    kind = device
    if device == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"device {device}: no CUDA device is there; use cpu or auto")
    chosen = torch.device(f"cuda:{local}" if kind == "cuda" else kind)
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    if world > 1 and not dist.is_initialized():
        # The chief may decode films for hours while the others wait.
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    return Workers(rank, world, local), chosen
