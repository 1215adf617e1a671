"""The guestbook's API: keeps entries in Redis, spoken to in its own protocol."""
import json
import os
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

VERSION = open("/app/version").read().strip()
ADDRESS = (os.environ.get("REDIS_HOST", "redis"), int(os.environ.get("REDIS_PORT_NUMBER", "6379")))
PASSWORD = os.environ["REDIS_PASSWORD"]
TITLE = os.environ.get("TITLE", "Guestbook")


def ask(*commands):
    """The answer to the last of the commands."""
    with socket.create_connection(ADDRESS, timeout=5) as connection:
        stream = connection.makefile("rb")
        for command in (("AUTH", PASSWORD),) + commands:
            parts = [part.encode() for part in command]
            connection.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            answer = read(stream)
        return answer


def read(stream):
    line = stream.readline()
    kind, rest = line[:1], line[1:-2]
    if kind == b"-" or not line:
        raise OSError(rest.decode() or "connection closed")
    if kind == b"$":
        return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode()
    if kind == b"*":
        return [read(stream) for _ in range(int(rest))]
    return rest.decode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/healthz":
            self.serve(lambda: ask(("PING",)) and {"ok": True})
        elif self.path == "/api/entries":
            self.serve(lambda: self.page(ask(("LRANGE", "entries", "0", "-1"))))
        else:
            self.reply(404, {"error": "no such page"})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        self.serve(lambda: self.page(count=int(ask(("RPUSH", "entries", text)))))

    def page(self, entries=None, **more):
        page = {"title": TITLE, "version": VERSION, "pod": socket.gethostname(), **more}
        return page if entries is None else {**page, "entries": entries}

    def serve(self, work):
        try:
            self.reply(200, work())
        except OSError as error:
            self.reply(503, {"error": f"redis: {error}"})

    def reply(self, code, value):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form, *values):
        if self.path != "/healthz":
            super().log_message(form, *values)


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


server = Server(("", 8080), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
print(f"guestbook {VERSION} serving", flush=True)
server.serve_forever()
server.server_close()
