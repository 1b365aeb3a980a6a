"""Ways to give an order to sets of nodes, one after the other, the cheapest kept.

A set of nodes costs at least the sum of what opening each of them costs and of what each line
costs at the one that is cheapest for it. Sets are tried in the order of that sum; within a set,
each line goes to the node that is cheapest for it, and then to others as long as that is within
the cost of the k-th best plan.
"""

from __future__ import annotations

from math import inf

from sourcing.best import SLACK, Best
from sourcing.splits import ways_to_give
from sourcing.task import Task

# Work after which a search stops with what it has, one step being about a microsecond, and
# the part of it that one set of nodes, or listing the sets of one size, may take, so that every
# set gets its turn. Orders of a few lines over some ten nodes take a few hundred.
STEP_LIMIT = 300_000
STEPS_PER_SET = 30_000

# What a way to give a line costs at least, and what it adds to what the nodes were given.
_Way = tuple[float, int]
# What a node costs to open, its index, the lines that it has nothing of, what each line costs.
_Node = tuple[float, int, int, list[float]]
# What a set of nodes costs at least, and the nodes.
_Set = tuple[float, tuple[int, ...]]


class Enumeration:
    """One search.

    What the nodes of a set have been given is one integer: the keys of their loads side by side,
    and above them, where lines want the same SKU, what is left of it (``_shelves``).

    Attributes:
        exact: False when a step limit cut it short.
    """

    def __init__(self, task: Task, best: Best) -> None:
        self.exact = True
        self._task = task
        self._best = best
        self._at: list[int] = []  # where the keys of a set's nodes are

    def run(self, most: int) -> None:
        """Try all sets of up to so many nodes, the fewest first: their prices bound the others."""
        best, task = self._best, self._task
        self._at = [*range(0, most * task.width, task.width)]
        self._at_one_node()
        opened = sorted(task.opened.values())
        lines = sum(map(min, zip(*task.least.values())))  # noqa: B905
        nodes: list[_Node] = []
        for size in range(2, most + 1):
            if sum(opened[:size]) + lines - SLACK > best.bound:
                continue
            nodes = nodes or self._nodes()
            for least, chosen in self._sets(nodes, size, lines):
                if least > best.bound or best.steps > STEP_LIMIT:
                    break
                self._assign(tuple(sorted(chosen)), least)
            if best.steps > STEP_LIMIT:
                self.exact = False
                return

    def _at_one_node(self) -> None:
        task, best = self._task, self._best
        able = []
        for n, opened in task.opened.items():
            asked = sum(task.whole[n])
            if asked < inf and (not task.shared or self._holds_everything(n)):
                able.append((opened - SLACK + asked, n))
        able.sort()
        for least, n in able:
            if least > best.bound:
                return
            best.offer((n,), [sum(task.keys)], least)

    def _holds_everything(self, n: int) -> bool:
        held, demand = self._task.pricer.stock[n], self._task.demand
        return all(held[sku] >= demand(sku) for sku, _, _ in self._task.wanted)

    def _nodes(self) -> list[_Node]:
        """Nodes by what they cost to open."""
        opened, least = self._task.opened, self._task.least
        return sorted([(x, n, _lacks(least[n]), least[n]) for n, x in opened.items()])

    def _sets(self, nodes: list[_Node], size: int, lines: float) -> list[_Set]:
        """Sets of nodes that hold something of each line, with what they cost at least.

        Args:
            lines: what all lines cost at least, wherever they ship from.
        """
        task, best = self._task, self._best
        until = best.steps + STEPS_PER_SET
        found = self._grow(nodes, size, lines, until, (), -SLACK, -1, [inf] * len(task.wanted))
        self.exact &= best.steps <= until
        found.sort()
        return found

    def _grow(
        self, nodes: list[_Node], left: int, lines: float, until: int,
        chosen: tuple[int, ...], opened: float, lack: int, least: list[float],
    ) -> list[_Set]:  # fmt: skip
        """Sets of what was chosen and so many more of these nodes.

        Args:
            until: steps.
            opened: what it costs to open those chosen.
            lack: lines that none of them has anything of, as bits.
            least: what each line costs at least at one of them.
        """
        found: list[_Set] = []
        bound, best = self._best.bound, self._best
        for i, (opening, n, lacks, costs) in enumerate(nodes):
            # Later nodes cost at least as much, so nothing better follows.
            if opened + opening * left + lines > bound or best.steps > until:
                break
            later = nodes[i + 1 :]
            best.steps += len(later)
            here, missing = opened + opening, lack & lacks
            both = [*map(min, least, costs)] if chosen else costs
            if left > 2:
                found += self._grow(
                    later, left - 1, lines, until, (*chosen, n), here, missing, both
                )
                continue
            room = bound - here  # the last one, without a call for each
            for opening_last, last, lacks_last, costs_last in later:
                if opening_last + lines > room:
                    break
                if not missing & lacks_last:
                    added = opening_last + sum(map(min, both, costs_last))
                    if added <= room:
                        found.append((here + added, (*chosen, n, last)))
        return found

    def _assign(self, nodes: tuple[int, ...], least: float) -> None:
        """Every way to give all lines to exactly these nodes.

        Args:
            least: what the set costs at least.
        """
        task, slack, at = self._task, self._best.bound - least, self._at
        given, guard, shelves = self._shelves(nodes) if task.shared else (0, 0, {})
        least = sum([task.opened[n] for n in nodes]) - SLACK
        moves: list[list[_Way]] = []
        each = zip(*[task.whole[n] for n in nodes], strict=True)
        for line, (key, costs) in enumerate(zip(task.keys, each, strict=True)):
            cheapest = min(costs)
            if cheapest == inf or task.shared:
                ways = self._ways(line, nodes, shelves)
                if not ways:
                    return
                cheapest = ways[0][0]
            else:
                most = cheapest + slack
                ways = []
                for cost, p in zip(costs, at):  # noqa: B905
                    if cost <= most:
                        ways.append((cost, key << p))
            least += cheapest
            if len(ways) > 1:
                ways.sort()
                moves.append(ways)
            else:
                given += ways[0][1]
        if given & guard == guard:
            if moves:
                stop = min(STEP_LIMIT, self._best.steps + STEPS_PER_SET)
                self._give(nodes, moves, stop, guard, 0, least, given)
            else:
                self._offer(nodes, given, least)

    def _offer(self, nodes: tuple[int, ...], given: int, least: float) -> None:
        mask = (1 << self._task.width) - 1
        keys = []
        for _, at in zip(nodes, self._at):  # noqa: B905
            key = given >> at & mask
            if not key:
                return
            keys.append(key)
        self._best.offer(nodes, keys, least)

    def _give(
        self, nodes: tuple[int, ...], moves: list[list[_Way]], stop: int, guard: int,
        move: int, cost: float, given: int,
    ) -> None:  # fmt: skip
        """Give the lines that can go several ways in every way within the bound.

        Args:
            moves: of each such line its ways, the cheapest first.
            stop: steps.
            guard: bits that are gone where more of an SKU was taken than there is.
            move: which of the lines is next.
            cost: what everything costs at least where these lines go the cheapest.
            given: what the lines before it and those with one way give.
        """
        best = self._best
        best.steps += 1
        if best.steps > stop:
            self.exact = False
            return
        ways = moves[move]
        cost -= ways[0][0]
        for least, to in ways:
            if cost + least > best.bound:
                return
            then = given + to
            if then & guard == guard:
                if move + 1 < len(moves):
                    self._give(nodes, moves, stop, guard, move + 1, cost + least, then)
                else:
                    self._offer(nodes, then, cost + least)

    def _ways(
        self, line: int, nodes: tuple[int, ...], shelves: dict[tuple[int, str], int]
    ) -> list[_Way]:
        """Ways to give one line to these nodes, whole and in parts, the one that can be the
        cheapest first."""
        task = self._task
        sku, quantity, _ = task.wanted[line]
        a_unit = task.keys[line] // quantity
        holders = [(p, held) for p, n in enumerate(nodes) if (held := task.held(n, line))]
        found = []
        for split in ways_to_give(quantity, task.demand(sku), holders):
            least, to = 0.0, 0
            for p, units in split:
                a_line = task.pricer.nodes[nodes[p]].line_cost_minor
                least += a_line + (task.least[nodes[p]][line] - a_line) * units / quantity
                to += units * a_unit << p * task.width
                if shelves:
                    to -= units << shelves[p, sku]
            found.append((least, to))
        found.sort()
        return found

    def _shelves(self, nodes: tuple[int, ...]) -> tuple[int, int, dict[tuple[int, str], int]]:
        """What there is of each SKU at each node, above the keys of their loads.

        Each count has a bit above it that is gone once more is taken than there is.

        Returns:
            All counts with their bits, the bits alone, and where the count of (position, SKU) is.
        """
        task = self._task
        demand = {sku: task.demand(sku) for sku, _, _ in task.wanted}
        bits = max(demand.values()).bit_length()
        at, counts, guard = len(nodes) * task.width, 0, 0
        shelves = {}
        for p, n in enumerate(nodes):
            held = task.pricer.stock[n]
            for sku, units in demand.items():
                counts += min(max(0, held.get(sku, 0)), units) << at
                guard += 1 << at + bits
                shelves[p, sku] = at
                at += bits + 1
        return counts + guard, guard, shelves


def _lacks(least: list[float]) -> int:
    """Lines that a node has nothing of, as bits."""
    return sum([1 << i for i, cost in enumerate(least) if cost == inf]) if inf in least else 0
