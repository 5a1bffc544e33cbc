"""Networks: prepared tensors of many clips in batches on the device."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from avbench.errors import AvbenchError, BadParameter
from avbench.options import Options, Precision, Wanted
from avbench.types import Array, Forward

_BUFFERED_BYTES = 512 * 2**20


class Batches:
    """Prepared tensors of one extractor, waiting for a full batch of their shape."""

    def __init__(self, want: Wanted, options: Options, size: int) -> None:
        self.want, self.options, self.size = want, options, size
        self.network = want.network
        self.waiting: dict[str, list[tuple[int, dict[str, Array]]]] = {}
        self.held = 0
        self.forward: Forward | None = None
        self.device = ""

    def add(self, index: int, prepared: dict[str, Array]) -> Iterator[tuple[int, dict[str, Array]]]:
        """One clip's tensors; yields the features that are ready."""
        if not self.network:
            yield index, prepared
            return
        shape = repr(sorted((k, v.shape, str(v.dtype)) for k, v in prepared.items()))
        group = self.waiting.setdefault(shape, [])
        group.append((index, prepared))
        self.held += sum(v.nbytes for v in prepared.values())
        if len(group) == self.size:
            yield from self._run(self.waiting.pop(shape))
        while self.held > _BUFFERED_BYTES:
            largest = max(self.waiting, key=lambda s: len(self.waiting[s]))
            yield from self._run(self.waiting.pop(largest))

    def finish(self) -> Iterator[tuple[int, dict[str, Array]]]:
        """Run what is left."""
        for shape in sorted(self.waiting):
            yield from self._run(self.waiting.pop(shape))
        self.forward = None

    def _run(self, group: list[tuple[int, dict[str, Array]]]) -> Iterator[tuple[int, dict[str, Array]]]:
        if self.forward is None:
            self.device = choose_device(self.options.device, self.want.precision)
            self.forward = self.want.extractor.load(self.want.weights, self.device)
        rows = [prepared for _, prepared in group]
        self.held -= sum(v.nbytes for row in rows for v in row.values())
        outputs = self._batch(rows, self.size)
        for row, (index, _) in enumerate(group):
            yield index, {layer: value[row] for layer, value in outputs.items()}

    def _batch(self, rows: list[dict[str, Array]], size: int) -> dict[str, Array]:
        """Features of these rows in batches of exactly `size`, halved as long as the device runs out of memory."""
        import torch

        parts: list[dict[str, Array]] = []
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            filled = part + [part[-1]] * (size - len(part))
            batch = {k: torch.from_numpy(np.stack([row[k] for row in filled])).to(self.device) for k in filled[0]}
            try:
                with torch.inference_mode(), arithmetic(self.want.precision, self.device):
                    made = self.forward(batch) if self.forward is not None else {}
            except torch.OutOfMemoryError:
                if size == 1:
                    raise AvbenchError(
                        f"{self.want.extractor.label}: {self.device} runs out of memory with one clip; use --device cpu"
                    ) from None
                return self._batch(rows, max(1, size // 2))
            parts.append({k: _array(v)[: len(part)] for k, v in made.items()})
        return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def _array(tensor: Any) -> Array:
    """A layer; bfloat16, which NumPy does not have, as float32."""
    import torch

    tensor = tensor.detach()
    return np.asarray((tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor).cpu().numpy())


@contextlib.contextmanager
def arithmetic(precision: Precision, device: str) -> Iterator[None]:
    """Networks inside compute as asked for, whatever the process has set; torch's own default rounds CUDA's convolutions.

    Args:
        precision: See `options.Precision`.
        device: Where they run.
    """
    import torch

    backends: Any = torch.backends
    settings = [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]
    settings += [backends.mkldnn.matmul, backends.mkldnn.conv, backends.mkldnn.rnn]
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "tf32" if precision == "tf32" and setting in settings[:3] else "ieee"
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16"):
            yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


def choose_device(device: str, precision: Precision = "float32") -> str:
    """`auto` is CUDA, then Apple's, then the CPU; anything else is checked and kept.

    Raises:
        BadParameter: if torch does not have it, or it does not have the precision.
    """
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if precision == "tf32" and not device.startswith("cuda"):
        raise BadParameter(f"precision tf32 is CUDA's and device is {device}; use float32 or bf16")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadParameter(
            f"device '{device}': {str(error).splitlines()[0]}; `avbench doctor` lists what works here"
        ) from error
    return device
