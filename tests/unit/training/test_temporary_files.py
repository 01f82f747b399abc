"""TensorFlow leaves no generated code in the temporary folder, not even where a job is killed before it can tidy up."""

import os
import subprocess
import sys

SCRIPT = """
import os
import keras
import numpy as np
import resbench.networks
from resbench.common.progress import Progress
from resbench.data.store import Split
from resbench.export.convert import convert
from resbench.training import loop
from resbench.training.protocols import PROTOCOLS

image = keras.Input((32, 32, 3), dtype="uint8", name="image")
x = keras.layers.Conv2D(4, 3, activation="relu")(keras.layers.Rescaling(1 / 255)(image))
x = keras.layers.BatchNormalization()(x)
x = keras.layers.Dense(3, activation="softmax")(keras.layers.GlobalAveragePooling2D()(x))
model = keras.Model(image, x)
data = Split(np.zeros((20, 32, 32, 3), np.uint8), np.zeros(20, np.uint8), np.array(["a", "b", "c"]))
protocol = PROTOCOLS["onecycle"]
optimizer = protocol.optimizer(10, False)
optimizer.build(model.trainable_variables)
run_steps = loop.training_steps(model, optimizer, protocol, data, xla=False)
loop.run_epoch(run_steps, *loop.epoch_plan(0, 0, 20), 8, 2, Progress("training"))
loop.predict(model, data.images)
convert(model)
os._exit(0)  # no clean-up at the end, as when a scheduler kills the job
"""


def test_training_prediction_and_export_leave_nothing(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == []
