"""`firsthour costs import` says by its exit code whether all rows were told."""

import json
from pathlib import Path

from tests.support.command import Command


def test_a_file_with_a_wrong_row_is_not_told_whole(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    for rows, code in (("2026-03-01,5.00\n", 0), ("2026-03-01,5.00\n2026-03-02,much\n", 1)):
        file.write_text(f"Day,Cost (EUR)\n{rows}")
        ended = Command()("costs", "import", str(file), "--dry-run", "--json")
        told = json.loads(ended.out)
        assert (ended.code, told["told"], told["sent"], len(told["refused"])) == (code, 1, False, code)
