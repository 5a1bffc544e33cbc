"""Seeded checkpoints under their published names, so that every network runs the whole way as a user's would."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .harness import families

LAYOUTS: Mapping[str, tuple[str, str]] = {
    "AudioCLIP-Full-Training.pt": ("audio/audioclip", "audioclip_full_training"),
    "cavp_epoch66.ckpt": ("audio/cavp", "cavp_epoch66"),
    "clap-htsat-unfused.bin": ("audio/clap", "clap_htsat_unfused"),
    "i3d_pretrained_400.pt": ("video/i3d", "i3d_pretrained_400"),
    "imagebind_huge.pth": ("video/imagebind_javis", "imagebind_reduced"),  # a small network of the same class
    "music_speech_audioset_epoch_15_esc_89.98.pt": ("audio/laion_clap", "laion_clap_htsat_base"),
    "melception-21-05-10T09-28-40.pt": ("audio/melception", "melception"),
    "Cnn14_16k_mAP=0.438.pth": ("audio/panns", "panns_cnn14_16k"),
    "Cnn14_mAP=0.431.pth": ("audio/panns", "panns_cnn14_32k"),
    "passt-s-f128-p16-s10-ap.476-swa.pt": ("audio/passt", "passt"),
    "sfd_face.pth": ("video/s3fd", "sfd_face"),
    "synchformer_state_dict.pth": ("video/synchformer", "synchformer_state_dict"),
    "syncnet_v2.model": ("video/syncnet", "syncnet_v2"),
    "vggish-10086976.pth": ("audio/vggish", "vggish.json"),
}
"""Published file: the family of goldens whose seeded weights stand for it, and their layout."""

FUSION = "630k-audioset-fusion-best.pt"


def checkpoint(file: str) -> Path:
    """The seeded checkpoint that stands for a published file."""
    family, layout = LAYOUTS[file]
    return families(family)[0].checkpoint(layout)


def fill(folder: Path) -> None:
    """Every file of `LAYOUTS`, CLIP with its initial weights, and a tokenizer of single bytes, in a folder of weights."""
    folder.mkdir(parents=True)
    for file in LAYOUTS:
        (folder / file).symlink_to(checkpoint(file))
    _clip(folder / "ViT-B-32.pt")
    byte_words = [chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or 174 <= b <= 255 else "" for b in range(256)]
    spare = iter(range(256, 512))
    words = ["<s>", "<pad>", "</s>", "<unk>", *(word or chr(next(spare)) for word in byte_words), "<mask>"]
    vocabulary = json.dumps({word: number for number, word in enumerate(words)})
    (folder / "roberta-base-vocab.json").write_text(vocabulary, encoding="utf-8")
    (folder / "roberta-base-merges.txt").write_text("#version: 0.2\n", encoding="utf-8")


def clap_fusion(folder: Path) -> None:
    """LAION's fusion file, of which no layout is at hand: the sound tower as it begins, the text tower of the other file."""
    (folder / FUSION).symlink_to(_clap_fusion())


@functools.cache
def _clap_fusion() -> Path:
    """The file, made once and gone when the tests end."""
    import torch

    from avbench.models.clap import AudioTower, read_laion

    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = AudioTower("tiny", front_end=False).state_dict()
    caption = read_laion(checkpoint("music_speech_audioset_epoch_15_esc_89.98.pt"))
    state |= {key: value for key, value in caption.items() if key.startswith("text_")}
    folder = Path(tempfile.mkdtemp(prefix="avbench-fusion-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}}, folder / FUSION)
    return folder / FUSION


def _clip(path: Path) -> None:
    import torch

    from avbench.torchvision_guard import open_clip

    library = open_clip()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(library.CLIP(**library.get_model_config("ViT-B-32-quickgelu")).state_dict(), path)
