"""Clients that drip, stall, flood or hang up hold nothing for long, hurt nobody else and take no audit record along."""

import json
import signal
import socket
import ssl
import struct
import threading
import time

import pytest

from conftest import JSON_TYPE, wait_until
from probes import is_closed_within, read_answer, receive, request_bytes, tls_socket

# What the server grants: seconds of silence, seconds for any body, the rate beyond, and seconds that an answer
# may stand still.
IDLE = 30
BASE = 20
RATE = 16_384
STALL = 30


@pytest.fixture(scope="module")
def small(houses):
    """A server that takes bodies of at most 1 MiB."""
    made = houses(options=("--maximum-body", "1"))
    yield made
    made.kill()


def drip(connection, content, every, seconds):
    """Sends one byte every so often; the seconds until the server closed, or None if it did not."""
    started = time.monotonic()
    connection.settimeout(every)
    for number in range(int(seconds / every)):
        try:
            connection.sendall(content[number % len(content):][:1])
            if not receive(connection):
                return time.monotonic() - started
        except TimeoutError:
            continue
        except OSError:
            return time.monotonic() - started
    return None


# MARK: Dripping


@pytest.mark.slow
def test_dripped_headers_end(house):
    with tls_socket(house) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        closed = drip(connection, b"a", 1, 2 * IDLE + 20)
    assert closed is not None, "one byte a second keeps a connection for ever"


@pytest.mark.slow
def test_a_dripped_body_ends(house):
    token = house.token("integration")
    head = request_bytes("POST", "/fhir/Patient", token, headers=(f"Content-Type: {JSON_TYPE}", "Content-Length: 1000"))
    with tls_socket(house) as connection:
        connection.sendall(head)
        closed = drip(connection, b" ", 1, BASE + 30)
    assert closed is not None and BASE - 2 <= closed <= BASE + 20


@pytest.mark.slow
def test_a_slow_body_above_the_rate_is_taken(house):
    token = house.token("integration")
    resource = json.dumps({"resourceType": "Patient", "name": [{"family": "x" * (3 * RATE * 25)}]}).encode()
    head = request_bytes("POST", "/fhir/Patient", token, headers=(f"Content-Type: {JSON_TYPE}", f"Content-Length: {len(resource)}"))
    with tls_socket(house, timeout=60) as connection:
        connection.sendall(head)
        started = time.monotonic()
        for offset in range(0, len(resource), 3 * RATE):
            connection.sendall(resource[offset:offset + 3 * RATE])
            time.sleep(1)
        assert time.monotonic() - started > BASE
        answer = read_answer(connection)
    assert answer is not None and answer.status in (201, 400, 422), "it was cut off"


@pytest.mark.slow
def test_silence_ends_idle_connections(house):
    idle = [tls_socket(house) for _ in range(20)]
    unfinished = socket.create_connection(("127.0.0.1", house.port), timeout=IDLE + 20)
    started = time.monotonic()
    for connection in idle:
        assert is_closed_within(connection, max(1, IDLE + 20 - (time.monotonic() - started)))
        connection.close()
    assert is_closed_within(unfinished, max(1, IDLE + 20 - (time.monotonic() - started))), "a handshake never begun"
    unfinished.close()


def slow_connection(house):
    """A connection whose receive buffer takes next to nothing."""
    context = ssl.create_default_context(cafile=str(house.authority))
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.settimeout(180)
    plain.connect(("127.0.0.1", house.port))
    return context.wrap_socket(plain, server_hostname="localhost")


