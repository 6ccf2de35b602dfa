"""A Maven repository on this machine that answers as bad ones do: slowly, or mostly not."""

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

from embedded.brokers import jars

_PIECE = 256 * 1024
_PAUSE_S = 0.05  # some 5 MB/s a connection


@contextmanager
def mirror(how: Literal["slow", "failing"]) -> Iterator[str]:
    """Serves this machine's jars; yields its address.

    `slow`: drop by drop. `failing`: of each file's three answers the first is 503, the second breaks off in the middle, the third is whole.
    """
    by_path = {}
    for pin in jars.read_pins():
        group, artifact, version = pin.coordinate.split(":")
        by_path[f"/{group.replace('.', '/')}/{artifact}/{version}/{pin.file_name}"] = pin.file_name
    folder = jars.cache_folder() / "kafka"
    asked = {path: itertools.count() for path in by_path}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = by_path.get(self.path)
            turn = next(asked[self.path]) % 3 if name and how == "failing" else 2
            if name is None or turn == 0:
                self.send_error(404 if name is None else 503)
                return
            content = Path(folder, name).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            for start in range(0, len(content) // (2 if turn == 1 else 1) or 1, _PIECE):
                self.wfile.write(content[start : start + _PIECE])
                if how == "slow":
                    time.sleep(_PAUSE_S)
            self.close_connection = True

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
