"""The networks.  Importing this package imports TensorFlow, whose start-up chatter is kept off stderr."""

import os

from resbench.files import silenced_stderr

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
with silenced_stderr():
    import tensorflow  # noqa: F401
