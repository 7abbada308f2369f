"""Several processes that share a measurement: each runs its part of the batches, and sums put the parts together.

Every process makes the same calls in the same order, as under ``torchrun``, and gets the same result; the first alone
writes, draws and prints. What is exchanged are sums and responses, not gradients: it goes over gloo and lies on the
CPU, whatever device the networks run on.
"""

from neuroprobe.distributed.company import alone, is_first, processes
from neuroprobe.distributed.messages import exchange, look_out
from neuroprobe.distributed.part import ALL, Part
from neuroprobe.distributed.steps import agree, by_first, first_for_all, session, together

__all__ = [
    "ALL",
    "Part",
    "agree",
    "alone",
    "by_first",
    "exchange",
    "first_for_all",
    "is_first",
    "look_out",
    "processes",
    "session",
    "together",
]
