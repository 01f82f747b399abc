"""Training protocols: one file each.  No other module lists their names.

Importable without TensorFlow: the functions that make an optimiser import Keras when they are called.
"""

from resbench.common.names import look_up
from resbench.training.protocol import Protocol
from resbench.training.protocols import he2015, notebook, onecycle

# The module of each is named as its record is.
PROTOCOLS = {record.name: record for record in (notebook.PROTOCOL, he2015.PROTOCOL, onecycle.PROTOCOL)}


def protocol(name: str) -> Protocol:
    """Return the protocol of that name.

    Args:
        name: A key of `PROTOCOLS`.

    Returns:
        Its record.

    Raises:
        ResbenchError: There is no protocol of that name.
    """
    return look_up("protocol", name, PROTOCOLS)
