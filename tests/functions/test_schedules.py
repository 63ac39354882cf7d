from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.torch_twin import SCHEDULES
from torch.optim import lr_scheduler

from unstuck.functions.schedules import (
    ConstantRate,
    CosineDecay,
    ExponentialDecay,
    InverseScaling,
    InverseScalingByRows,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
)

KNOWN = [
    ConstantRate(),
    StepDecay(every=3, drop=0.4),
    ExponentialDecay(0.8),
    InverseScaling(0.7),
    InverseScalingByRows(rows=30, power=0.7),
    InverseScalingByRows(rows=30, seen=90),
    CosineDecay(),
    CosineDecay(final=0.2),
    WarmUp(epochs=2.5),
    WarmUp(epochs=0.1),
    WarmUp(epochs=3, then=CosineDecay(final=0.1)),
    WarmUp(epochs=2, then=StepDecay(every=2, drop=0.5)),
    OneCycle(),
    OneCycle(rise=0.6, start_divisor=10, final_divisor=100),
]
EVERY = pytest.mark.parametrize("schedule", KNOWN, ids=repr)


def optimizer(rate=1.0):
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)


def rates(scheduler, updates):
    """The learning rates that PyTorch's scheduler gives to the updates."""
    found = []
    for _ in range(updates):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_every_schedule_is_tested():
    assert Schedule.family.keys() == {schedule.kind for schedule in KNOWN} | {"reduce_on_plateau"}


@EVERY
@pytest.mark.parametrize(("s", "epochs"), [(1, 30), (4, 10), (7, 5)])
def test_agrees_with_pytorch(schedule, s, epochs):
    T = s * epochs
    expected = rates(SCHEDULES[schedule.kind](schedule, optimizer(), s, T), T)
    np.testing.assert_allclose(schedule.factor(np.arange(T), s, T), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (StepDecay(every=3, drop=0.4), lambda o: lr_scheduler.StepLR(o, step_size=3, gamma=0.4)),
        (ExponentialDecay(0.8), lambda o: lr_scheduler.ExponentialLR(o, gamma=0.8)),
    ],
    ids=["step", "exponential"],
)
def test_schedules_by_epochs_agree_with_pytorchs_stepped_once_an_epoch(schedule, theirs):
    s, epochs = 5, 11
    expected = np.repeat(rates(theirs(optimizer()), epochs), s)
    np.testing.assert_allclose(schedule.factor(np.arange(s * epochs), s, s * epochs), expected, rtol=1e-12)


@pytest.mark.parametrize("T", [1, 2, 3, 4, 5, 9])
@pytest.mark.parametrize("rise", [0.1, 0.3, 0.45, 0.7, 0.9])
def test_one_cycle_agrees_with_pytorch_in_short_trainings(T, rise):
    schedule = OneCycle(rise=rise)
    expected = rates(SCHEDULES["one_cycle"](schedule, optimizer(), 1, T), T)
    np.testing.assert_allclose(schedule.factor(np.arange(T), 1, T), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("T", "rise"), [(2, 0.5), (4, 0.25), (5, 0.2)])
def test_one_cycle_may_have_its_summit_at_the_first_update(T, rise):
    """Where PyTorch divides by zero."""
    factors = OneCycle(rise=rise, start_divisor=10, final_divisor=100).factor(np.arange(T), 1, T)
    assert (np.diff(factors) < 0).all()
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(1e-3)


@EVERY
def test_many_updates_at_once_equal_one_at_a_time(schedule):
    s, T = 4, 37
    together = schedule.factor(np.arange(T), s, T)
    assert together.shape == (T,)
    assert together.dtype == np.float64
    np.testing.assert_allclose(together, [schedule.factor(t, s, T) for t in range(T)], rtol=1e-14)


@EVERY
def test_a_resumed_training_gets_the_same_rates_bit_by_bit(schedule):
    s, T = 4, 37
    together = schedule.factor(np.arange(T), s, T)
    for size in (1, 3, 8):
        parts = [schedule.factor(np.arange(T)[k : k + size], s, T) for k in range(0, T, size)]
        assert together.tolist() == np.concatenate(parts).tolist()


@EVERY
def test_factors_of_a_single_update(schedule):
    assert 0 <= schedule.factor(np.arange(1), 1, 1).item() <= 1


def test_warm_up_longer_than_the_training_only_rises():
    np.testing.assert_allclose(WarmUp(epochs=10).factor(np.arange(4), 2, 4), [0.05, 0.1, 0.15, 0.2])


@pytest.mark.parametrize(
    "schedule",
    [ReduceOnPlateau(drop=0.5, patience=2, threshold=0.1, lowest=0.2), ReduceOnPlateau(patience=0, threshold=0)],
    ids=repr,
)
def test_reduce_on_plateau_agrees_with_pytorch(schedule):
    random = np.random.default_rng(1)
    losses = np.maximum(1 / np.arange(1, 60), 0.05) * random.uniform(0.9, 1.1, 59)
    losses[[20, 21, 40]] = np.nan
    twin = optimizer(0.3)
    scheduler = SCHEDULES["reduce_on_plateau"](schedule, twin, 1, len(losses))
    memory = np.array(schedule.memory)
    for loss in losses:
        schedule.observe(memory, loss)
        scheduler.step(loss)
        assert 0.3 * memory[0] == pytest.approx(twin.param_groups[0]["lr"], rel=1e-12)
    assert memory[0] < 1


def test_warm_up_hands_the_losses_to_the_schedule_that_follows():
    after = ReduceOnPlateau(drop=0.5, patience=0)
    both, alone = np.array(after.memory), np.array(after.memory)
    for loss in (1.0, 2.0, 3.0):
        WarmUp(then=after).observe(both, loss)
        after.observe(alone, loss)
    assert both.tolist() == alone.tolist()
    assert both[0] == 0.25


@pytest.mark.parametrize("schedule", [s for s in KNOWN if s.kind != "warm_up"], ids=repr)
def test_other_schedules_do_not_mind_the_losses(schedule):
    memory = np.array(ReduceOnPlateau.memory)
    schedule.observe(memory, 3.0)
    assert memory.tolist() == list(ReduceOnPlateau.memory)
