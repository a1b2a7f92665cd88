"""Wires to what stands on the other side: they count, and tests cut them."""

import http.client
import http.server
import socket
import ssl
import threading


class Wire:
    """Carries bytes from a port of its own to another one; can be cut at once, or after some bytes."""

    def __init__(self, target):
        self.target = target
        self.accepted = 0
        self.is_down = False
        self.most = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            if self.is_down:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=30)
            except OSError:
                near.close()
                continue
            for source, sink, most in ((near, far, self.most), (far, near, None)):
                threading.Thread(target=self._carry, args=(source, sink, most), daemon=True).start()

    def _carry(self, source, sink, most):
        carried = 0
        try:
            while True:
                part = source.recv(65536)
                if not part or self.is_down:
                    break
                carried += len(part)
                if most is not None and carried > most:
                    break
                sink.sendall(part)
        except OSError:
            pass
        for each in (source, sink):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class Relay(http.server.ThreadingHTTPServer):
    """Stands before a web service of the same authority: notes what it is sent, and can answer in its place."""

    daemon_threads = True

    def __init__(self, target, authority):
        super().__init__(("127.0.0.1", 0), _Relayed)
        self.target, self.authority = target, authority
        self.seen = []
        # Status and body that are answered instead; or a function of the real body.
        self.answer = None
        self.change = None
        self.socket = authority.context("relay", host="localhost").wrap_socket(self.socket, server_side=True)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, *_):
        pass


class _Relayed(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.seen.append(body)
        status, answer = self.server.answer or self._real(body)
        if self.server.change and status == 200:
            answer = self.server.change(answer)
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _real(self, body):
        context = ssl.create_default_context(cafile=str(self.server.authority.pem))
        connection = http.client.HTTPSConnection("localhost", self.server.target, context=context, timeout=30)
        try:
            # As it was signed, host included.
            connection.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def log_message(self, *_):
        pass
