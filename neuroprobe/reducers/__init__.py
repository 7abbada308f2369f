"""Statistics that stream: each is a value made from one batch, and two of them add up.

A reducer is any function from ``Observed`` to a value with ``+``. So batches, processes and resumed runs are all sums,
and the answer does not depend on how the images were cut or ordered. Sums that grow are float64.
"""

from neuroprobe.reducers.covariance import CoMoments, Covariance
from neuroprobe.reducers.landmarks import Landmarks
from neuroprobe.reducers.moments import ClassMoments, Moments
from neuroprobe.reducers.named import STATES, named_reducers, savable
from neuroprobe.reducers.observation import Observed, Reducer, Summable, observed
from neuroprobe.reducers.quantiles import Quantiles
from neuroprobe.reducers.top_images import TopImages

__all__ = [
    "STATES",
    "ClassMoments",
    "CoMoments",
    "Covariance",
    "Landmarks",
    "Moments",
    "Observed",
    "Quantiles",
    "Reducer",
    "Summable",
    "TopImages",
    "named_reducers",
    "observed",
    "savable",
]
