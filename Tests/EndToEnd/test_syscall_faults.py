"""Each file system call of a burst of requests fails in turn: no answered event is lost, no unlogged answer is given.

strace attaches to the running server and makes the n-th call of one kind fail in every thread, while clients write,
read and search. Every answer with a receipt must stand in the log, with the leaf that the receipt names; every answer
without one must be a failure that tells nothing; when the calls work again the server goes on, and at the end the store
opens anew and verifies.
"""

import collections
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
import requests

from conftest import in_parallel, wait_until
from probes import leaf_hash

# Of the file system; sockets are read and written by other calls here, but for read and write.
CALLS = ("pwrite64", "pread64", "fdatasync", "fsync", "ftruncate", "openat", "unlink", "fallocate", "mmap", "fcntl",
         "newfstatat", "lseek", "write", "read")
ERRORS = {"pread64": ("EIO",), "openat": ("EIO", "EMFILE"), "mmap": ("ENOMEM",), "fcntl": ("EIO",), "newfstatat": ("EIO",),
          "read": ("EIO",), "unlink": ("EIO",), "lseek": ("EIO",)}
# The short run; and how deep into a burst the long one goes.
SAMPLE = [("pwrite64", "EIO", 1), ("pwrite64", "ENOSPC", 3), ("fdatasync", "EIO", 1), ("pread64", "EIO", 1),
          ("openat", "EMFILE", 1)]
DEEPEST = 12
SECRET = "Oyelaran"


@pytest.fixture
def traced(houses):
    """A running server, if strace is there and may attach."""
    if shutil.which("strace") is None:
        pytest.skip("no strace: apt install strace")
    house = houses()
    done = subprocess.run(
        ["timeout", "-s", "INT", "1", "strace", "-f", "-qq", "-o", os.devnull, "-p", str(house.process.pid)],
        capture_output=True, text=True, timeout=30)
    if "ptrace" in done.stderr.lower():
        pytest.skip(f"strace may not attach here: {done.stderr.strip()[:200]}")
    return house


class Trace:
    """strace on the running server, for as long as the block lasts."""

    def __init__(self, house, *options):
        self.command = ["strace", "-f", "-qq", "-p", str(house.process.pid), *options]
        self.house = house

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_until(self._is_attached, timeout=10, what="strace to attach")
        return self

    def _is_attached(self):
        status = open(f"/proc/{self.house.process.pid}/status").read()
        return re.search(r"TracerPid:\t([1-9]\d*)", status) or self.process.poll() is not None

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


class Burst:
    """Requests of four clients at once, and what was answered."""

    def __init__(self, house):
        self.tokens = [house.token("integration") for _ in range(4)]
        self.house = house
        self.answers = []
        self.count = 0

    def run(self):
        self.count += 1
        made = in_parallel([lambda number=number: self._ask(number) for number in range(4)])
        self.answers += [answer for answers in made for answer in answers]

    def _ask(self, number):
        fhir = self.house.stranger(self.tokens[number])
        name = f"s{self.count}c{number}"
        resource = {"resourceType": "Patient", "id": name, "name": [{"family": SECRET}]}
        answers = []
        for method, path, body in (("PUT", f"Patient/{name}", resource), ("GET", f"Patient/{name}", None),
                                   ("GET", "Patient/first", None), ("GET", f"Patient?name={SECRET}&_count=2", None)):
            try:
                answers.append(fhir.request(method, path, body, timeout=15))
            except requests.RequestException:
                # Not answered: nothing was promised.
                pass
        return answers


def check_answers(answers):
    """Whatever tells something of a record has a receipt."""
    for answer in answers:
        if "Ward-Audit-Receipt" not in answer.headers:
            assert answer.status_code >= 500 and SECRET not in answer.text, (answer.status_code, answer.text[:200])


def reconcile(house, answers):
    house.stop()
    connection = sqlite3.connect(f"file:{house.data}/ward.db?mode=ro", uri=True)
    leaves = dict(connection.execute("SELECT number, leaf FROM leaf"))
    connection.close()
    house.start()
    events = {event["index"]: event for event in house.events(limit=10_000_000)}
    for answer in answers:
        value = answer.headers.get("Ward-Audit-Receipt")
        if value is None:
            continue
        index, digest = value.split(":")
        assert leaf_hash(leaves[int(index)]) == digest, "another event than was answered"
        assert events[int(index)]["request"] == answer.headers["X-Request-Id"]
    fhir = house.client("integration")
    for answer in answers:
        if answer.request.method == "PUT" and answer.status_code in (200, 201):
            assert fhir.get(answer.url).status_code == 200, "an answered write is gone"
    done = house.ward("verify", "--client", "administrator", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def goes_on(house, burst):
    """Whether records are answered again within a while."""
    probe = house.stranger(burst.tokens[0])
    end = time.monotonic() + 15
    while house.process.poll() is None and time.monotonic() < end:
        try:
            answer = probe.get("Patient/first", timeout=5)
            check_answers([answer])
            if answer.status_code == 200:
                return True
        except requests.RequestException:
            pass
        time.sleep(0.1)
    return False


def fail_in_turn(house, cases):
    fhir = house.client("integration")
    first = {"resourceType": "Patient", "id": "first", "name": [{"family": SECRET}]}
    assert fhir.put("Patient/first", first).status_code == 201
    burst = Burst(house)
    burst.run()
    failures = collections.Counter()
    for call, error, number in cases:
        before = len(burst.answers)
        with Trace(house, "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={number}"):
            burst.run()
        check_answers(burst.answers[before:])
        failures[call] += sum(answer.status_code >= 500 for answer in burst.answers[before:])
        if not goes_on(house, burst):
            # It may end, or refuse, rather than go on in doubt (a lock that could not be let go of): a restart helps.
            failures["restarts"] += 1
            house.kill()
            house.start()
            burst.tokens = [house.token("integration") for _ in range(4)]
    burst.run()
    assert all(answer.status_code < 500 for answer in burst.answers[-16:])
    reconcile(house, burst.answers)
    return failures


def used(house):
    """How often a burst makes each call."""
    burst = Burst(house)
    burst.run()
    out = house.folder / "calls"
    with Trace(house, "-o", str(out), "-e", f"trace={','.join(CALLS)}"):
        burst.run()
    return collections.Counter(re.findall(r"^\d+ +(\w+)\(", out.read_text(), re.MULTILINE))


def test_file_system_calls_that_fail_lose_nothing_and_tell_nothing(traced):
    failures = fail_in_turn(traced, SAMPLE)
    assert failures["pwrite64"] + failures["fdatasync"] > 0, "nothing was made to fail"
    traced.kill()


@pytest.mark.slow
def test_every_file_system_call_that_fails_loses_nothing_and_tells_nothing(traced):
    calls = used(traced)
    assert calls["pwrite64"] and calls["fdatasync"], calls
    cases = [(call, error, number) for call in CALLS if calls[call]
             for error in ERRORS.get(call, ("EIO", "ENOSPC")) for number in range(1, min(calls[call], DEEPEST) + 1)]
    failures = fail_in_turn(traced, cases)
    assert failures["pwrite64"] and failures["fdatasync"], failures
    traced.kill()
