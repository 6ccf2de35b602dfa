import json
import subprocess
import sys

from shared import log

PROGRAM = """
import logging
from shared import log

log.configure("scoring", "info")
log.get("a.module").warning("event_cannot_be_folded", event_id="e1", trace_id="t1")
try:
    address = "ada" + "@" + "example.com"
    raise ValueError(f"duplicate key\\nDETAIL: Key (email)=({address}) already exists.")
except ValueError as error:
    log.get("a.module").error("died", exc_info=error, reason=log.reason(error))
    logging.getLogger("a.library").exception("something")
log.get("a.module").debug("not wanted")
"""


def test_logs_are_json_lines_with_ids_and_without_personal_data() -> None:
    """A program of its own: a test run has log handlers of its own."""
    out = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    first, died, something = (json.loads(line) for line in out.splitlines())
    assert first.items() >= {
        "service": "scoring", "level": "warning", "logger": "a.module", "message": "event_cannot_be_folded",
        "event_id": "e1", "trace_id": "t1",
    }.items()  # fmt: skip
    assert first["at"].endswith("Z")
    assert died["reason"] == "duplicate key"
    assert something["exception"][0]["exc_value"] == "duplicate key"
    assert "@" not in out, "a database's further lines quote the values of rows"


def test_a_trace_id_is_read_from_a_traceparent() -> None:
    assert log.trace_id("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") == "0af7651916cd43dd8448eb211c80319c"
    assert log.trace_id("nonsense") is None
    assert log.trace_id(None) is None
