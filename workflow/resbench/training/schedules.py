"""Learning-rate schedules that Keras does not have."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("resbench")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """One linear cycle of the learning rate: from a tenth of `peak` up to it, then down to almost nothing.

    In Smith & Topin, "Super-Convergence" (2018), the cycle ends before the run does, and a few steps at far lower rates
    follow; here the rate falls in one line to a hundredth of where it began.

    Args:
        peak: The highest learning rate.
        steps: Steps of the run.
        rise: Fraction of the steps before the peak.
    """

    def __init__(self, peak: float, steps: int, rise: float = 0.3) -> None:
        self.peak, self.steps, self.rise = peak, steps, rise

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step.

        Args:
            step: Number of steps done.

        Returns:
            The learning rate.
        """
        done = ops.cast(step, "float32") / max(1, self.steps)
        up = 0.1 + 0.9 * done / self.rise
        down = 0.001 + 0.999 * (1 - done) / (1 - self.rise)
        return self.peak * ops.minimum(up, down)

    def get_config(self) -> dict[str, float]:
        """Return what Keras saves of the schedule.

        Returns:
            The arguments of the constructor.
        """
        return {"peak": self.peak, "steps": self.steps, "rise": self.rise}
