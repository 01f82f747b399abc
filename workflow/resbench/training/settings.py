"""Names of training settings that do not belong to a protocol; importable without TensorFlow."""

DEVICES = ("auto", "gpu", "cpu")
# The arithmetic of the layers, whose weights stay float32, with Keras's name of the policy.
POLICIES = {"none": "float32", "float16": "mixed_float16", "bfloat16": "mixed_bfloat16"}
