"""Lines of a sheet that are not rows: totals, and what report generators print below their table."""

import re
from collections.abc import Sequence
from typing import Any, Final

from services.ingest.domain.sheets.columns import plain_name
from shared.money import is_currency

_SUMS: Final = re.compile(
    r"(grand|sub|page)?totals?|overall|sum|summe|gesamt(summe|betrag)?|insgesamt|zwischensumme|endsumme|totale|totali|totaux"
    r"|totaal|subtotaal|totais|soma|suma|razem|ogolem|celkem|(record|row)s?count|count|anzahl(datensatze)?"
)
# Salesforce, QuickBooks, DATEV and others, below the last row of a report.
_PRINTED: Final = re.compile(
    r"(report)?generated(by|on|at)|exported(by|on|at)|createdby|printed(by|on)|confidentialinformation|copyrightc?\d{4}"
    r"|allrightsreserved|filteredby|endof(file|report)|exportiertam|erstelltam\d|erzeugtam|stand\d{6}|asof\w*\d{4}|\d+(rows|records)$"
)
_FIGURES: Final = re.compile(r"[^\W\d]{0,4}\W*[\d.,'\s\u00a0\u202f-]*\d\W*[^\W\d]{0,4}\W*|\W*")


def is_no_row(row: Sequence[Any], who: Sequence[int]) -> bool:
    """Whether the line has nothing in the columns `who`, and is a total or about the report."""
    if any(str(row[index]).strip() for index in who):
        return False
    cells = [text for cell in row if (text := str(cell).strip())]
    if not cells:
        return True
    names = [(plain_name(cell), cell) for cell in cells]
    if _PRINTED.match(names[0][0]):
        return True
    others = [cell for name, cell in names if not _SUMS.fullmatch(name)]
    return len(others) < len(cells) and all(_FIGURES.fullmatch(cell) or is_currency(cell.upper()) for cell in others)
