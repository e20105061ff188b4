"""The settings of each data set: the paper's, and those of the embedded one."""

from typing import Any

# Sec. 4.1 and the official settings; the same for all data sets of people.
PAPER: dict[str, Any] = {
    "height": 384,
    "width": 128,
    "skip_broken": False,
    "backbone": "resnet50",
    "weights": "imagenet",
    "num_parts": 3,
    "pooling": "mean",
    "search": "exact",
    "k1": 30,
    "k2": 6,
    "min_samples": 4,
    "k": 20,
    "beta": 0.5,
    "aals_epoch": 5,
    "pglr_epoch": 0,
    "smoothing": 0.1,
    "part_refinement": "agreement",
    "global_refinement": "parts",
    "ema_decay": 0.999,
    "camera_aware": False,
    "camera_spaces": "all",
    "lambda_cam": 0.5,
    "temperature": 0.07,
    "num_hard_negatives": 50,
    "iterations": 400,
    "batch_size": 64,
    "num_instances": 4,
    "sampler_cameras": True,
    "samples_per_bn": 16,
    "lr": 3.5e-4,
    "weight_decay": 5e-4,
    "lr_step": 20,
    "lr_gamma": 0.1,
    "pad": 10,
    "erase_probability": 0.5,
    "rerank": False,
    "seed": 1,
    "precision": "float32",
    "feature_dtype": "float16",
    "arithmetic": "native",
    "device": "cpu",
    "launcher": "python",
    "workers": 2,
}

# Only `dataset: demo` reads these.
EMBEDDED: dict[str, Any] = {
    "demo_seed": 1,
    "demo_people": 64,
    "demo_images": 16,
    "demo_cameras": 6,
    "demo_distractors": 64,
    "demo_camera": 1.5,
    "demo_light": 0.4,
    "demo_blur": 0.4,
    "demo_pose": 1.0,
    "demo_views": 1.0,
    "demo_boxes": 0.3,
    "demo_occluders": 0.3,
    "demo_lookalikes": 0.25,
    "demo_backgrounds": 1.0,
}

DEMO_WEIGHTS = "demo/backbone.safetensors"

PRESETS: dict[str, dict[str, Any]] = {
    **{
        name: {**PAPER, **EMBEDDED, "dataset": name, "eps": 0.5}
        for name in ("market1501", "msmt17", "table", "folder")
    },
    "veri776": {
        **PAPER,
        **EMBEDDED,
        "dataset": "veri776",
        "height": 256,
        "width": 256,
        "eps": 0.7,
        "num_instances": 8,
    },
    "demo": {
        **PAPER,
        **EMBEDDED,
        "dataset": "demo",
        "height": 128,
        "width": 64,
        "backbone": "demo_resnet",
        "weights": DEMO_WEIGHTS,
        "k1": 16,
        "eps": 0.55,
        "k": 12,
        "iterations": 60,
        "samples_per_bn": None,
        "pad": 5,
        "arithmetic": "portable",
    },
}

# What is other where training sees the cameras (`camera_aware`).
WITH_CAMERAS: dict[str, dict[str, Any]] = {
    "market1501": {"camera_aware": True, "eps": 0.4},
    "msmt17": {"camera_aware": True, "eps": 0.6, "lambda_cam": 1.0},
    "veri776": {"camera_aware": True},
    "table": {"camera_aware": True, "eps": 0.4},
    "folder": {"camera_aware": True},
    "demo": {"camera_aware": True},
}

EPOCHS = dict.fromkeys(PRESETS, 50) | {"demo": 6}
EVALUATE_EVERY = dict.fromkeys(PRESETS, 10) | {"demo": 1}
