"""How often what is read next has failed in a row: each repeat is smaller, and waits longer."""


class Repeats:
    """Of one consumer. A batch that failed is still to come until one was settled, or nothing comes for a while."""

    def __init__(self) -> None:
        self.count = 0
        self._batch = False

    def failed(self, *, batch: bool) -> None:
        """A batch was given up; or, without one, the partitions could not be adopted or read."""
        self.count += 1
        self._batch |= batch

    def settled(self) -> None:
        """A batch was committed, or its lane is halted."""
        self.count = 0
        self._batch = False

    def nothing_read(self, *, at_rest: bool) -> None:
        """Partitions that can be read are well again. A batch may take longer to come again than one read waits."""
        if at_rest or not self._batch:
            self.settled()

    def most(self, records: int) -> int:
        """How many of so many records the next batch may hold."""
        return max(1, records >> self.count)
