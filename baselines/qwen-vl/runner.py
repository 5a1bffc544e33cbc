"""Qwen-VL as an avbench worker: a caption of a picture, the first stage of `I->T->V + I->T->A`. Runs in its own environment.

Drives the two classes of `transformers` that load the published `Qwen/Qwen-VL-Chat` with its own code. Options: `weights`,
`question`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import upstream
from avbench_worker import Item, main

QUESTION = "describe this image in detail, in less than 35 words"
"""Which words JointDiT's authors used is not published; these are Seeing-and-Hearing's."""

CARD = {"name": "qwen-vl", "task": "I2T", "accepts": ["first_frame"], "code": "Qwen/Qwen-VL-Chat"}


def load(options: Mapping[str, Any]) -> dict[str, Any]:
    """Tokenizer and network; their code comes with the weights, which `trust_remote_code` runs."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    weights = str(options.get("weights", "Qwen/Qwen-VL-Chat"))
    return {
        "tokenizer": AutoTokenizer.from_pretrained(weights, trust_remote_code=True),
        "network": AutoModelForCausalLM.from_pretrained(weights, device_map="cuda", trust_remote_code=True).eval(),
        "question": str(options.get("question", QUESTION)),
    }


def generate(model: dict[str, Any], item: Item, folder: str) -> dict[str, Any]:
    """One caption, without the marks of places in the picture."""
    picture = upstream.path(item, "first_frame")
    query = model["tokenizer"].from_list_format([{"image": str(picture)}, {"text": model["question"]}])
    answer, _ = model["network"].chat(model["tokenizer"], query=query, history=None)
    return {"video": None, "audio": None, "text": upstream.without_marks(answer), "meta": {"question": model["question"]}}


if __name__ == "__main__":
    raise SystemExit(main(load, generate, card=CARD))
