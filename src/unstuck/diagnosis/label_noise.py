"""Label noise: how many labels are not what the rows around them say, by confident learning.

Out-of-fold probabilities p of a strong learner are compared with the labels (Northcutt, Jiang and Chuang 2021). The
threshold of class j is the learner's usual confidence in it, t_j = mean of p_j over the rows labelled j. A row counts
for the class of the largest p_j among those with p_j >= t_j, and not at all where there is none:

    C_ij     rows labelled i that count for j
    Q_ij     C_ij / (sum of C_i over j) x (share of the rows labelled i)
    noise    sum of Q_ij over i and j that differ

A mislabelled row and one where classes overlap cannot be told apart: both count. So do mistakes of the learner, which
itself learned from the labels: the estimate is rather too high than too low, by a third of itself where it is large.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from unstuck.arrays import Array


@dataclass(frozen=True)
class LabelNoise:
    """How many labels look wrong.

    Attributes:
        share: of the rows.
        error: its standard error as a share of so many rows; what is said above comes on top.
        shuffled: what it would be if the labels had nothing to do with the rows: 1 - sum of squared class shares.
    """

    share: float
    error: float
    shuffled: float

    @property
    def certain(self) -> bool:
        """Whether it is more than what strong learners without any noise come to: some hundredths."""
        return self.share - 2 * self.error > 0.03


def label_noise(probabilities: Array, codes: npt.NDArray[np.intp]) -> LabelNoise:
    """Return the estimate from out-of-fold probabilities (n, K) and class numbers (n,) from 0 to K - 1."""
    n, classes = probabilities.shape
    counts = np.bincount(codes, minlength=classes)
    own = np.zeros((n, classes))
    own[np.arange(n), codes] = 1
    thresholds = (own * probabilities).sum(axis=0) / np.maximum(counts, 1)
    confident = (probabilities >= thresholds) & (counts > 0)
    counted = confident.any(axis=1)
    says = np.where(confident, probabilities, -1.0).argmax(axis=1)
    joint = np.zeros((classes, classes))
    np.add.at(joint, (codes[counted], says[counted]), 1)
    of_label = joint.sum(axis=1)
    kept = np.where(of_label > 0, np.diag(joint) / np.maximum(of_label, 1), 1.0)
    share = float(((1 - kept) * counts).sum() / n)
    return LabelNoise(share, float(np.sqrt(share * (1 - share) / n)), float(1 - ((counts / n) ** 2).sum()))
