"""Pipelines of `diffusers` with random weights, tiny, of the classes that the published weights have."""

from __future__ import annotations

import string
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from avbench.diffusers_stages import diffusers

LETTERS = string.ascii_lowercase


def _t5_tokenizer(length: int = 24) -> Any:
    from transformers import T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -1.0), *((c, -2.0) for c in LETTERS)]
    return T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=length)


def _t5(width: int = 32, kind: str = "T5EncoderModel") -> Any:
    import transformers

    config = transformers.T5Config if kind == "T5EncoderModel" else transformers.UMT5Config
    model: Any = getattr(transformers, kind)
    return model(config(vocab_size=32, d_model=width, d_ff=16, d_kv=8, num_heads=2, num_layers=1)).eval()


def _clip_vision(size: int = 224, width: int = 32) -> Any:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    made: Any = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16,
            projection_dim=width,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=size,
            intermediate_size=16,
            patch_size=56,
        )
    )
    return made.eval()


def video_unet(**changed: Any) -> Any:
    """Of Stable Video Diffusion, with the published kinds of blocks."""
    blocks = ["CrossAttnDownBlockSpatioTemporal"] * 3 + ["DownBlockSpatioTemporal"]
    return diffusers().UNetSpatioTemporalConditionModel(
        **{
            "block_out_channels": (32, 32, 64, 64),
            "layers_per_block": 1,
            "down_block_types": tuple(blocks),
            "up_block_types": tuple(b.replace("Down", "Up") for b in reversed(blocks)),
            "cross_attention_dim": 32,
            "num_attention_heads": (2, 2, 4, 4),
            "projection_class_embeddings_input_dim": 24,
            "addition_time_embed_dim": 8,
            "num_frames": 3,
        }
        | changed
    )


def audio_unet(**changed: Any) -> Any:
    """Of AudioLDM 2, with the published kinds of blocks."""
    blocks = ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 3
    return diffusers().AudioLDM2UNet2DConditionModel(
        **{
            "in_channels": 4,
            "out_channels": 4,
            "sample_size": 32,
            "block_out_channels": (32, 32, 64, 64),
            "layers_per_block": 1,
            "down_block_types": tuple(blocks),
            "up_block_types": tuple(b.replace("Down", "Up") for b in reversed(blocks)),
            "cross_attention_dim": ([None, 16, 32],) * 4,
            "attention_head_dim": (2, 2, 4, 4),
        }
        | changed
    )


def video_vae(blocks: int = 2) -> Any:
    """The temporal VAE of Stable Video Diffusion; a picture is 2 to the power of `blocks - 1` smaller."""
    return diffusers().AutoencoderKLTemporalDecoder(
        block_out_channels=(32,) * blocks, down_block_types=("DownEncoderBlock2D",) * blocks, latent_channels=4
    )


def audio_vae() -> Any:
    """The VAE of AudioLDM 2: a mel spectrogram is 4 times smaller in time and frequency."""
    return diffusers().AutoencoderKL(
        block_out_channels=(32, 32, 32),
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        latent_channels=4,
        scaling_factor=0.4,
    )


def vocoder() -> Any:
    """A HiFi-GAN with 64 mel bins and 160 samples in a step."""
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    made: Any = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=64,
            sampling_rate=16000,
            upsample_initial_channel=32,
            upsample_rates=[5, 4, 2, 2, 2],
            upsample_kernel_sizes=[16, 16, 8, 4, 4],
            resblock_kernel_sizes=[3],
            resblock_dilation_sizes=[[1]],
            normalize_before=False,
            initializer_range=0.1,
        )
    )
    return made.eval()


def svd(folder: Path) -> None:
    from transformers import CLIPImageProcessor

    kinds = diffusers()
    kinds.StableVideoDiffusionPipeline(
        unet=video_unet(),
        image_encoder=_clip_vision(),
        scheduler=kinds.EulerDiscreteScheduler(
            beta_schedule="scaled_linear",
            beta_start=0.00085,
            beta_end=0.012,
            prediction_type="v_prediction",
            sigma_max=700.0,
            sigma_min=0.002,
            steps_offset=1,
            timestep_spacing="leading",
            timestep_type="continuous",
            use_karras_sigmas=True,
        ),
        vae=video_vae(),
        feature_extractor=CLIPImageProcessor(crop_size=224, size=224),
    ).save_pretrained(folder)


def cogvideox(folder: Path) -> None:
    kinds = diffusers()
    kinds.CogVideoXImageToVideoPipeline(
        tokenizer=_t5_tokenizer(),
        text_encoder=_t5(),
        vae=kinds.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ),
        transformer=kinds.CogVideoXTransformer3DModel(
            num_attention_heads=2,
            attention_head_dim=16,
            in_channels=8,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=2,
            sample_height=2,
            sample_frames=9,
            max_text_seq_length=226,
            use_rotary_positional_embeddings=True,
            use_learned_positional_embeddings=True,
        ),
        scheduler=kinds.CogVideoXDDIMScheduler(),
    ).save_pretrained(folder)


