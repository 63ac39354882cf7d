import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real data, where there is one."""
    folder = Path(os.environ.get("UNSTUCK_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (folder / "adult_train.csv.gz").is_file():
        pytest.skip("no shared data on this machine")
    return folder
