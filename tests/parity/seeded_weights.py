"""Make a deterministic state dict from a checkpoint layout and a seed.

A layout is JSON: either a list of entries or an object with the list under
"entries".  One entry is

    {"key": "conv1.weight", "shape": [64, 3, 7, 7], "dtype": "float32", "init": "fan_in"}

"init" names how the values are drawn; options of a kind ride along in the same
entry ("gain", "scale", "value", "lo", "hi", "offset"):

    fan_in    normal, std = gain / sqrt(prod(shape[1:]));  gain 1.0
    fan_out   normal, std = gain / sqrt(shape[0] * prod(shape[2:])); for transposed layouts
    normal    normal, std = scale (0.02), mean = offset (0.0)
    gamma     1 + scale * normal (scale 0.1): a norm layer's weight
    bias      scale * normal (scale 0.02)
    mean      scale * normal (scale 0.1): a running mean
    var       uniform(lo, hi) (0.5, 1.5): a running variance
    uniform   uniform(lo, hi) (-1, 1)
    zeros, ones
    const     value
    counter   integer, value (1000): e.g. num_batches_tracked
    arange    0, 1, 2, ... in the given shape
    causal_mask  square matrix, 0 on and below the diagonal, -inf above, broadcast to shape
    stft_basis   (n_fft/2+1, 1, n_fft): row k is cos (part "real") or -sin ("imag") of
                 2 pi k n / n_fft times the periodic Hann window: an STFT as a convolution
    mel_slaney   (n_fft/2+1, n_mels): Slaney mel filters, area-normalised; options
                 sr, n_fft, n_mels, fmin, fmax
    hann         periodic Hann window
    blackmanharris  periodic four-term Blackman-Harris window
    swin_shift_mask  0 / -100 mask of a shifted square window; options size, window, shift
    swin_index   relative position index of a square attention window, option window
    skip      the key is left out: the loader computes it (or the entry is only listed)

Each key has its own generator, numpy.random.Generator(PCG64(seed + crc32(key))),
so a key's values depend on the seed, its name and its shape only: not on the
order of the entries, nor on which other keys are in the layout.  Values are drawn
in float64 and then cast.

    python seeded_weights.py LAYOUT.json SEED OUT.pt     # write a checkpoint
    python seeded_weights.py LAYOUT.json SEED            # print its fingerprint
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

from __future__ import annotations

import hashlib
import json
import math
import sys
import zlib
from pathlib import Path

import numpy as np


def load_layout(source):
    """Entries of a layout given as a path, a list or an object with "entries"."""
    if isinstance(source, (str, bytes)) or hasattr(source, "__fspath__"):
        with Path(source).open(encoding="utf-8") as handle:
            source = json.load(handle)
    return list(source["entries"] if isinstance(source, dict) else source)


def _hann(size):
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size)


def _stft_basis(entry, shape):
    bins, _, size = shape
    # k * n is reduced modulo size in integers: cos and sin then see small arguments only
    angle = 2.0 * np.pi * (np.outer(np.arange(bins), np.arange(size)) % size) / size
    wave = np.cos(angle) if entry["part"] == "real" else -np.sin(angle)
    return (wave * _hann(size))[:, None, :]


def _mel_slaney(entry, shape):
    def to_mel(hertz):
        hertz = np.asarray(hertz, dtype=np.float64)
        linear = hertz / (200.0 / 3.0)
        log = 15.0 + np.log(np.maximum(hertz, 1e-30) / 1000.0) / (np.log(6.4) / 27.0)
        return np.where(hertz >= 1000.0, log, linear)

    def to_hertz(mel):
        mel = np.asarray(mel, dtype=np.float64)
        return np.where(mel >= 15.0, 1000.0 * np.exp((np.log(6.4) / 27.0) * (mel - 15.0)), mel * (200.0 / 3.0))

    sr, n_fft, n_mels = entry["sr"], entry["n_fft"], entry["n_mels"]
    bins = np.arange(n_fft // 2 + 1) * (sr / n_fft)
    edges = to_hertz(np.linspace(to_mel(entry["fmin"]), to_mel(entry["fmax"]), n_mels + 2))
    rise = (bins[:, None] - edges[None, :-2]) / np.diff(edges)[None, :-1]
    fall = (edges[None, 2:] - bins[:, None]) / np.diff(edges)[None, 1:]
    return np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (edges[2:] - edges[:-2]))[None, :]


def _swin_index(entry, shape):
    size = entry["window"]
    rows, cols = (axis.reshape(-1) for axis in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    row_gap = rows[:, None] - rows[None, :] + size - 1
    col_gap = cols[:, None] - cols[None, :] + size - 1
    return row_gap * (2 * size - 1) + col_gap


def _blackmanharris(size):
    angle = 2.0 * np.pi * np.arange(size) / size
    terms = (0.35875, -0.48829, 0.14128, -0.01168)
    return sum(term * np.cos(order * angle) for order, term in enumerate(terms))


def _swin_shift_mask(entry, shape):
    size, window, shift = entry["size"], entry["window"], entry["shift"]
    band = np.zeros(size, dtype=np.int64)
    band[size - window :] = 1
    band[size - shift :] = 2
    region = band[:, None] * 3 + band[None, :]
    steps = size // window
    tiles = region.reshape(steps, window, steps, window).transpose(0, 2, 1, 3).reshape(steps * steps, window * window)
    return np.where(tiles[:, :, None] == tiles[:, None, :], 0.0, -100.0)


_COMPUTED = {
    "swin_shift_mask": _swin_shift_mask,
    "blackmanharris": lambda entry, shape: _blackmanharris(shape[0]),
    "stft_basis": _stft_basis,
    "mel_slaney": _mel_slaney,
    "hann": lambda entry, shape: _hann(shape[0]),
    "swin_index": _swin_index,
}


def seeded_array(entry, seed):
    """The values of one entry as a numpy array (None for init "skip")."""
    key, shape = entry["key"], tuple(int(n) for n in entry["shape"])
    kind = entry.get("init", "fan_in")
    get = entry.get
    rng = np.random.Generator(np.random.PCG64(seed + zlib.crc32(key.encode("utf-8"))))
    if kind == "skip":
        return None
    if kind == "fan_in":
        fan = max(1, math.prod(shape[1:])) if len(shape) > 1 else max(1, math.prod(shape))
        out = rng.standard_normal(shape) * (get("gain", 1.0) / math.sqrt(fan))
    elif kind == "fan_out":
        fan = max(1, shape[0] * math.prod(shape[2:])) if shape else 1
        out = rng.standard_normal(shape) * (get("gain", 1.0) / math.sqrt(fan))
    elif kind == "normal":
        out = rng.standard_normal(shape) * get("scale", 0.02) + get("offset", 0.0)
    elif kind == "gamma":
        out = 1.0 + get("scale", 0.1) * rng.standard_normal(shape)
    elif kind == "bias":
        out = get("scale", 0.02) * rng.standard_normal(shape)
    elif kind == "mean":
        out = get("scale", 0.1) * rng.standard_normal(shape)
    elif kind == "var":
        out = rng.uniform(get("lo", 0.5), get("hi", 1.5), shape)
    elif kind == "uniform":
        out = rng.uniform(get("lo", -1.0), get("hi", 1.0), shape)
    elif kind == "zeros":
        out = np.zeros(shape)
    elif kind == "ones":
        out = np.ones(shape)
    elif kind == "const":
        out = np.full(shape, get("value"), dtype=np.float64)
    elif kind == "counter":
        out = np.full(shape, int(get("value", 1000)), dtype=np.int64)
    elif kind == "arange":
        out = np.arange(math.prod(shape), dtype=np.int64).reshape(shape)
    elif kind == "causal_mask":
        size = shape[-1]
        above = np.triu(np.ones((size, size), dtype=bool), 1)
        out = np.broadcast_to(np.where(above, -np.inf, 0.0), shape)
    elif kind in _COMPUTED:
        out = _COMPUTED[kind](entry, shape)
    else:
        raise ValueError(f"{key}: unknown init {kind!r}")
    return np.ascontiguousarray(out).astype(np.dtype(entry.get("dtype", "float32"))).reshape(shape)


def seeded_arrays(layout, seed):
    """Ordered {key: numpy array} of a layout."""
    out = {}
    for entry in load_layout(layout):
        value = seeded_array(entry, seed)
        if value is not None:
            out[entry["key"]] = value
    return out


def seeded_state_dict(layout, seed):
    """Ordered {key: torch tensor} of a layout."""
    import torch

    return {key: torch.from_numpy(value.copy()) for key, value in seeded_arrays(layout, seed).items()}


def fingerprint(layout, seed):
    """sha256 over keys, shapes, dtypes and values: equal here means equal weights."""
    digest = hashlib.sha256()
    for entry in sorted(load_layout(layout), key=lambda item: item["key"]):
        value = seeded_array(entry, seed)
        if value is None:
            continue
        digest.update(f"{entry['key']}|{list(value.shape)}|{value.dtype}|".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


def main(argv):
    layout, seed = argv[0], int(argv[1])
    if len(argv) > 2:
        import torch

        with Path(layout).open(encoding="utf-8") as handle:
            nested = json.load(handle)
        state = seeded_state_dict(layout, seed)
        wrap = nested.get("wrap") if isinstance(nested, dict) else None
        torch.save({wrap: state} if wrap else state, argv[2])
    print(fingerprint(layout, seed))


if __name__ == "__main__":
    main(sys.argv[1:])
