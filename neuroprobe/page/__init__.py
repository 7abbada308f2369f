"""The atlas: results turned into a static web page of every unit of a network, which opens from disk."""
