"""A server with every fault that `ward posture` and `scripts/pentest` look for: what finds nothing wrong with it is blind."""

import socket
import ssl
import subprocess
import threading

PAGE = """<html><script>localStorage.setItem("token", "x")</script>
<form method="post" action="/sign-in"><input type="hidden" name="form" value="abc"><p>Six digits: six digits</p></form></html>"""


class BrokenServer:
    """Speaks plaintext and any TLS on one port, lets everybody in, and repeats what it is sent."""

    def __init__(self, folder):
        certificate, key = folder / "broken.pem", folder / "broken.key"
        if not key.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                 "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw):
        try:
            raw.settimeout(60)
            if raw.recv(1, socket.MSG_PEEK) == b"\x16":
                raw = self.context.wrap_socket(raw, server_side=True)
            with raw:
                self._talk(raw)
        except (OSError, ValueError):
            pass

    def _talk(self, connection):
        """Every request on the connection, wherever a body is said to end; the last length said wins."""
        received = b""
        while True:
            while b"\r\n\r\n" not in received:
                part = connection.recv(65_536)
                if not part:
                    return
                received += part
            head, _, received = received.partition(b"\r\n\r\n")
            lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            length = int(lengths[-1]) if lengths and lengths[-1].strip().isdigit() else 0
            while len(received) < length:
                part = connection.recv(65_536)
                if not part:
                    break
                received += part
            body, received = received[:length], received[length:]
            method, path = (head.split(b"\r\n")[0].split(b" ") + [b"", b""])[:2]
            text = (PAGE + head.decode("latin-1") + body.decode("latin-1")).encode()
            cookie = b"__Host-ward-session=1" if method == b"POST" else b"__Host-ward-ticket=1"
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nServer: broken/1.0\r\nContent-Type: text/html\r\nSet-Cookie: " + cookie
                + b"\r\nContent-Length: " + str(len(text)).encode() + b"\r\n\r\n" + (b"" if method == b"HEAD" else text))
            if b"connection: close" in head.lower():
                return
