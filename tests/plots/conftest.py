import pytest

import neuroprobe


@pytest.fixture(scope="session")
def trained_tuning():
    """The tuning of cnn7."""
    return neuroprobe.orientation(
        neuroprobe.load_network("cnn7"), control="untrained", permutations=100, progress=False
    )
