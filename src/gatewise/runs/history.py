"""How a series of any length is kept short: values in buckets, which are merged two by two when there are too many.

Nothing is lost without a trace by this: a bucket knows how many values it stands for, their mean and their extremes, so
that a spike stays visible, and how many were not finite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: A series has at most this many buckets, and at least half as many once it was that long.
MOST_BUCKETS = 1024


@dataclass(slots=True)
class Bucket:
    """The values of some consecutive steps. ``step`` is the last of them; mean and extremes are of the finite ones."""

    number: int
    step: int
    count: int
    broken: int
    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, number: int, step: int, value: float) -> Bucket:
        """A bucket of one value."""
        if math.isfinite(value):
            return cls(number, step, 1, 0, value, value, value)
        return cls(number, step, 1, 1, math.nan, math.inf, -math.inf)

    def take(self, other: Bucket) -> None:
        """Take in the values of a later bucket."""
        here, there = self.count - self.broken, other.count - other.broken
        if there:
            share = there / (here + there)
            self.mean = other.mean if not here else self.mean * (1 - share) + other.mean * share
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.step, self.count, self.broken = other.step, self.count + other.count, self.broken + other.broken


@dataclass(slots=True)
class History:
    """One series: buckets of ``stride`` steps each, ``step // stride`` being the number of a bucket.

    >>> history = History()
    >>> for step, value in enumerate([4.0, 2.0, 1.0, 9.0]):
    ...     history.add(step, value, stride=2)
    >>> [(bucket.step, bucket.mean, bucket.low, bucket.high) for bucket in history.buckets]
    [(1, 3.0, 2.0, 4.0), (3, 5.0, 1.0, 9.0)]
    """

    buckets: list[Bucket] = field(default_factory=list)
    latest: float = math.nan
    changed: int = 0  # the first bucket that is not yet in the file as it is here

    def add(self, step: int, value: float, stride: int) -> None:
        """Add the value of a step that is not before the last one."""
        self.latest = value
        fresh = Bucket.of(step // stride, step, value)
        if self.buckets and self.buckets[-1].number == fresh.number:
            self.buckets[-1].take(fresh)
            self.changed = min(self.changed, len(self.buckets) - 1)
        else:
            self.buckets.append(fresh)

    def double(self) -> None:
        """Merge the buckets two by two: the stride is twice what it was."""
        merged: list[Bucket] = []
        for bucket in self.buckets:
            bucket.number //= 2
            if merged and merged[-1].number == bucket.number:
                merged[-1].take(bucket)
            else:
                merged.append(bucket)
        self.buckets = merged
        self.changed = 0
