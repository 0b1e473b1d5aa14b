"""What a tuning pod writes: KAITO's fine_tuning.py under accelerate, and the pusher. Pure.

https://github.com/kaito-project/kaito/blob/v0.12.0/presets/workspace/tuning/text-generation/fine_tuning.py
"""

from __future__ import annotations

from sandbox.kaito.logs import Line, spread
from sandbox.kaito.presets import Preset

STEPS = 10
FIRST_LOSS, LAST_LOSS = 2.412, 1.087


def training(model: Preset) -> list[Line]:
    trained = int(model.weights_gib * 0.0037 * 1e6 / 2)
    total = int(model.weights_gib * 0.5369e9)
    texts = [
        "The following values were not passed to `accelerate launch` and had defaults used instead:",
        f"Model args: {{'pretrained_model_name_or_path': '{model.name}'}}",
        "Loading checkpoint shards: 100%|██████████| 2/2",
        "Model Loaded",
        "Generating train split: 1000 examples",
        f"trainable params: {trained:,} || all params: {total:,} || trainable%: "
        f"{100 * trained / total:.4f}",
    ]
    texts += [_step(number) for number in range(1, STEPS + 1)]
    texts += [
        "{'train_runtime': 11.8, 'train_samples_per_second': 84.7, 'epoch': 1.0}",
        "Training completed, adapter saved to /mnt/results",
    ]
    return spread(texts)


def _step(number: int) -> str:
    loss = FIRST_LOSS - (FIRST_LOSS - LAST_LOSS) * number / STEPS
    rate = 2e-4 * (1 - number / STEPS)
    return f"{{'loss': {loss:.4f}, 'learning_rate': {rate:.2e}, 'epoch': {number / STEPS:.2f}}}"


def failed_training(model: Preset) -> list[Line]:
    started = [line.text for line in training(model)][:6]
    texts = [
        *started,
        "Traceback (most recent call last):",
        '  File "/workspace/tfs/fine_tuning.py", line 141, in <module>',
        "    trainer.train()",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.95 GiB. GPU 0 has a total "
        "capacity of 79.25 GiB of which 512.00 MiB is free.",
    ]
    return spread(texts, end=0.9)


def pushing(image: str) -> list[Line]:
    texts = [
        "+ oras push --disable-path-validation --oci-layout layout:latest layer.tar.gz",
        "Pushed [oci-layout] layout:latest",
        f"+ oras cp --from-oci-layout layout:latest {image}",
        f"Copied [oci-layout] layout:latest => [registry] {image}",
    ]
    return spread(texts, end=0.9)


def refused_push(image: str, why: str) -> list[Line]:
    texts = [
        f"+ oras cp --from-oci-layout layout:latest {image}",
        f"Error response from registry: failed to copy to {image}: {why}",
    ]
    return spread(texts, end=0.9)