def large_record(house, size):
    """A record whose answer has about that many bytes."""
    document = {"resourceType": "Binary", "contentType": "text/plain", "data": "QUJD" * (size // 4)}
    return house.client("integration").create(document)["id"]


@pytest.mark.slow
def test_a_reader_who_never_reads_is_cut_off(house):
    # More than the system's buffers take off the server's hands.
    size = 12 << 20
    record = large_record(house, size)
    token = house.token("integration")
    with slow_connection(house) as connection:
        connection.sendall(request_bytes("GET", f"/fhir/Binary/{record}", token))
        wait_until(lambda: house.events("--kind", "read", "--record", f"Binary/{record}"), what="the read in the log")
        time.sleep(STALL + 10)
        connection.settimeout(5)
        received = 0
        while part := receive(connection):
            received += len(part)
        assert received < size, "the whole answer waited for a reader who never read"


@pytest.mark.slow
def test_a_slow_reader_above_the_rate_gets_everything(house):
    size = 12 << 20
    record = large_record(house, size)
    token = house.token("integration")
    with slow_connection(house) as connection:
        connection.sendall(request_bytes("GET", f"/fhir/Binary/{record}", token, headers=("Connection: close",)))
        started = time.monotonic()
        received = 0
        while part := receive(connection):
            received += len(part)
            # About 300 KB/s.
            time.sleep(max(0, received / 300_000 - (time.monotonic() - started)))
        assert time.monotonic() - started > BASE + 5
    assert received > size, f"cut off after {received} bytes"


# MARK: Too much


def large_header_requests(token):
    return {
        "one large field": request_bytes("GET", "/fhir/Patient/x", token, headers=("X-Large: " + "a" * 40_000,)),
        "many fields": request_bytes(
            "GET", "/fhir/Patient/x", token, headers=tuple(f"X-{number}: a" for number in range(500))),
        "much in sum": request_bytes(
            "GET", "/fhir/Patient/x", token, headers=tuple(f"X-{number}: " + "a" * 8000 for number in range(20))),
        "a long path": request_bytes("GET", "/fhir/Patient/" + "a" * 100_000, token),
        "a long query": request_bytes("GET", "/fhir/Patient?name=" + "a" * 100_000, token),
        "a long method": request_bytes("A" * 100_000, "/fhir/Patient", token),
    }


@pytest.mark.parametrize("kind", list(large_header_requests("")))
def test_oversized_headers_are_refused_and_the_connection_ends(house, kind):
    token = house.token("integration")
    with tls_socket(house) as connection:
        try:
            connection.sendall(large_header_requests(token)[kind])
        except OSError:
            pass
        answer = read_answer(connection)
        assert answer is None or 400 <= answer.status < 500, answer.status
        assert is_closed_within(connection, 5)


def test_headers_that_never_end_are_refused(house):
    with tls_socket(house) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        # A send that waits is not being taken either.
        connection.settimeout(3)
        sent = 0
        try:
            while sent < 50_000_000:
                connection.sendall(b"X-More: " + b"a" * 1000 + b"\r\n")
                sent += 1010
        except OSError:
            pass
        assert sent < 50_000_000, "it took them all"


def test_a_large_body_within_the_limit_is_taken(small):
    text = "a" * 900_000
    answer = small.client("integration").post(
        "Binary", {"resourceType": "Binary", "contentType": "text/plain", "data": text})
    assert answer.status_code == 201, answer.text[:300]


def test_an_oversized_body_is_refused_with_an_outcome(small):
    answer = small.client("integration").post("Patient", b" " * (2 << 20))
    assert answer.status_code == 413
    assert answer.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize("size", [str(2 << 20), "99999999999", "99999999999999999999999", "-1", "1e3", "0x10"])
def test_a_length_that_is_too_large_or_no_length_is_refused(small, size):
    token = small.token("integration")
    with tls_socket(small, timeout=40) as connection:
        connection.sendall(request_bytes(
            "POST", "/fhir/Patient", token, headers=(f"Content-Type: {JSON_TYPE}", f"Content-Length: {size}")))
        try:
            connection.sendall(b"a" * (3 << 20))
        except OSError:
            pass
        answer = read_answer(connection)
        assert answer is None or answer.status in (400, 413), answer.status
    assert small.stranger().get("metadata").status_code == 200


def test_an_oversized_chunked_body_is_refused(small):
    token = small.token("integration")
    with tls_socket(small) as connection:
        connection.sendall(request_bytes(
            "POST", "/fhir/Patient", token, headers=(f"Content-Type: {JSON_TYPE}", "Transfer-Encoding: chunked")))
        chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
        try:
            for _ in range(64):
                connection.sendall(chunk)
        except OSError:
            pass
        answer = read_answer(connection)
        assert answer is None or answer.status == 413


def test_two_lengths_are_refused(small):
    token = small.token("integration")
    with tls_socket(small) as connection:
        connection.sendall(request_bytes(
            "POST", "/fhir/Patient", token,
            headers=(f"Content-Type: {JSON_TYPE}", "Content-Length: 5", "Content-Length: 50")) + b"{}   ")
        answer = read_answer(connection)
        assert answer is None or answer.status == 400


def test_length_and_chunks_together_are_refused(small):
    # The ground of request smuggling (RFC 9112 §6.1).
    token = small.token("integration")
    smuggled = request_bytes("DELETE", "/fhir/Patient/x", token)
    with tls_socket(small) as connection:
        connection.sendall(request_bytes(
            "POST", "/fhir/Patient/_search", token,
            headers=("Content-Type: application/x-www-form-urlencoded", "Transfer-Encoding: chunked",
                     f"Content-Length: {5 + len(smuggled)}")) + b"0\r\n\r\n" + smuggled)
        answers = []
        connection.settimeout(3)
        try:
            while answer := read_answer(connection):
                answers.append(answer)
        except TimeoutError:
            pass
    assert len(answers) <= 1, "the second request was carried out"


def test_a_body_of_a_stranger_is_not_waited_for(small):
    with tls_socket(small) as connection:
        connection.sendall(request_bytes(
            "POST", "/fhir/Patient", "nonsense", headers=(f"Content-Type: {JSON_TYPE}", "Content-Length: 1000000")))
        connection.settimeout(10)
        assert read_answer(connection).status == 401


# MARK: Many


def test_hundreds_of_idle_connections_keep_nobody_out(house):
    integration = house.client("integration")
    integration.get("metadata")
    idle = []
    try:
        for _ in range(300):
            idle.append(tls_socket(house))
        half_open = [socket.create_connection(("127.0.0.1", house.port), timeout=10) for _ in range(100)]
        idle += half_open
        started = time.monotonic()
        assert house.client("integration").get("Patient/none").status_code == 404
        assert time.monotonic() - started < 10
    finally:
        for connection in idle:
            connection.close()


def test_pipelined_requests_are_answered_in_order(house):
    token = house.token("integration")
    paths = ["/health", "/fhir/Patient/none", "/fhir/Nonsense", "/fhir/Patient/none/_history", "/nonsense"]
    with tls_socket(house) as connection:
        connection.sendall(b"".join(request_bytes("GET", path, token) for path in paths))
        received, statuses = b"", []
        while len(statuses) < len(paths):
            while b"\r\n\r\n" not in received:
                received += receive(connection)
            head, received = received.split(b"\r\n\r\n", 1)
            length = int(next(
                line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")))
            while len(received) < length:
                received += receive(connection)
            received = received[length:]
            statuses.append(int(head.split(b" ")[1]))
    assert statuses == [200, 404, 404, 404, 404]


def test_hundreds_of_pipelined_requests_are_all_answered_or_the_connection_ends(house):
    token = house.token("integration")
    count = 200
    with tls_socket(house) as connection:
        sender = threading.Thread(
            target=lambda: connection.sendall(request_bytes("GET", "/fhir/Patient/none", token) * count))
        sender.start()
        received = b""
        while received.count(b"HTTP/1.1 404") < count:
            part = receive(connection)
            if not part:
                break
            received += part
        sender.join()
    assert received.count(b"HTTP/1.1 404") == count


# MARK: Hanging up


@pytest.mark.parametrize("way", ["close", "reset"])
def test_a_client_that_hangs_up_during_a_write_leaves_its_audit_record(house, way):
    token = house.token("integration")
    name = f"hung-up-{way}"
    count = 20
    for number in range(count):
        record = f"{name}-{number}"
        connection = tls_socket(house)
        body = json.dumps({"resourceType": "Patient", "id": record}).encode()
        connection.sendall(request_bytes("PUT", f"/fhir/Patient/{record}", token, body))
        if way == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        else:
            connection.close()
    fhir = house.client("integration")

    def settled():
        """Whether every write that is there is in the log, with the same version, and the other way round."""
        there = {number for number in range(count) if fhir.get(f"Patient/{name}-{number}").status_code == 200}
        logged = {event["records"][0] for event in house.events("--kind", "create") if event["records"]} | {
            event["records"][0] for event in house.events("--kind", "update") if event["records"]}
        expected = {f"Patient/{name}-{number}/_history/1" for number in there}
        mine = {record for record in logged if record.startswith(f"Patient/{name}-")}
        return expected == mine and there

    there = wait_until(settled, timeout=20, interval=0.5, what="records and log to agree")
    if way == "close":
        assert len(there) == count, "a request that arrived whole is carried out"


def test_half_a_request_is_never_carried_out(house):
    token = house.token("integration")
    body = json.dumps({"resourceType": "Patient", "id": "half"}).encode()
    with tls_socket(house) as connection:
        connection.sendall(request_bytes("PUT", "/fhir/Patient/half", token, body)[:-1])
    time.sleep(0.5)
    assert house.client("integration").get("Patient/half").status_code == 404


# MARK: Graceful end


def test_a_request_in_flight_is_answered_before_the_end_and_the_log_is_sealed(houses):
    made = houses()
    token = made.token("integration")
    body = json.dumps({"resourceType": "Patient", "id": "last"}).encode()
    request = request_bytes("PUT", "/fhir/Patient/last", token, body)
    with tls_socket(made) as connection:
        connection.sendall(request[:-1])
        time.sleep(0.3)
        made.process.send_signal(signal.SIGTERM)
        # It ends, and lets nobody new in, while this one is answered.
        wait_until(lambda: not accepts(made), timeout=10, what="the end of listening")
        assert made.process.poll() is None
        connection.sendall(request[-1:])
        answer = read_answer(connection)
    assert answer is not None and answer.status == 201
    receipt = int(answer.headers["ward-audit-receipt"].split(":")[0])
    assert made.stop() == 0
    events = made.events()
    assert next(event for event in events if event["index"] == receipt)["kind"] in ("create", "update")
    own = [event["kind"] for event in events]
    assert own.index("stop") < len(own) and own[:own.index("stop")] == ["keys-opened"]
    assert made.ward("audit", "verify").returncode == 0
    made.start()
    assert made.client("integration").get("Patient/last").status_code == 200
    made.kill()


def accepts(house):
    try:
        socket.create_connection(("127.0.0.1", house.port), timeout=1).close()
        return True
    except OSError:
        return False


def test_an_idle_connection_does_not_hold_up_the_end(houses):
    made = houses(roles=())
    idle = [tls_socket(made) for _ in range(10)]
    unfinished = socket.create_connection(("127.0.0.1", made.port), timeout=10)
    started = time.monotonic()
    assert made.stop(timeout=40) == 0
    assert time.monotonic() - started < 10
    for connection in [*idle, unfinished]:
        connection.close()


def test_a_second_signal_while_ending_loses_nothing(houses):
    made = houses()
    fhir = made.client("integration")
    for number in range(20):
        assert fhir.put(f"Patient/p{number}", {"resourceType": "Patient", "id": f"p{number}"}).status_code == 201
    made.process.send_signal(signal.SIGTERM)
    made.process.send_signal(signal.SIGINT)
    made.stop()
    made.start()
    assert made.client("integration").search("Patient?_total=accurate&_count=0")["total"] == 20
    assert made.ward("audit", "verify").returncode == 0
    made.kill()
