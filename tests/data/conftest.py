"""Small originals of every kind."""

import numpy as np
import pytest
from data_originals import write_idx


@pytest.fixture
def idx_folder(tmp_path):
    """MNIST in small: 50 training and 20 test images of 4 x 5."""
    folder = tmp_path / "idx"
    folder.mkdir()
    random = np.random.default_rng(1)
    for part, rows in (("train", 50), ("t10k", 20)):
        write_idx(folder / f"{part}-images-idx3-ubyte", random.integers(0, 256, (rows, 4, 5)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(rows) % 3)
    return folder


@pytest.fixture
def stored(idx_folder, tmp_path):
    """A prepared data set in shards of 7 rows, and its training pixels."""
    from pydml.data.arrays import idx_files
    from pydml.data.prepare import prepare

    source = idx_files(str(idx_folder))
    prepare(source, str(tmp_path / "set"), shard_bytes=7 * 20)
    return tmp_path / "set", source.splits[0].block(0, 50).pixels
