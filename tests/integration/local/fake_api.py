"""Stands in for ``python -m api``: answers ``/health/ready`` and nothing else."""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import FrameType

from typing_extensions import override


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_known = self.path == "/health/ready"
        body = b'{"status":"ready"}' if is_known else b"{}"
        self.send_response(200 if is_known else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: object) -> None:
        print(f"asked for {self.path}", flush=True)  # noqa: T201


def _end(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    address = (os.environ["CATALOG_HOST"], int(os.environ["CATALOG_PORT"]))
    HTTPServer(address, _Handler).serve_forever()