def hunyuanvideo(folder: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, LlamaConfig, LlamaModel, LlamaTokenizer

    kinds = diffusers()
    words = {"<unk>": 0, "<s>": 1, "</s>": 2, "\u2581": 3} | {c: 4 + n for n, c in enumerate(LETTERS)}
    ends = {"<|startoftext|>": 0, "<|endoftext|>": 1} | {
        c: 2 + n for n, c in enumerate((*LETTERS, *(f"{c}</w>" for c in LETTERS)))
    }
    kinds.HunyuanVideoPipeline(
        text_encoder=LlamaModel(
            LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=3)
        ),
        tokenizer=LlamaTokenizer(vocab=words, merges=[], pad_token="</s>"),  # noqa: S106
        text_encoder_2=CLIPTextModel(
            CLIPTextConfig(vocab_size=64, hidden_size=8, intermediate_size=16, num_attention_heads=2, num_hidden_layers=1)
        ),
        tokenizer_2=CLIPTokenizer(vocab=ends, merges=[], model_max_length=77),
        transformer=kinds.HunyuanVideoTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=10,
            num_layers=1,
            num_single_layers=1,
            num_refiner_layers=1,
            patch_size=1,
            text_embed_dim=16,
            pooled_projection_dim=8,
            rope_axes_dim=(2, 4, 4),
        ),
        vae=kinds.AutoencoderKLHunyuanVideo(
            latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4
        ),
        scheduler=kinds.FlowMatchEulerDiscreteScheduler(shift=7.0),
    ).save_pretrained(folder)


def _wan_parts(**changed: Any) -> dict[str, Any]:
    kinds = diffusers()
    transformer = {"in_channels": 16, "out_channels": 16, "rope_max_seq_len": 32} | changed
    return {
        "tokenizer": _t5_tokenizer(),
        "text_encoder": _t5(kind="UMT5EncoderModel"),
        "vae": kinds.AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        "scheduler": kinds.UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        "transformer": kinds.WanTransformer3DModel(
            num_attention_heads=2, attention_head_dim=12, text_dim=32, freq_dim=16, ffn_dim=32, num_layers=1, **transformer
        ),
    }


def wan(folder: Path) -> None:
    diffusers().WanPipeline(**_wan_parts()).save_pretrained(folder)


def wan_i2v(folder: Path) -> None:
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModel

    config = CLIPVisionConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=32, intermediate_size=16, patch_size=16
    )
    diffusers().WanImageToVideoPipeline(
        **_wan_parts(in_channels=36, image_dim=8),
        image_encoder=CLIPVisionModel(config),
        image_processor=CLIPImageProcessor(crop_size=32, size=32),
    ).save_pretrained(folder)


def audioldm2(folder: Path) -> None:
    import transformers

    kinds = diffusers()
    words = {c: n for n, c in enumerate(("<s>", "<pad>", "</s>", "<unk>", "\u0120", *LETTERS, "<mask>"))}
    listens = transformers.ClapAudioConfig(
        spec_size=64,
        window_size=4,
        num_mel_bins=64,
        depths=[1, 1],
        num_attention_heads=[1, 1],
        num_hidden_layers=2,
        hidden_size=16,
        patch_embeds_hidden_size=8,
        projection_dim=16,
        patch_size=4,
        patch_stride=[4, 4],
    )
    reads = transformers.ClapTextConfig(
        vocab_size=40, hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=1, projection_dim=16
    )
    language = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=40, n_embd=16, n_head=2, n_layer=1, n_positions=64)
    )
    language.config.max_new_tokens = 4
    kinds.AudioLDM2Pipeline(
        vae=audio_vae(),
        text_encoder=transformers.ClapModel(
            transformers.ClapConfig(text_config=reads, audio_config=listens, projection_dim=16)
        ),
        text_encoder_2=_t5(),
        projection_model=kinds.AudioLDM2ProjectionModel(text_encoder_dim=16, text_encoder_1_dim=32, langauge_model_dim=16),
        language_model=language,
        tokenizer=transformers.RobertaTokenizer(vocab=words, merges=[], model_max_length=24),
        tokenizer_2=_t5_tokenizer(),
        feature_extractor=transformers.ClapFeatureExtractor(feature_size=64),
        unet=audio_unet(),
        scheduler=kinds.DDIMScheduler(
            beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
        ),
        vocoder=vocoder(),
    ).save_pretrained(folder)


def stable_audio_open(folder: Path) -> None:
    kinds = diffusers()
    kinds.StableAudioPipeline(
        vae=kinds.AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[2, 4],
            decoder_channels=3,
            decoder_input_channels=3,
            audio_channels=2,
            channel_multiples=[2, 4],
            sampling_rate=800,
        ),
        text_encoder=_t5(),
        projection_model=kinds.StableAudioProjectionModel(text_encoder_dim=32, conditioning_dim=4, min_value=0, max_value=32),
        tokenizer=_t5_tokenizer(),
        transformer=kinds.StableAudioDiTModel(
            sample_size=256,
            in_channels=3,
            num_layers=1,
            attention_head_dim=4,
            num_attention_heads=2,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=4,
            time_proj_dim=8,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
        ),
        scheduler=kinds.EDMDPMSolverMultistepScheduler(prediction_type="v_prediction", sigma_data=1.0),
    ).save_pretrained(folder)


MAKERS: dict[str, Callable[[Path], None]] = {
    "svd": svd,
    "cogvideox": cogvideox,
    "hunyuanvideo": hunyuanvideo,
    "wan": wan,
    "wan[i2v]": wan_i2v,
    "audioldm2": audioldm2,
    "stable_audio_open": stable_audio_open,
}


def made(which: str, folder: Path) -> Path:
    """A folder of weights as `from_pretrained` wants it."""
    diffusers()  # torchvision's guard, before anything of transformers
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # weight_norm in a VAE
        torch.manual_seed(0)
        MAKERS[which](folder)
    return folder
