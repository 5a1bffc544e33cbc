"""The runner scripts of published models, each in a process of its own against a stand-in of the code that it drives.

A stand-in (`tests/stand_ins/<model>.txt`) has the published names and parameters and nothing of what they do: it writes down
how it was called and gives a small clip. A name or parameter that the published code lacks is an error here as it is there.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import wave
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avbench import content, encode

BASELINES = content.folder("baselines")
STAND_INS = Path(__file__).parents[1] / "stand_ins"
FFMPEG = """#!{python} -IS
import json, os, shutil, sys
asked = sys.argv[1:]
with open(os.environ["STAND_IN_LOG"], "a") as log:
    log.write(json.dumps(["ffmpeg", {{"arguments": [a.rsplit("/", 1)[1] if a[0] == "/" else a for a in asked]}}]) + "\\n")
sys.stdin.buffer.read()
sys.stderr.write("  Duration: 00:00:" + os.environ["STAND_IN_SECONDS"] + ", start: 0.000000\\n")
if asked[-1] != "-":
    shutil.copyfile(os.environ["STAND_IN_" + asked[-1].rsplit(".", 1)[1].upper()], asked[-1])
"""


@dataclass
class Said:
    """What a worker answered, and how the stand-in was called."""

    hello: dict[str, Any]
    messages: list[dict[str, Any]]
    calls: list[tuple[str, dict[str, Any]]]
    log: str

    @property
    def results(self) -> list[dict[str, Any]]:
        return [m for m in self.messages if m["type"] == "result"]

    def named(self, name: str) -> list[dict[str, Any]]:
        return [said for called, said in self.calls if called == name]

    def one(self, name: str) -> dict[str, Any]:
        found = self.named(name)
        assert len(found) == 1, f"{name} was called {len(found)} times: {self.calls}"
        return found[0]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A clip, a sound and a picture of 2 s, and a program in the place of ffmpeg."""
    folder = tmp_path_factory.mktemp("runner-files")
    frames = np.zeros((8, 32, 48, 3), dtype=np.uint8)
    frames[:, :16] = np.arange(8, dtype=np.uint8)[:, None, None, None] * 30
    encode.write_frames(folder / "clip.mp4", frames, frame_rate=4.0)
    with wave.open(str(folder / "sound.wav"), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        out.writeframes(b"\1\0" * 32000)
    from PIL import Image

    Image.fromarray(frames[4]).save(folder / "picture.png")
    (folder / "bin").mkdir()
    program = folder / "bin" / "ffmpeg"
    program.write_text(FFMPEG.format(python=sys.executable), encoding="utf-8")
    program.chmod(0o755)
    return {
        "video": folder / "clip.mp4",
        "audio": folder / "sound.wav",
        "first_frame": folder / "picture.png",
        "bin": program.parent,
    }


def unpacked(model: str, into: Path) -> Path:
    """The stand-in of a model as a checkout; what all share lies beside it."""
    for name in ("common", model):
        for part in re.split(r"(?m)^=== ", (STAND_INS / f"{name}.txt").read_text(encoding="utf-8"))[1:]:
            path, _, text = part.partition("\n")
            target = into / ("shared" if name == "common" else "checkout") / path.strip()
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    (into / "checkout").mkdir(exist_ok=True)
    return into / "checkout"


@pytest.fixture
def talk(files: dict[str, Path], tmp_path: Path) -> Callable[..., Said]:
    """`talk(model, conditions of each item, options)`: a worker from hello to bye."""

    def talk(
        model: str, items: list[dict[str, Any]], seconds: str = "02.00", seeds: tuple[int, ...] = (), **options: Any
    ) -> Said:
        place = tmp_path / f"talk-{len(list(tmp_path.iterdir()))}"
        checkout = unpacked(model, place)
        out = place / "out"
        out.mkdir()
        environment = {
            "PATH": f"{files['bin']}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(BASELINES), str(place / "shared")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            f"{model.upper().replace('-', '_')}_HOME": str(checkout),
            "STAND_IN_LOG": str(place / "log.jsonl"),
            "STAND_IN_CLIP": str(files["video"]),
            "STAND_IN_MP4": str(files["video"]),
            "STAND_IN_WAV": str(files["audio"]),
            "STAND_IN_PNG": str(files["first_frame"]),
            "STAND_IN_SECONDS": seconds,
        }
        messages: list[dict[str, Any]] = [{"type": "configure", "out": str(out), "options": options}]
        for number, conditions in enumerate(items):
            cond = {
                k: str(files["first_frame" if k == "reference_image" else k]) if v is None else v for k, v in conditions.items()
            }
            seed = seeds[number] if seeds else 7 + number
            messages.append(
                {"type": "item", "id": f"item {number}", "index": 0, "seed": seed, "cond": cond, "target": {"seconds": 2.0}}
            )
        messages.append({"type": "end"})
        done = subprocess.run(
            [sys.executable, str(BASELINES / model / "runner.py")],
            input="".join(json.dumps(m) + "\n" for m in messages),
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert answers[0]["type"] == "hello", done.stderr
        log = place / "log.jsonl"
        calls = [tuple(json.loads(line)) for line in log.read_text().splitlines()] if log.is_file() else []
        return Said(answers[0], answers[1:], calls, done.stderr)

    return talk


@dataclass(frozen=True)
class Case:
    """One model: what an item gives, what comes back, and the published settings that must arrive."""

    conditions: dict[str, Any]
    streams: tuple[str, ...]
    rate: int = 16000
    seconds: float = 2.0
    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    once: tuple[str, ...] = ()
    """Called once for two items: loading."""


CASES = {
    "foleycrafter": Case(
        {"video": None, "audio_caption": "a dog barks"},
        ("audio",),
        calls={
            "run_inference": {
                "prompt": "a dog barks",
                "nprompt": "",
                "semantic_scale": 1.0,
                "temporal_scale": 0.2,
                "seed": 7,
                "models": ["pipe", "vocoder", "time_detector"],
                "input_list": ["clip.mp4"],
            },
        },
        meta={"looped_input": 10.0, "prompt": "a dog barks"},
        once=("build_models", "CLIPVisionModelWithProjection.from_pretrained"),
    ),
    "mmaudio": Case(
        {"video": None, "audio_caption": "a dog barks"},
        ("audio",),
        rate=44100,
        calls={
            "generate": {"seen": True, "text": ["a dog barks"], "negative_text": [""], "cfg_strength": 4.5},
            "update_seq_lengths": {"latent_seq_len": 345, "clip_seq_len": 64, "sync_seq_len": 192},
            "load_video": {"duration_sec": 8.0},
            "FlowMatching": {"inference_mode": "euler", "num_steps": 25},
        },
        meta={"looped_input": 8.0, "variant": "large_44k_v2"},
        once=("FlowMatching", "torch.load"),
    ),
    "diff-foley": Case(
        {"video": None},
        ("audio",),
        calls={
            "Extract_CAVP_Features": {"fps": 4, "batch_size": 40, "ckpt_path": "diff_foley_ckpt/cavp_epoch66.ckpt"},
            "extract": {"truncate_second": 8.2, "blank": False},
            "sample_double": {
                "batch_size": 1,
                "sampler_name": "DPM_Solver",
                "ddim_steps": 25,
                "scale": 4.5,
                "classifier_guide_scale": 50.0,
                "tokens": 32,
                "kwargs": [],
            },
        },
        meta={"guidance": "double", "looped_input": 8.2},
        once=("Extract_CAVP_Features",),
    ),
    "seeing-and-hearing": Case(
        {"video": None, "audio_caption": "a dog barks"},
        ("audio",),
        calls={
            "only_prepare_latents": {"prompt": "a dog barks", "audio_length_in_s": 2},
            "bind_forward_double_loss": {
                "prompt": "a dog barks",
                "steps": 30,
                "clips_per_video": 2,
                "clip_duration": 1,
                "videos": 1,
                "latents": "latents",
            },
        },
        meta={"prompt_by": "item"},
        once=("imagebind_huge", "AudioLDMPipeline.from_pretrained"),
    ),
    "im2wav": Case(
        {"first_frame": None},
        ("audio",),
        seconds=4.096,
        calls={
            "multi_level_sample_window": {
                "levels": ["up.tar", "low.tar"],
                "y": [1, 515],
                "y_video": [1, 1, 515],
                "n_samples": 1,
                "cfg_s": 3.0,
                "total": 65536,
                "device": "cpu",
            },
            "clip.load": {"name": "ViT-B/32"},
        },
        once=("clip.load", "get_model_from_checkpoint"),
    ),
    "avsyncd": Case(
        {"first_frame": None, "audio": None, "category": "dog_barking"},
        ("video",),
        calls={
            "generate_videos": {"category": "", "known": True, "clips": 1, "audio_guidance_scale": 4.0, "seed": 7},
            "AudioCondAnimationPipeline": {"null_text_encodings_path": "./pretrained/openai-clip-l_null_text_encoding.pt"},
        },
        meta={"label": "dog barking", "label_seen_in_training": True, "n_frames": 12, "fps": 6},
        once=("AudioCondAnimationPipeline",),
    ),
    "codi": Case(
        {"first_frame": None, "text": "a dog barks"},
        ("video", "audio"),
        calls={
            "inference": {
                "xtype": ["video", "audio"],
                "condition_types": ["image"],
                "sizes": [[48, 32]],
                "image_size": 256,
                "ddim_steps": 50,
                "scale": 7.5,
                "num_frames": 8,
            },
        },
        meta={"conditions": "image", "n_frames": 8, "fps": 4.0},
        once=("model_module",),
    ),
    "javisdit": Case(
        {"text": "A DOG barks"},
        ("video", "audio"),
        seconds=4.25,
        calls={
            "multimodal_sample": {
                "prompts": ["a dog barks aesthetic score: 6.5."],
                "video": [1, 4, 25, 30, 53],
                "prior": True,
                "neg_prompts": None,
                "y_embedder": "null text",
            },
            "save_sample": {"fps": 24, "audio_fps": 16000, "shape": [3, 102, 24, 42]},
            "apply_va_mask_strategy": {"align": 5, "v2a_t_scale": round(1 / 5 * 17 / 24 / (10.24 / 1024) / 4, 6)},
            "read_config": {"config_path": "configs/javisdit-v0-1/inference/sample_240p4s.py"},
        },
        meta={"n_frames": 102, "fps": 24, "height": 240, "width": 426, "nfe": 60, "cfg_scale": 7.0, "version": "v0.1"},
        once=("read_config",),
    ),
    "ovi": Case(
        {"text": "a man", "first_frame": None, "transcript": [{"text": "hello"}], "audio_caption": "wind"},
        ("video", "audio"),
        seconds=5.0,
        calls={
            "generate": {
                "text_prompt": "a man <S>hello<E> Audio: wind",
                "video_frame_height_width": [720, 720],
                "seed": 7,
                "solver_name": "unipc",
                "sample_steps": 50,
                "shift": 5.0,
                "video_guidance_scale": 4.0,
                "audio_guidance_scale": 3.0,
                "slg_layer": 11,
            },
            "OviFusionEngine": {"model_name": "720x720_5s", "mode": "i2v", "ckpt_dir": "./ckpts", "fp8": False},
            "save_video": {"sample_rate": 16000, "fps": 24},
        },
        meta={"n_frames": 121, "first_frame": True},
        once=("OviFusionEngine", "initialize_sequence_parallel_state"),
    ),
    "universe-1": Case(
        {"reference_image": None, "text": "a man", "transcript": "hello", "audio_caption": "wind"},
        ("video", "audio"),
        seconds=5.0,
        calls={
            "pipeline": {
                "height": 480,
                "width": 768,
                "num_frames": 125,
                "steps": 35,
                "vid": 1.2,
                "aud": 5.0,
                "speech": [[261, 5, 2]],
                "scene": [1, 512, 8],
                "kept": 24.0,
            },
            "export_to_video": {"frames": 125, "fps": 25},
            "MusicDCAE": {"source": 16000, "target": 25600},
        },
        meta={"picture": "reference_image", "speech": True},
        once=("initialize_distributed", "MusicDCAE", "enable_model_cpu_offload"),
    ),
    "mm-diffusion": Case(
        {},
        ("video", "audio"),
        seconds=1.6,
        calls={
            "sample": {
                "video": [1, 16, 3, 64, 64],
                "audio": [1, 1, 25600],
                "steps": 20,
                "order": 3,
                "skip_type": "logSNR",
                "method": "singlestep",
            },
            "ddim_sample_loop": {
                "shape": [16, 3, 256, 256],
                "noise": [16, 3, 256, 256],
                "low_res": [16, 3, 64, 64],
                "same": True,
            },
            "save_multimodal": {"video": [16, 256, 256, 3], "dtype": "uint8", "video_fps": 10, "audio_fps": 16000},
            "create_model_and_diffusion": {"video_size": [16, 3, 64, 64], "num_head_channels": 64, "use_fp16": True},
            "image_sr_create_model_and_diffusion": {"sr_num_channels": 192, "sr_timestep_respacing": "ddim25"},
        },
        once=("create_model_and_diffusion", "image_sr_create_model_and_diffusion"),
    ),
}


@pytest.mark.parametrize("model", CASES)
def test_a_runner_makes_what_it_promises_with_the_published_settings(model: str, talk: Callable[..., Said]) -> None:
    case = CASES[model]
    said = talk(model, [case.conditions, case.conditions, case.conditions], seeds=(7, 8, 7), **case.options)
    assert said.hello["card"]["name"] == model
    assert [m["type"] for m in said.messages] == ["ready", "result", "result", "result", "bye"], said.log
    first, other, again = said.results
    for result in said.results:
        assert result["status"] == "ok", (result, said.log)
        for stream in ("video", "audio"):
            assert (stream in result) == (stream in case.streams)
    for name, wanted in case.calls.items():
        called = said.named(name)[0]
        assert {key: called[key] for key in wanted} == wanted
    assert {key: first["meta"].get(key) for key in case.meta} == case.meta
    for name in case.once:
        assert len({json.dumps(c) for c in said.named(name)}) == len(said.named(name)), f"{name} was called again with the same"
    if "video" in case.streams:
        assert Path(first["video"]).suffix == ".mp4"
        assert Path(first["video"]).stat().st_size > 0
    if "audio" in case.streams:
        with wave.open(first["audio"], "rb") as sound:
            assert sound.getframerate() == case.rate
            assert sound.getsampwidth() == 2
            assert sound.getnframes() == round(case.seconds * case.rate) == first["meta"]["audio_samples"]
        sounds = [Path(r["audio"]).read_bytes() for r in (first, other, again)]
        assert sounds[0] == sounds[2], "the same seed gives the same sound"
        assert sounds[0] != sounds[1], "another seed gives another"


def test_every_runner_has_a_case() -> None:
    assert {p.parent.name for p in BASELINES.glob("*/runner.py")} == {*CASES, "qwen-vl"}


def test_a_captioner_answers_with_text(talk: Callable[..., Said]) -> None:
    said = talk("qwen-vl", [{"first_frame": None}])
    assert said.results[0]["text"] == "a dog barks"
    assert said.one("from_list_format") == {
        "keys": ["image", "text"],
        "text": "describe this image in detail, in less than 35 words",
    }


def test_the_second_version_of_a_model_runs_in_the_same_script(talk: Callable[..., Said]) -> None:
    said = talk("javisdit", [{"text": "A DOG"}], version="v1.0", num_frames="65")
    assert said.results[0]["status"] == "ok", said.log
    called = said.one("multimodal_sample")
    assert called["prompts"] == ["A DOG"]  # no score, no preprocessing
    assert called["neg_prompts"] == ["bad"]
    assert called["prior"] is False
    built = [c for c in said.named("build_module") if c["type"] == "T"]
    assert built[0]["weight_init_from"] == "./checkpoints/JavisDiT-v1.0-jav"
    assert said.results[0]["meta"]["fps"] == 16


def test_a_clip_that_fills_the_window_is_neither_looped_nor_cut_short(talk: Callable[..., Said]) -> None:
    said = talk("foleycrafter", [{"video": None}], seconds="10.00")
    meta = said.results[0]["meta"]
    assert "looped_input" not in meta
    assert "truncated_from" not in meta
    assert meta["audio_samples"] == 160_000
    assert said.one("run_inference")["prompt"] == ""


@pytest.mark.parametrize(
    ("how", "seconds", "arguments", "meta"),
    [
        ("loop", "02.00", ["-stream_loop", "-1", "-i", "clip.mp4", "-t", "10.000"], {"looped_input": 10.0}),
        ("pad_last", "02.00", ["-vf", "tpad=stop_mode=clone:stop_duration=10.0", "-t", "10.000"], {"held_last_frame": 10.0}),
        ("none", "02.00", ["-i", "clip.mp4", "-t", "2.000"], {}),
        ("loop", "12.50", ["-i", "clip.mp4", "-t", "10.000"], {"truncated_from": 12.5}),
    ],
)
def test_how_a_window_is_filled(
    how: str, seconds: str, arguments: list[str], meta: dict[str, Any], talk: Callable[..., Said]
) -> None:
    said = talk("foleycrafter", [{"video": None}], seconds=seconds, video_prep=how)
    made = [c["arguments"] for c in said.named("ffmpeg") if c["arguments"][-1] == "clip.mp4"][-1]
    assert " ".join(arguments) in " ".join(made)
    found = said.results[0]["meta"]
    assert {k: found.get(k) for k in ("looped_input", "held_last_frame", "truncated_from") if k in found} == meta


def test_a_clip_without_caption_is_described_once_per_clip_or_refused(talk: Callable[..., Said]) -> None:
    said = talk("seeing-and-hearing", [{"video": None}])
    assert said.results[0]["meta"]["prompt"] == "a dog barks"
    assert said.results[0]["meta"]["prompt_by"] == "Qwen-VL-Chat"
    refused = talk("seeing-and-hearing", [{"video": None}, {"video": None, "audio_caption": "rain"}], captions="none")
    assert [r["status"] for r in refused.results] == ["failed", "ok"]
    assert "needs a caption" in refused.results[0]["error"]


def test_a_class_that_was_not_trained_goes_through_the_text_encoder(talk: Callable[..., Said]) -> None:
    said = talk(
        "avsyncd", [{"first_frame": None, "audio": None, "category": "tap_dancing"}, {"first_frame": None, "audio": None}]
    )
    assert said.one("generate_videos")["category"] == "tap dancing"
    assert said.one("generate_videos")["known"] is False
    assert said.results[0]["meta"]["label_seen_in_training"] is False
    assert said.results[1]["status"] == "failed"
    assert "neither category nor text" in said.results[1]["error"]


def test_codi_takes_text_where_there_is_no_picture_and_both_if_told(talk: Callable[..., Said]) -> None:
    said = talk("codi", [{"text": "rain"}, {}])
    assert said.one("inference")["condition_types"] == ["text"]
    assert "neither first_frame nor text" in said.results[1]["error"]
    both = talk("codi", [{"first_frame": None, "text": "rain"}], use_text=True)
    assert both.one("inference")["condition_types"] == ["image", "text"]


def test_an_engine_that_swallows_its_error_fails_the_item_alone(talk: Callable[..., Said]) -> None:
    said = talk(
        "ovi", [{"text": "break"}, {"text": "a man says <S>yes<E> Audio: rain", "transcript": "yes"}], use_first_frame=False
    )
    assert [r["status"] for r in said.results] == ["failed", "ok"]
    assert "it has logged why" in said.results[0]["error"]
    assert said.named("generate")[1]["text_prompt"] == "a man says <S>yes<E> Audio: rain"
    assert said.named("generate")[1]["image_path"] is None
    assert said.one("OviFusionEngine")["mode"] == "t2v"


def test_a_scene_without_sound_or_speech_has_neither(talk: Callable[..., Said]) -> None:
    said = talk("universe-1", [{"first_frame": None, "text": "a man", "audio_caption": "a man"}])
    assert said.results[0]["meta"]["speech"] is False
    assert said.results[0]["meta"]["picture"] == "first_frame"
    assert said.one("pipeline")["speech"] == [[0] * 32]
    assert said.named("tokenizer")[0]["text"] == ""


def test_mm_diffusion_without_upsampler_stays_small(talk: Callable[..., Said]) -> None:
    said = talk("mm-diffusion", [{}], sr_weights="")
    assert said.one("save_multimodal")["video"] == [16, 64, 64, 3]
    assert said.one("load_state_dict") == {"path": "models/Landscape.pt"}


def test_a_missing_checkout_and_a_wrong_option_say_what_to_do(
    talk: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = talk("mmaudio", [{"video": None}], variant="huge")
    assert wrong.messages[0]["type"] == "error"
    assert "variant must be one of large_44k_v2, got 'huge'" in wrong.messages[0]["error"]
    bad = talk("foleycrafter", [{"video": None}], video_prep="twice")
    assert "video_prep must be one of loop, pad_last, none" in bad.results[0]["error"]
    gone = talk("foleycrafter", [{}])
    assert "has no video, which the model needs" in gone.results[0]["error"]
    environment = {k: v for k, v in os.environ.items() if k != "OVI_HOME"} | {"PYTHONPATH": str(BASELINES)}
    done = subprocess.run(
        [sys.executable, str(BASELINES / "ovi" / "runner.py")],
        input='{"type": "configure", "out": "/nowhere", "options": {}}\n',
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )
    assert done.returncode == 3
    assert "set OVI_HOME to the folder of its checkout" in done.stdout


# ------------------------------------------------------------------ what the runners share


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BASELINES))
    monkeypatch.delitem(sys.modules, "upstream", raising=False)
    import importlib

    return importlib.import_module("upstream")


def test_a_waveform_is_written_whole_clipped_and_refused_when_broken(upstream: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    assert upstream.write_wav(path, np.array([[0.0, 2.0, -2.0], [0.5, 0.0, 0.0]]), 8000) == 3
    with wave.open(str(path), "rb") as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (2, 8000, 3)
        assert np.frombuffer(sound.readframes(3), "<i2").tolist() == [0, 16384, 32767, 0, -32767, 0]
    assert upstream.write_wav(path, np.zeros(16000), 8000, seconds=0.5) == 4000
    assert upstream.cut_wav(path, tmp_path / "y.wav", 0.25) == (8000, 2000)
    for wrong in (np.array([0.0, np.nan]), np.array([np.inf]), np.zeros(0), np.zeros((2, 3, 4)), np.zeros((400, 2))):
        with pytest.raises(ValueError, match=r"waveform"):
            upstream.write_wav(path, wrong, 8000)


def test_frames_of_another_shape_are_refused(upstream: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"frames must be \(H, W, 3\)"):
        upstream.write_video(tmp_path / "x.mp4", [np.zeros((4, 4))], 4.0)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="the ffmpeg program is not installed")
def test_ffmpeg_fills_a_window_and_writes_frames(upstream: Any, files: dict[str, Path], tmp_path: Path) -> None:
    assert upstream.seconds_of(files["video"]) == pytest.approx(2.0, abs=0.05)
    for how, seconds in (("loop", 5.0), ("pad_last", 5.0), ("none", 2.0)):
        made = tmp_path / f"{how}.mp4"
        assert upstream.fill_window(files["video"], 5.0, how, made)[0] == pytest.approx(2.0, abs=0.05)
        assert upstream.seconds_of(made) == pytest.approx(seconds, abs=0.3)
    upstream.write_video(tmp_path / "frames.mp4", [np.zeros((32, 48, 3), np.uint8)] * 8, 4.0)
    assert upstream.seconds_of(tmp_path / "frames.mp4") == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize("path", sorted(STAND_INS.glob("*.txt")), ids=lambda p: p.stem)
def test_stand_ins_are_python(path: Path) -> None:
    for part in re.split(r"(?m)^=== ", path.read_text(encoding="utf-8"))[1:]:
        name, _, text = part.partition("\n")
        if name.strip().endswith(".py"):
            ast.parse(text)
