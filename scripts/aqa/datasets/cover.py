"""The smallest choice of sets whose union is everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

Element: TypeAlias = tuple[str, str]
"""A group and a member of it; a set that is offered holds at most one member of each group."""

BUDGET = 50_000
"""Partial choices that are looked at before a greedy choice has to do."""


def cover(offered: Sequence[frozenset[Element]], wanted: frozenset[Element]) -> list[int]:
    """Return the places, ascending, of a smallest choice of `offered` whose union contains `wanted`.

    Of equal sets the first counts, and of equally small choices the one found first, so the order of
    `offered` decides ties. The choice is exact unless more than `BUDGET` partial choices would have to be
    looked at, then greedy.

    Raises:
        ValueError: all of `offered` together do not contain `wanted`.
    """
    first: dict[frozenset[Element], int] = {}
    for place, members in enumerate(offered):
        first.setdefault(members & wanted, place)
    sets = [members for members in first if members]
    greedy = _greedy(sets, wanted)
    search = _Search(sets)
    for size in range(_least(wanted), len(greedy)):
        found = search.of_size(size, wanted)
        if found is not None:
            return sorted(first[members] for members in found)
        if search.looked > BUDGET:
            break
    return sorted(first[members] for members in greedy)


def _least(missing: frozenset[Element]) -> int:
    """Return how many sets are needed at least: each holds one member of a group."""
    return max(Counter(group for group, _ in missing).values(), default=0)


def _greedy(sets: Sequence[frozenset[Element]], wanted: frozenset[Element]) -> list[frozenset[Element]]:
    chosen: list[frozenset[Element]] = []
    missing = wanted
    while missing:
        best = max(sets, key=lambda members: len(members & missing), default=frozenset())
        if not best & missing:
            raise ValueError(f"nothing offered contains {sorted(missing)}")
        chosen.append(best)
        missing -= best
    return chosen


class _Search:
    """Depth-first search for a choice of a given size."""

    def __init__(self, sets: Sequence[frozenset[Element]]) -> None:
        self.sets = sets
        self.looked = 0

    def of_size(self, size: int, missing: frozenset[Element]) -> list[frozenset[Element]] | None:
        """Return at most `size` sets that contain `missing`, None if there are none (or too many)."""
        if not missing:
            return []
        self.looked += 1
        if _least(missing) > size or self.looked > BUDGET:
            return None
        # Whatever is chosen has to contain the rarest element: branch on that one.
        having = {element: [members for members in self.sets if element in members] for element in missing}
        rarest = min(sorted(missing), key=lambda element: len(having[element]))
        for members in having[rarest]:
            rest = self.of_size(size - 1, missing - members)
            if rest is not None:
                return [members, *rest]
        return None
