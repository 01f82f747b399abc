"""The precisions of exported models and the calibration methods of int8, by name."""

from typing import Any

FP32 = "fp32"
SMALLER = ("int8", "fp16")  # made from the fp32 model
PRECISIONS = (FP32, *SMALLER)

# How the range of an activation is chosen: the calibrater in onnxruntime.quantization.calibrate, and its options.
CALIBRATION_METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "minmax": ("MinMaxCalibrater", {}),
    "entropy": ("EntropyCalibrater", {}),
    "percentile": ("PercentileCalibrater", {"percentile": 99.999}),
}
