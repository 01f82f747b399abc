"""The columns of a history, one row for each epoch; the stages that read it need nothing else from here."""

HISTORY_COLUMNS = [
    *("epoch", "loss", "accuracy", "images_per_second", "seconds"),
    *("validation_loss", "validation_accuracy", "test_loss", "test_accuracy"),
]
