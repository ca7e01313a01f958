"""A training that is killed again and again ends with the weights of one that went through, bit by bit."""

import hashlib
import io
import os
import signal
import time

import numpy as np
import pytest

import pydml
from pydml.io.checkpoints import read_checkpoint
from pydml.values import List

C, SIDE, K = 3, 64, 3
CASES = [("alexnet", "lars"), ("alexnet", "lamb"), ("alexnet", "adam"), ("resnet18", "momentum")]


@pytest.fixture(scope="module")
def data():
    """Images of three classes: a pattern for each class, and noise."""
    rng = np.random.default_rng(3)
    patterns = rng.normal(size=(K, C * SIDE * SIDE))

    def images(count):
        y = np.arange(count) % K
        return patterns[y] + rng.normal(size=(count, C * SIDE * SIDE)), (y + 1.0)[:, None]

    return (*images(12), *images(6))


@pytest.fixture(scope="module")
def loop():
    # one thread: a child of fork() has no others
    return pydml.source("nn/examples/train_loop.dml", precision="single", threads=1, stdout=io.StringIO())


def train(loop, data, network, optimizer, folder, augmentation="colour"):
    """A few steps of a narrow network, with dropout and augmentation, and a checkpoint after every step."""
    return loop.train(
        *data,
        C,
        SIDE,
        SIDE,
        K,
        np.array([[0.5] * C, [0.25] * C]),
        network=network,
        width=0.04 if network == "alexnet" else 0.0625,
        units=12,
        optimizer=optimizer,
        epochs=3,
        batch_size=4,
        micro_batch=0,
        rate=0.02,
        schedule="poly",
        warmup_epochs=0.5,
        weight_decay=0.0005,
        trust=0.1,
        keep=0.5,
        augmentation=augmentation,
        seed=5,
        checkpoint_folder=str(folder),
        checkpoint_every=1,
        record_folder="",
        program="test",
    )


def weights_hash(folder):
    """SHA-256 of parameters, moving averages and moments."""
    state = read_checkpoint(str(folder), np.float32)
    digest = hashlib.sha256()

    def add(values):
        for value in values:
            if isinstance(value, List):
                add(value)
            else:
                digest.update(np.ascontiguousarray(value).tobytes())

    for name in ("parameters", "emas", "first", "second", "curve"):
        add([state.items[state.position(name)]])
    return digest.hexdigest()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("network, optimizer", CASES)
def test_killed_and_resumed_training_ends_with_the_same_bits(loop, data, tmp_path, kills, network, optimizer):
    started = time.perf_counter()
    train(loop, data, network, optimizer, tmp_path / "through")
    # a second time for how long it takes without compiling
    started = time.perf_counter()
    train(loop, data, network, optimizer, tmp_path / "again")
    duration = time.perf_counter() - started
    through = weights_hash(tmp_path / "through")
    assert weights_hash(tmp_path / "again") == through
    rng = np.random.default_rng(11)
    killed = trainings = 0
    while killed < kills:
        folder = tmp_path / f"killed{trainings}"
        trainings += 1
        while True:
            # a kill falls anywhere between the start and a third of the training, so that a training is killed several times
            ended = train_in_child(loop, data, network, optimizer, folder, rng.uniform(0, duration / 3))
            killed += not ended
            if ended or killed >= kills:
                break
        if not ended:
            assert train_in_child(loop, data, network, optimizer, folder, 60)
        assert weights_hash(folder) == through


def train_in_child(loop, data, network, optimizer, folder, seconds):
    """Train in a process of its own that is killed after some time; True if it came to the end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            train(loop, data, network, optimizer, folder)
            status = 0
        finally:
            os._exit(status)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert status == 0, "the training failed"
            return True
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    pid, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        return True
    return False


def test_a_checkpoint_of_other_settings_is_refused(loop, data, tmp_path):
    train(loop, data, "alexnet", "lars", tmp_path)
    with pytest.raises(pydml.DMLError, match="that of another training"):
        train(loop, data, "alexnet", "adam", tmp_path)


def test_augmentation_changes_the_training_and_a_seed_repeats_it(loop, data, tmp_path):
    train(loop, data, "alexnet", "lars", tmp_path / "plain", augmentation="none")
    train(loop, data, "alexnet", "lars", tmp_path / "colour")
    assert weights_hash(tmp_path / "plain") != weights_hash(tmp_path / "colour")
