"""A member that takes bodies: documents, one or many at a time, as Elasticsearch does; and large ones of a known pattern.

    member.py PATTERN

Its port is the first line on stdout. A body repeats the bytes of the file PATTERN for as long as it is.
"""

import gzip
import hashlib
import itertools
import json
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

PIECE = 1 << 18

with open(sys.argv[1], "rb") as file:
    pattern = file.read()
# Any piece of the endless pattern is a slice of this.
repeated = memoryview(pattern * (PIECE // len(pattern) + 2))
documents = {}
lock = threading.Lock()


class Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    request_queue_size = 256


class Member(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def exactly(self, count):
        piece = self.rfile.read(count)
        if len(piece) < count:
            raise ConnectionError("the body is cut short")
        return piece

    def pieces(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.exactly(size)
                assert self.exactly(2) == b"\r\n"
            while self.rfile.readline() != b"\r\n":
                pass
            return
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            piece = self.exactly(min(left, PIECE))
            left -= len(piece)
            yield piece

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path == "/_count":
            with lock:
                return self.answer(200, json.dumps({"count": len(documents)}).encode())
        left = int(query["bytes"][0])
        is_chunked = "chunked" in query and self.request_version == "HTTP/1.1"
        self.send_response(200)
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(left))
        self.end_headers()
        if self.command == "HEAD":
            return
        for at in itertools.count(0, PIECE):
            count = min(left, PIECE)
            begin = at % len(pattern)
            piece = repeated[begin : begin + count]
            if is_chunked:
                self.wfile.write(b"%x\r\n" % count + piece + b"\r\n")
            else:
                self.wfile.write(piece)
            left -= count
            if count == 0:
                return

    do_HEAD = do_GET

    def do_PUT(self):
        """Says how many bytes came, and whether they were the right ones."""
        count, is_right = 0, True
        for piece in self.pieces():
            for begin in range(0, len(piece), PIECE):
                part = piece[begin : begin + PIECE]
                at = (count + begin) % len(pattern)
                is_right = is_right and part == repeated[at : at + len(part)]
            count += len(piece)
        self.answer(200, json.dumps({"bytes": count, "right": is_right}).encode())

    def do_POST(self):
        if urlsplit(self.path).path == "/large":
            return self.do_PUT()
        body = b"".join(self.pieces())
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if not urlsplit(self.path).path.endswith("/_bulk"):
            return self.answer(201, json.dumps({"result": self.take(None, json.loads(body))}).encode())
        if not body.endswith(b"\n"):
            return self.answer(400, b'{"error": "The bulk request must be terminated by a newline"}')
        lines = body.split(b"\n")[:-1]
        items = []
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            name = json.loads(action)["index"]["_id"]
            result = self.take(name, json.loads(document))
            items.append({"index": {"_id": name, "result": result, "status": 201 if result == "created" else 409}})
        errors = any(item["index"]["status"] != 201 for item in items)
        self.answer(200, json.dumps({"errors": errors, "items": items}).encode())

    def take(self, name, document):
        """A document that is what its author sent, and comes only once, is created."""
        if hashlib.sha256(document["text"].encode()).hexdigest() != document["sha256"]:
            return "damaged"
        if name is not None and name != document["name"]:
            return "misplaced"
        with lock:
            if document["name"] in documents:
                return "already there"
            documents[document["name"]] = True
        return "created"


server = Server(("127.0.0.1", 0), Member)
print(server.server_address[1], flush=True)
server.serve_forever()
