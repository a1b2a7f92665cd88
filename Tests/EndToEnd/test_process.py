"""The running process: closed to debuggers and dumps, no secrets in view, and one address never pays for another."""

import os
import pathlib
import pwd
import re
import shutil
import subprocess
import time

import pytest

from conftest import wait_until
from probes import free_port_number, read_answer, request_bytes, tls_socket

FAILURES_UNTIL_BLOCKED = 30


@pytest.fixture(scope="module")
def proxied(houses):
    made = houses(options=("--proxy", "127.0.0.9"))
    yield made
    made.kill()


def process_file(house, name):
    return pathlib.Path(f"/proc/{house.process.pid}/{name}")


def answer_from(house, source, token=None, path="/fhir/Patient/none", headers=(), method="GET"):
    """The status of one request from an address of the loopback network."""
    with tls_socket(house, source=source) as connection:
        connection.sendall(request_bytes(method, path, token, headers=("Connection: close", *headers)))
        return read_answer(connection)


# MARK: Memory


def test_no_core_dump_is_ever_written(house):
    limits = process_file(house, "limits").read_text()
    assert re.search(r"^Max core file size\s+0\s+0\s", limits, re.MULTILINE), limits


@pytest.fixture
def unprivileged(binary, tmp_path_factory):
    """A server of a user without privileges, since root may look into everything."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to run a server as another user")
    user = pwd.getpwnam("nobody")
    folder = pathlib.Path(tmp_path_factory.mktemp("unprivileged"))
    program = folder / "ward"
    shutil.copy(binary, program)
    program.chmod(0o755)
    for path in [folder, *folder.parents]:
        if not path.stat().st_mode & 0o001:
            path.chmod(path.stat().st_mode | 0o011)
    home = folder / "home"
    home.mkdir()
    os.chown(home, user.pw_uid, user.pw_gid)

    def run(*arguments, **more):
        return subprocess.run(
            [str(each) for each in arguments], capture_output=True, text=True, cwd=home, user=user.pw_uid,
            group=user.pw_gid, extra_groups=[], timeout=60, **more)

    assert run(program, "init", "--data", "data").returncode == 0
    errors = open(folder / "errors", "wb")
    process = subprocess.Popen(
        [str(program), "serve", "--data", "data", "--listen", f"127.0.0.1:{free_port_number()}"], cwd=home,
        user=user.pw_uid, group=user.pw_gid, extra_groups=[], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    try:
        wait_until(lambda: b"listening" in (folder / "errors").read_bytes(), what="the server")
        yield run, process, home
    finally:
        process.terminate()
        process.wait(30)
        errors.close()


def test_the_process_is_not_dumpable(unprivileged):
    _, process, _ = unprivileged
    # The kernel gives the files of a process that is not dumpable to root (proc(5), PR_SET_DUMPABLE(2const)).
    assert pathlib.Path(f"/proc/{process.pid}").stat().st_uid != 0, "the folder itself stays the user's"
    assert pathlib.Path(f"/proc/{process.pid}/mem").stat().st_uid == 0


def test_the_same_user_cannot_read_its_memory(unprivileged):
    run, process, _ = unprivileged
    for name in ("mem", "maps", "environ"):
        done = run("head", "-c", "1", f"/proc/{process.pid}/{name}")
        assert done.returncode != 0 and "ermission denied" in done.stderr, f"{name} can be read"


def test_the_same_user_cannot_take_a_core_of_it(unprivileged):
    run, process, home = unprivileged
    if shutil.which("gcore") is None:
        pytest.skip("gcore is not installed")
    done = run("gcore", "-o", str(home / "core"), str(process.pid))
    assert done.returncode != 0
    assert not list(home.glob("core*"))
    assert process.poll() is None, "the server runs on"


def test_a_process_that_is_dumpable_can_be_read_by_its_user(unprivileged):
    # The control: without the protection these looks succeed.
    run, _, _ = unprivileged
    done = run("sh", "-c", "head -c 1 /proc/$$/maps && stat -c %u /proc/$$/mem")
    assert done.returncode == 0
    assert done.stdout.split()[-1] != "0"


# MARK: What everybody can see of it


def test_no_secret_stands_in_the_arguments_or_the_environment(house):
    token = house.token("integration")
    key = dict(line.split(" ", 1) for line in (house.folder / "data.key").read_text().splitlines())["key"]
    client_key = house.key_file("integration").read_text()
    private_part = re.search(r'"d"\s*:\s*"([^"]+)"', client_key).group(1)
    for name in ("cmdline", "environ"):
        content = process_file(house, name).read_bytes()
        for secret in (token, key, private_part):
            assert secret.encode() not in content


def test_no_secret_stands_in_the_logs(house):
    token = house.token("integration")
    house.stranger(token).get("Patient/none")
    house.stranger("x" + token).get("Patient/none")
    written = house.errors() + house.log_file.read_text()
    assert token not in written


def test_the_control_socket_is_the_owners_alone(house):
    assert (house.data / "control.sock").stat().st_mode & 0o077 == 0
    assert house.data.stat().st_mode & 0o077 == 0


# MARK: Whose address counts


def addresses(house, kind, record):
    return [event["from"] for event in house.events("--kind", kind, "--record", record)]


def test_a_forwarded_header_from_anybody_does_not_count(proxied):
    token = proxied.token("integration")
    for header in ("X-Forwarded-For: 203.0.113.7", "Forwarded: for=203.0.113.7", "X-Real-IP: 203.0.113.7"):
        assert answer_from(proxied, "127.0.0.1", token, "/fhir/Patient/seen-1", (header,)).status == 404
    assert set(addresses(proxied, "read", "Patient/seen-1")) == {"127.0.0.1"}


def test_a_forwarded_header_from_the_proxy_counts(proxied):
    token = proxied.token("integration")
    header = ("X-Forwarded-For: 203.0.113.7",)
    assert answer_from(proxied, "127.0.0.9", token, "/fhir/Patient/seen-2", header).status == 404
    assert addresses(proxied, "read", "Patient/seen-2") == ["203.0.113.7"]


def test_of_several_forwarded_addresses_the_one_the_proxy_saw_counts(proxied):
    token = proxied.token("integration")
    header = ("X-Forwarded-For: 198.51.100.1, 203.0.113.8",)
    assert answer_from(proxied, "127.0.0.9", token, "/fhir/Patient/seen-3", header).status == 404
    header = ("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.8")
    assert answer_from(proxied, "127.0.0.9", token, "/fhir/Patient/seen-3", header).status == 404
    assert addresses(proxied, "read", "Patient/seen-3") == ["203.0.113.8"] * 2


def test_words_in_a_forwarded_header_reach_no_log(proxied):
    token = proxied.token("integration")
    header = ("X-Forwarded-For: zyzzyva <script>",)
    answer_from(proxied, "127.0.0.9", token, "/fhir/Patient/seen-4", header)
    assert "zyzzyva" not in proxied.errors()
    assert all("zyzzyva" not in address for address in addresses(proxied, "read", "Patient/seen-4"))


def test_without_a_proxy_nobodys_forwarded_header_counts(house):
    token = house.token("integration")
    header = ("X-Forwarded-For: 203.0.113.7",)
    assert answer_from(house, "127.0.0.9", token, "/fhir/Patient/seen-5", header).status == 404
    assert addresses(house, "read", "Patient/seen-5") == ["127.0.0.9"]


# MARK: Throttling


@pytest.fixture
def throttled(houses):
    made = houses()
    yield made
    made.kill()


def test_bad_tokens_slow_down_their_own_address_and_no_other(throttled):
    good = throttled.token("integration")
    assert answer_from(throttled, "127.0.0.2", "wrong").status == 401
    wait_until(lambda: answer_from(throttled, "127.0.0.2", "wrong").status == 429, timeout=60, interval=0)
    blocked = answer_from(throttled, "127.0.0.2", "wrong")
    assert blocked.status == 429 and int(blocked.headers["retry-after"]) > 0
    assert answer_from(throttled, "127.0.0.1", good).status == 404, "another address is served"
    assert answer_from(throttled, "127.0.0.3", "wrong").status == 401, "a third starts from nothing"
    # The failures are in the log as few lines that count them.
    events = wait_until(
        lambda: (found := [event for event in throttled.events("--kind", "sign-in-failed")
                           if event["from"] == "127.0.0.2"]) and sum(e["count"] for e in found) >= 30 and found,
        timeout=20, interval=0.5, what="the events of the failed sign-ins")
    assert len(events) < 10


@pytest.mark.slow
def test_a_blocked_address_is_served_again_after_the_window(throttled):
    good = throttled.token("integration")
    # Failures are forgotten by and by, so that a slow machine needs some more.
    wait_until(lambda: answer_from(throttled, "127.0.0.2", "wrong").status == 429, timeout=60, interval=0)
    started = time.monotonic()
    wait_until(lambda: answer_from(throttled, "127.0.0.2", good).status == 404, timeout=60, interval=1)
    assert time.monotonic() - started < 45


def test_forged_forwarded_headers_do_not_escape_the_throttle(throttled):
    for number in range(FAILURES_UNTIL_BLOCKED):
        answer_from(throttled, "127.0.0.4", "wrong", headers=(f"X-Forwarded-For: 203.0.113.{number}",))
    assert answer_from(throttled, "127.0.0.4", "wrong", headers=("X-Forwarded-For: 203.0.113.99",)).status == 429


def test_bad_assertions_count_as_well(throttled):
    form = (b"grant_type=client_credentials&client_assertion=a.b.c&client_assertion_type="
            b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer")
    statuses = []
    for _ in range(FAILURES_UNTIL_BLOCKED + 2):
        with tls_socket(throttled, source="127.0.0.5") as connection:
            connection.sendall(
                b"POST /oauth/token HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(form) + form)
            statuses.append(read_answer(connection).status)
    assert statuses[0] == 401 and statuses[-1] == 429
