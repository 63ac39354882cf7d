"""Draw hand-written networks, right ones and wrong ones, and count what unstuck says of them."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np
from joblib import Parallel, delayed
from rich.console import Console
from rich.table import Table

from benchmarks.forensics.written import OUTSIDE, Injected, Written, draw, possible
from unstuck import HandWritten, SubjectError
from unstuck.gradients.forensics.explain import explain_gradient
from unstuck.gradients.forensics.explanation import Explanation

RESULTS = Path(__file__).parents[1] / "results"
OUTSIDE_GROUP = "not in the catalogue"
GROUPS = ("right", "one mistake", "two mistakes", "three mistakes", OUTSIDE_GROUP)
MATTERS = 1e-4
"""A mistake is one when it changes the gradient by so much of its norm."""


@dataclass(frozen=True)
class Outcome:
    """What was said of a network."""

    group: str
    injected: tuple[tuple[str, int], ...]
    named: tuple[tuple[str, int], ...]
    noticed: bool
    recognised: bool
    exact: bool
    explained: bool
    unexplained: bool
    seconds: float
    seed: int
    network: str


def expected(mistake: Injected) -> tuple[str, int]:
    """Return the kind and the layer that unstuck should name."""
    kind = mistake.kind.removeprefix("biases: ").removesuffix(" in biases")
    if kind.startswith(("factor", "averaged")):
        kind = "factor"
    if kind.startswith("penalty factor"):
        kind = "penalty factor"
    return kind, mistake.layer


def flat(gradient: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel() for array in gradient.values()])


def with_mistakes(network: Written, count: int, random: np.random.Generator) -> Written | None:
    """Return the network with so many mistakes, each of which matters beside the others; None where none fit."""
    options = possible(network)
    for _ in range(30):
        chosen = tuple(options[k] for k in random.choice(len(options), count, replace=False))
        if len({(one.layer, one.kind.split()[0]) for one in chosen}) < count:
            continue
        variants = [
            replace(network, mistakes=tuple(m for m in chosen if m is not without)) for without in (None, *chosen)
        ]
        variants.append(network)  # two mistakes may cancel
        with np.errstate(all="ignore"):
            gradients = [flat(v.gradient(network.parameters(), *network.data)) for v in variants]
        if not all(np.isfinite(g).all() for g in gradients):
            continue
        size = np.linalg.norm(gradients[0])
        if all(np.linalg.norm(g - gradients[0]) > MATTERS * size for g in gradients[1:]):
            return variants[0]
    return None


def one(group: str, seed: int) -> Outcome | None:
    random = np.random.default_rng([seed, len(group)])
    network: Written | None = draw(random)
    assert network is not None
    counts = {"one mistake": 1, "two mistakes": 2, "three mistakes": 3}
    if group in counts:
        network = with_mistakes(network, counts[group], random)
    elif group == OUTSIDE_GROUP:
        changed = replace(network, outside=str(random.choice(OUTSIDE)))
        there = network.parameters(), *network.data
        g, G = flat(changed.gradient(*there)), flat(network.gradient(*there))
        plain = len(network.start[changed.spoilt]) == 1 and changed.outside == "one row scaled"  # a factor
        network = changed if np.linalg.norm(g - G) > MATTERS * np.linalg.norm(G) and not plain else None
    if network is None:
        return None
    started = time.perf_counter()
    subject = HandWritten(network.parameters(), loss=network.loss, gradient=network.gradient, data=network.data)
    try:
        said = explain_gradient(subject)
    except SubjectError:
        return None
    seconds = time.perf_counter() - started
    named = tuple(sorted((mistake.kind, mistake.layer) for mistake in said.mistakes))
    wanted = tuple(sorted(expected(mistake) for mistake in network.mistakes))
    description = f"{network.widths} {network.hidden} {network.output} {network.loss_name} {network.outside}"
    return Outcome(
        group, wanted, named, not said.right, said.recognised is not None, same(said, named, wanted),
        not said.unexplained and len(named) <= len(wanted), bool(said.unexplained), seconds, seed, description,
    )  # fmt: skip


def same(said: Explanation, named: Sequence[tuple[str, int]], wanted: Sequence[tuple[str, int]]) -> bool:
    """Whether just the mistakes made were named; a factor may be told of the whole, or of the layer."""
    if said.unexplained or len(named) != len(wanted):
        return False
    return Counter(kind for kind, _ in named) == Counter(kind for kind, _ in wanted) and all(
        layer == there or 0 in (layer, there)
        for (_, layer), (_, there) in zip(sorted(named), sorted(wanted), strict=True)
    )


@click.command()
@click.option("--networks", default=100, show_default=True, help="Of each group.")
@click.option("--only", help="One group: " + ", ".join(GROUPS))
@click.option("--show", is_flag=True, help="List those that were not named exactly.")
def main(networks: int, only: str | None, show: bool) -> None:
    """Measure the forensics of gradients."""
    console = Console()
    table = Table(
        "group",
        "networks",
        "recognised",
        "noticed",
        "named as made",
        "or as many others that make the same numbers",
        "left open",
        "seconds (median, most)",
    )
    kept = []
    for group in GROUPS:
        if only and group != only:
            continue
        drawn = Parallel(n_jobs=-1)(delayed(one)(group, seed) for seed in range(networks))
        outcomes = [outcome for outcome in drawn if outcome is not None]
        kept += outcomes
        times = [outcome.seconds for outcome in outcomes]
        names = ("recognised", "noticed", "exact", "explained", "unexplained")
        shares = [f"{np.mean([getattr(outcome, name) for outcome in outcomes]):.1%}" for name in names]
        table.add_row(group, str(len(outcomes)), *shares, f"{np.median(times):.2f}, {max(times):.2f}")
        if show:
            for outcome in outcomes:
                if not (outcome.unexplained if group == OUTSIDE_GROUP else outcome.explained):
                    console.print(
                        f"{outcome.seed} {outcome.network}\n   made {outcome.injected}\n   named {outcome.named}"
                    )
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "forensics.json").write_text(json.dumps([asdict(outcome) for outcome in kept], indent=1))


if __name__ == "__main__":
    main()
