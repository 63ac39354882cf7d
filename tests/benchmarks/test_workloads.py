"""All candidates do the same mathematics on all workloads, which are those that were agreed on."""

from __future__ import annotations

import dataclasses
import importlib
import math
from functools import cache

import numpy as np
import pytest

from benchmarks import floors, ours, peers, workloads
from unstuck import Dropout
from unstuck.engines import ENGINES

UPDATES = 10
TWO_EPOCHS = {"W2": 64, "W64": 64}  # with their smaller last batches
TOLERANCES = {"sklearn": 1e-3}  # its Adam adds epsilon before the correction for the start, not after it
INSTALLED_BY = {"pytorch": "torch", "jax": "jax"}


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.delenv("UNSTUCK_DATA", raising=False)  # pixels are made up faster than MNIST is read


@cache
def tiny(name, dropout):
    workload = workloads.make(name, TWO_EPOCHS.get(name, UPDATES) / workloads.updates(name))
    layers = workload.recipe.layers
    if not dropout:
        layers = [Dropout(0.0) if isinstance(layer, Dropout) else layer for layer in layers]
    return dataclasses.replace(workload, recipe=workload.recipe.replace(layers=layers))


def losses(workload, outputs):
    """The loss of each network on the training rows."""
    X, Y = workload.XY
    A = np.asarray(outputs(X), dtype=np.float64).reshape(-1, *Y.shape)
    return [workload.recipe.loss.value(Y.astype(np.float64), of_one) for of_one in A]


@cache
def our_losses(name, dropout, engine="reference"):
    workload = tiny(name, dropout)
    return losses(workload, ours.prepare(workload, threads=2, engine=engine)().outputs)


@cache
def peer_losses(peer, name, dropout=False):
    """The losses, what is said of them, and whether they are to be ours."""
    program = importlib.import_module(peers.PEERS[peer])
    program.TRIAL_UPDATES = 10  # PyTorch's; it would spend its time on trials
    workload = tiny(name, dropout)
    trained = program.prepare(workload, threads=1)()
    assert trained.seconds > 0
    return losses(workload, trained.outputs), trained.remark, trained.exact


@pytest.mark.parametrize("name", workloads.NAMES)
@pytest.mark.parametrize("peer", peers.PEERS)
def test_peers_end_at_our_loss(peer, name):
    """Dropout is switched off, so that peers that draw their own masks can be held to it too."""
    pytest.importorskip(INSTALLED_BY.get(peer, "numpy"))
    found, remark, exact = peer_losses(peer, name)
    assert exact or peer == "sklearn", remark
    same = pytest.approx(our_losses(name, dropout=False), rel=TOLERANCES.get(peer, 1e-4))
    assert found == same if exact else found != same


@pytest.mark.parametrize("name", workloads.NAMES)
@pytest.mark.parametrize("engine", sorted(ENGINES.keys() - {"reference"}))
def test_our_engines_end_at_the_same_loss(engine, name):
    assert our_losses(name, True, engine) == pytest.approx(our_losses(name, dropout=True), rel=2e-5)


@pytest.mark.parametrize("name", ["W3", "W5b"])
def test_numpy_draws_our_dropout_masks(name):
    assert peer_losses("numpy", name, dropout=True)[0] == pytest.approx(our_losses(name, dropout=True), rel=2e-5)
    assert our_losses(name, dropout=True) != pytest.approx(our_losses(name, dropout=False), rel=2e-5)


@pytest.mark.parametrize(
    ("peer", "name", "said"),
    [
        ("pytorch", "W3", "its own dropout masks"),
        ("jax", "W5b", "its own dropout masks"),
        ("sklearn", "W3", "no dropout"),
        ("sklearn", "W4", "ReLU for leaky ReLU"),
        ("sklearn", "W1", "one logistic output"),
        ("sklearn", "W5-rmsprop", "Adam for RMSProp"),
    ],
)
def test_what_is_not_the_same_is_said(peer, name, said):
    pytest.importorskip(INSTALLED_BY.get(peer, "numpy"))
    _, remark, exact = peer_losses(peer, name, dropout=True)
    assert said in remark
    assert not exact


def test_workloads_are_as_long_as_agreed():
    assert {name: workloads.updates(name) for name in workloads.NAMES} == {
        **dict.fromkeys(("W1", "W1-float64"), 100_000),
        "W2": 200 * 32,
        "W3": 240_000,
        **dict.fromkeys(("W4", "W4-sgd"), 50_000),
        **dict.fromkeys(("W5", "W5-rmsprop", "W5-sigmoid"), 1800),
        "W5b": 469,
        "W6": 977,
        "W64": 20 * 32,
    }


@pytest.mark.parametrize(("name", "seconds"), [("W2", 0.020), ("W5", 0.67), ("W5b", 1.49), ("W6", 1.94), ("W4", 0.050)])
def test_floors_are_those_once_reckoned_by_hand(name, seconds):
    """At a peak of 257 GFLOP/s, and half of that in float64."""
    peaks = floors.Peaks(1, {"float32": 257e9, "float64": 128.5e9}, bandwidth=math.inf, latency=0.0)
    workload = workloads.make(name, 0.05)
    assert floors.floor(workload, peaks) / workload.share == pytest.approx(seconds, rel=0.03)


def test_latency_decides_for_a_tiny_network_and_bandwidth_where_there_is_hardly_any_work():
    workload = workloads.make("W1", 0.001)
    peaks = floors.Peaks(1, {"float32": math.inf}, bandwidth=math.inf, latency=1e-9)
    assert 100 * 15e-9 < floors.floor(workload, peaks) < 100 * 60e-9
    peaks = floors.Peaks(1, {"float32": math.inf}, bandwidth=1.0, latency=0.0)
    assert floors.floor(workload, peaks) == 4 * 2 * 4


def test_scaling_down_takes_epochs_and_below_one_epoch_rows():
    half, little = workloads.make("W2", 0.5), workloads.make("W2", 0.001)
    assert (half.recipe.epochs, len(half.data.X), half.share) == (100, 1000, 0.5)
    assert (little.recipe.epochs, len(little.data.X), little.share) == (1, 192, 192 / 200_000)


def test_networks_of_w64_differ_in_start_and_order():
    workload = workloads.make("W64", 0.05)
    assert len(np.unique(workload.start[:, 0])) == 64
    assert len(np.unique(workload.orders[0, :, 0])) > 32


def test_made_up_pixels_are_called_so():
    assert workloads.make("W5", 0.001).data.source == "made-up pixels"
