"""A second machine follows, and takes over: what was answered is there, and two machines never both write.

Network faults are made by a relay between the two that can be cut; one test does the same with network namespaces.
"""

import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time

import pytest
import requests

from conftest import FHIR, House, free_port, wait_until
from enrolment import enrol_by_password
from test_people import LINK

LEASE = 3


class Relay:
    """Passes bytes between the follower and the primary until it is cut."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = True
        self.pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if not self.open:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
                far.settimeout(None)
            except OSError:
                near.close()
                continue
            self.pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source, sink):
        try:
            while data := source.recv(65536):
                # A cut network says nothing: what is on its way is lost, and no connection ends.
                if self.open:
                    sink.sendall(data)
        except OSError:
            pass
        for each in (source, sink):
            try:
                each.close()
            except OSError:
                pass

    def cut(self):
        self.open = False

    def mend(self):
        for pair in self.pairs:
            for each in pair:
                try:
                    each.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        self.pairs.clear()
        self.open = True

    def close(self):
        self.cut()
        self.listener.close()
        self.mend()


class Pair:
    """A primary and its standby, as two folders."""

    def __init__(self, house, folder):
        self.primary = house
        self.folder = folder
        self.copy = folder / "copy"
        self.keys = folder / "copy.standby-key"
        self.port = free_port()
        self.relay = Relay(self.port)
        self.follower = None
        self.log = folder / "follower.log"
        self.number = 0

    def pair(self, lease=LEASE):
        done = self.primary.ward_program("standby", "prepare", "--data", self.copy, cwd=self.folder)
        assert done.returncode == 0, done.stderr
        request = self.folder / "request.json"
        request.write_text(done.stdout)
        done = self.primary.ward("standby", "pair", request, "--lease", lease)
        assert done.returncode == 0, done.stderr
        self.pairing = self.folder / "pairing.json"
        self.pairing.write_text(done.stdout)
        return self

    def follow(self, *options):
        first = [] if (self.copy / "standby.json").exists() else ["--pairing", self.pairing]
        with open(self.log, "ab") as log:
            self.follower = subprocess.Popen(
                [str(self.primary.binary), "follow", "--data", str(self.copy), "--primary",
                 f"127.0.0.1:{self.relay.port}", *map(str, first), *map(str, options)],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def serve(self, *options):
        self.primary.start("--standby-listen", f"127.0.0.1:{self.port}", *options, timeout=120)
        return self

    def status(self):
        done = self.primary.ward("standby", "status", "--json")
        assert done.returncode in (0, 2), done.stderr
        return json.loads(done.stdout)

    def caught_up(self):
        def isSo():
            status = self.status()
            return status.get("follower") == "following" and status["waiting"] == 0
        wait_until(isSo, timeout=90, interval=0.3, what="the standby")

    def kill_follower(self):
        self.follower.kill()
        self.follower.wait(10)

    def promote(self, *options, check=True):
        done = self.primary.ward_program(
            "standby", "promote", "--data", self.copy, "--reason", "the primary is gone", *options, cwd=self.folder,
            timeout=300)
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def promoted(self):
        """The store that took over, with the clients of the old one."""
        house = House(self.primary.ward_program, self.primary.binary, self.primary.folder)
        house.data = self.copy
        house.log_file = self.folder / "promoted.log"
        house.error_file = self.folder / "promoted.err"
        return house

    def end(self):
        self.relay.close()
        if self.follower is not None and self.follower.poll() is None:
            # It may have been stopped by a test.
            self.follower.send_signal(signal.SIGCONT)
            self.follower.kill()
            self.follower.wait(10)


@pytest.fixture
def pair(houses, tmp_path):
    made = Pair(houses(start=False), tmp_path)
    yield made
    made.end()
    if made.primary.process is not None:
        made.primary.process.send_signal(signal.SIGCONT)


def patient(number):
    return {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"zqxstandby{number}"}]}


def rows(database):
    """All rows that a copy must have as its original has them."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return {
            **{table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
               for table in ("version", "head", "past", "card", "patient_key", "entry", "leaf", "tile", "audit_segment")},
            "metadata": connection.execute("SELECT * FROM metadata WHERE key != 'standby' ORDER BY 1").fetchall()}


def same(pair):
    first, second = rows(pair.primary.data / "ward.db"), rows(pair.copy / "ward.db")
    for table in first:
        assert first[table] == second[table], table


class Load:
    """Writes and keeps what was answered."""

    def __init__(self, fhir, threads=3):
        self.fhirs = [fhir.__class__(fhir.origin, fhir.session.verify, fhir.token) for _ in range(threads)]
        self.answered = {}
        self.refused = 0
        self.stopped = False
        self.threads = [
            threading.Thread(target=self._run, args=(number, each), daemon=True) for number, each in enumerate(self.fhirs)]
        for thread in self.threads:
            thread.start()

    def _run(self, number, fhir):
        count = 0
        while not self.stopped:
            name = number * 100_000 + count
            count += 1
            try:
                answer = fhir.put(f"Patient/w{name}", {**patient(name), "id": f"w{name}"}, timeout=120)
            except requests.RequestException:
                time.sleep(0.05)
                continue
            if answer.status_code == 201:
                self.answered[f"w{name}"] = time.monotonic()
            else:
                assert answer.status_code >= 500, answer.text
                self.refused += 1
                time.sleep(0.02)

    def end(self):
        self.stopped = True
        for thread in self.threads:
            thread.join(150)


def refuses_writes(pair, fhir):
    try:
        return fhir.put("Patient/late", {**patient(1), "id": "late"}, timeout=60).status_code == 503
    except requests.RequestException:
        return False


# MARK: Following


def test_a_copy_is_equal_through_kills_of_either(pair):
    pair.pair().follow().serve()
    fhir = pair.primary.client("integration")
    for number in range(30):
        assert fhir.put(f"Patient/p{number}", patient(number)).status_code == 201
    pair.caught_up()
    status = pair.status()
    assert status["good"] and status["mode"] == "asynchronous" and status["leaseMilliseconds"] > 0
    assert status["lagMilliseconds"] < 5000
    # The follower ends in the middle, and goes on from where it was.
    load = Load(fhir)
    wait_until(lambda: len(load.answered) > 10, what="writes")
    pair.kill_follower()
    pair.follow()
    seen = len(load.answered)
    wait_until(lambda: len(load.answered) > seen + 10, timeout=60, what="writes after the follower came back")
    load.end()
    for number in range(10):
        assert fhir.put(f"Patient/p{number}", {**patient(number), "active": False}).status_code == 200
        assert fhir.delete(f"Patient/p{number + 10}").status_code in (200, 204)
    pair.caught_up()
    # The primary ends as by a power cut, and starts again: the follower gets what it lacks from the store.
    pair.primary.kill()
    pair.serve()
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/after", {**patient(1), "id": "after"}).status_code == 201
    pair.caught_up()
    done = pair.primary.ward_program("standby", "status", "--data", pair.copy, "--json")
    shown = json.loads(done.stdout)
    assert done.returncode == 0 and shown["whole"] and shown["running"] and shown["connected"]
    assert pair.primary.stop() == 0
    # What the primary wrote while it ended is carried over when it comes back; held against a whole stop here.
    pair.kill_follower()
    first, second = rows(pair.primary.data / "ward.db"), rows(pair.copy / "ward.db")
    for table in ("version", "head", "past", "card", "patient_key"):
        assert first[table] == second[table], table
    shorter = len(second["leaf"])
    assert second["leaf"] == first["leaf"][:shorter] and shorter >= len(first["leaf"]) - 3
    assert b"zqxstandby" not in (pair.copy / "ward.db").read_bytes()


def test_a_copy_does_not_open_and_shows_no_key(pair):
    pair.pair().follow().serve()
    pair.caught_up()
    pair.primary.kill()
    pair.kill_follower()
    # Even with the primary's own key file at hand.
    key = pair.primary.folder / "data.key"
    assert key.exists()
    for command in (["serve", "--listen", f"127.0.0.1:{free_port()}"], ["audit", "verify"], ["client", "list"]):
        done = pair.primary.ward_program(*command, "--data", pair.copy, "--key-file", key, timeout=60)
        assert done.returncode == 1 and "copy of a standby" in done.stderr, done.stderr
    assert oct(pair.keys.stat().st_mode & 0o777) == "0o600"
    for path in pair.copy.rglob("*"):
        assert b"PRIVATE KEY" not in path.read_bytes() if path.is_file() else True
    # The primary is written by its server alone.
    done = pair.primary.ward("client", "list")
    assert done.returncode == 1 and "standby" in done.stderr


def test_who_was_not_paired_is_nobody(pair, tmp_path):
    pair.pair().follow().serve()
    pair.caught_up()
    # Without a certificate, and with a wrong one.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = b""
    try:
        with socket.create_connection(("127.0.0.1", pair.port), timeout=20) as plain:
            with context.wrap_socket(plain) as secured:
                secured.sendall(b"\0\0\0\1x")
                said = secured.recv(1)
    except OSError:
        pass
    assert said == b"", "somebody without a certificate was answered"
    stranger = tmp_path / "stranger"
    done = pair.primary.ward_program("standby", "prepare", "--data", stranger)
    assert done.returncode == 0
    log = open(tmp_path / "stranger.log", "wb")
    process = subprocess.Popen(
        [str(pair.primary.binary), "follow", "--data", str(stranger), "--primary", f"127.0.0.1:{pair.port}", "--pairing",
         str(pair.pairing)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: (stranger / "standby.status").exists(), what="the stranger")
        # Several attempts later it still has nothing.
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert not json.loads((stranger / "standby.status").read_text()).get("whole")
            time.sleep(0.2)
        assert sqlite3.connect(f"file:{stranger}/ward.db?mode=ro", uri=True).execute(
            "SELECT count(*) FROM leaf").fetchone() == (0,)
    finally:
        process.kill()
        process.wait(10)
        log.close()
    assert pair.status()["good"]
    # Nor can the stranger be promoted, or the pairing be opened with its keys.
    done = pair.primary.ward_program("standby", "promote", "--data", stranger, "--reason", "theft")
    assert done.returncode == 1 and "not the keys" in done.stderr, done.stderr


def test_a_primary_set_back_is_noticed(pair):
    pair.pair().follow().serve()
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    pair.primary.stop()
    early = pair.folder / "early"
    shutil.copytree(pair.primary.data, early)
    pair.serve()
    fhir = pair.primary.client("integration")
    for number in range(2, 12):
        assert fhir.put(f"Patient/p{number}", patient(number)).status_code == 201
    pair.caught_up()
    pair.primary.kill()
    shutil.rmtree(pair.primary.data)
    shutil.copytree(early, pair.primary.data)
    (pair.primary.data / "ca.pem").unlink(missing_ok=True)
    log = open(pair.folder / "early.log", "wb")
    process = subprocess.Popen(
        [str(pair.primary.binary), "serve", "--data", str(pair.primary.data), "--listen", f"127.0.0.1:{free_port()}",
         "--standby-listen", f"127.0.0.1:{pair.port}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        assert pair.follower.wait(90) == 2
    finally:
        process.kill()
        process.wait(10)
        log.close()
    assert "refuses this standby: shorter-log" in pair.log.read_text() or "no continuation" in pair.log.read_text()


# MARK: The lease


def test_a_primary_that_is_cut_off_stops_writing_and_goes_on_when_it_is_not(pair):
    pair.pair().follow().serve()
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.relay.cut()
    wait_until(lambda: refuses_writes(pair, fhir), timeout=60, interval=0.2, what="a refusal")
    # And stays with it, reads too: an access that cannot be written down does not happen.
    for _ in range(3):
        assert fhir.put("Patient/p2", patient(2), timeout=60).status_code == 503
        assert fhir.get("Patient/p1", timeout=60).status_code == 503
    pair.relay.mend()
    wait_until(lambda: fhir.put("Patient/p3", patient(3), timeout=60).status_code == 201, timeout=60, what="a write")
    assert fhir.get("Patient/p2").status_code == 404
    pair.caught_up()


def test_a_primary_does_not_begin_without_a_lease(pair):
    pair.pair()
    log = open(pair.folder / "alone.log", "wb")
    before = rows(pair.primary.data / "ward.db")
    process = subprocess.Popen(
        [str(pair.primary.binary), "serve", "--data", str(pair.primary.data), "--listen", f"127.0.0.1:{free_port()}",
         "--standby-listen", f"127.0.0.1:{pair.port}"], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: "waiting for the lease" in (pair.folder / "alone.log").read_text(), what="waiting")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(5)
    finally:
        process.kill()
        process.wait(10)
        log.close()
    assert rows(pair.primary.data / "ward.db") == before
    # Nor without being told where its standby is.
    done = pair.primary.ward_program("serve", "--data", pair.primary.data, "--listen", f"127.0.0.1:{free_port()}")
    assert done.returncode == 1 and "follows this store" in done.stderr
    assert rows(pair.primary.data / "ward.db") == before


def test_killed_under_load_and_taken_over(pair):
    """Synchronous: nothing that was answered is lost."""
    pair.pair().follow().serve("--standby-synchronous")
    load = Load(pair.primary.client("integration"))
    wait_until(lambda: len(load.answered) > 60, timeout=60, what="writes")
    pair.primary.kill()
    load.end()
    began = time.monotonic()
    pair.promote()
    print(f"promoted in {time.monotonic() - began:.1f} s; {len(load.answered)} writes were answered")
    new = pair.promoted()
    new.start()
    try:
        fhir = new.client("integration")
        for name in load.answered:
            assert fhir.get(f"Patient/{name}").status_code == 200, name
        assert fhir.put("Patient/new", {**patient(1), "id": "new"}).status_code == 201
        events = new.events("--kind", "standby-promoted")
        assert len(events) == 1 and "epoch 2 the primary is gone" in events[0]["decision"]
        assert new.ward("audit", "verify").returncode == 0
        # The way in of the machine of before opens nothing here.
        new.stop()
        done = new.ward("client", "list", "--key-file", pair.primary.folder / "data.key")
        assert done.returncode == 1
        # The follower's part is over.
        pair.follow("--pairing", pair.pairing)
        assert pair.follower.wait(30) == 1
    finally:
        new.kill()


def test_the_old_primary_never_writes_again(pair):
    pair.pair().follow().serve()
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    # Split: both machines live, and do not reach one another.
    pair.relay.cut()
    pair.promote()
    new = pair.promoted()
    new.start()
    try:
        other = new.client("integration")
        assert other.put("Patient/p2", patient(2)).status_code == 201
        assert fhir.put("Patient/p3", patient(3), timeout=60).status_code == 503
        # The net is whole again: the old one learns that it was replaced, and keeps that in mind.
        pair.relay.mend()
        fence = pair.primary.data / "standby.fenced"
        wait_until(fence.exists, timeout=60, what="the fence")
        assert fhir.put("Patient/p4", patient(4), timeout=60).status_code == 503
        assert pair.status()["fencedBy"] == 2
        pair.primary.kill()
        for command in (
                ["serve", "--listen", f"127.0.0.1:{free_port()}", "--standby-listen", f"127.0.0.1:{pair.port}"],
                ["client", "list"], ["standby", "end", "--copy-is-destroyed", "--reason", "a lie"]):
            done = pair.primary.ward_program(*command, "--data", pair.primary.data, timeout=60)
            assert done.returncode == 1 and "never written again" in done.stderr, done.stderr
        assert other.put("Patient/p5", patient(5)).status_code == 201
    finally:
        new.kill()


def test_a_primary_that_was_stopped_past_its_lease_answers_nobody(pair):
    pair.pair(lease=2).follow().serve("--standby-synchronous")
    load = Load(pair.primary.client("integration"), threads=4)
    wait_until(lambda: len(load.answered) > 20, timeout=60, what="writes")
    # In the middle of commits.
    pair.primary.process.send_signal(signal.SIGSTOP)
    pair.promote()
    stopped = time.monotonic()
    pair.primary.process.send_signal(signal.SIGCONT)
    wait_until(lambda: load.refused > 8, timeout=90, what="refusals")
    load.end()
    new = pair.promoted()
    new.start()
    try:
        fhir = new.client("integration")
        # An answer that was on its way already may come; what it tells of is on the other side.
        for name in load.answered:
            assert fhir.get(f"Patient/{name}").status_code == 200, (name, load.answered[name] > stopped)
        assert fhir.put("Patient/p1", patient(1)).status_code in (200, 201)
    finally:
        new.kill()


class Networks:
    """Two machines that clients reach, and a wire between them that can be pulled."""

    def __init__(self):
        # Short, and of this process alone.
        self.tag = f"w{os.getpid() % 100_000}"
        self.machines = {name: f"{self.tag}{name}" for name in "pf"}
        net = 100 + os.getpid() % 100
        self.addresses = {"p": f"10.{net}.1.2", "f": f"10.{net}.2.2"}
        self.wire = f"10.{net}.3.1"
        try:
            for machine in self.machines.values():
                self.run("netns", "add", machine)
                self.run("-n", machine, "link", "set", "lo", "up")
            for number, name in enumerate("pf", 1):
                machine = self.machines[name]
                self.run("link", "add", f"{machine}r", "type", "veth", "peer", "name", "eth0", "netns", machine)
                self.run("addr", "add", f"10.{net}.{number}.1/24", "dev", f"{machine}r")
                self.run("link", "set", f"{machine}r", "up")
                self.run("-n", machine, "addr", "add", f"{self.addresses[name]}/24", "dev", "eth0")
                self.run("-n", machine, "link", "set", "eth0", "up")
            first, second = self.machines["p"], self.machines["f"]
            self.run("-n", first, "link", "add", "eth1", "type", "veth", "peer", "name", "eth1", "netns", second)
            self.run("-n", first, "addr", "add", f"{self.wire}/24", "dev", "eth1")
            self.run("-n", second, "addr", "add", f"10.{net}.3.2/24", "dev", "eth1")
            self.plug("up")
        except subprocess.CalledProcessError:
            self.close()
            raise

    @staticmethod
    def run(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)

    def plug(self, state):
        for machine in self.machines.values():
            self.run("-n", machine, "link", "set", "eth1", state)

    def inside(self, name):
        return ["ip", "netns", "exec", self.machines[name]]

    def close(self):
        for machine in self.machines.values():
            subprocess.run(["ip", "netns", "delete", machine], capture_output=True, timeout=30)
            subprocess.run(["ip", "link", "delete", f"{machine}r"], capture_output=True, timeout=30)


@pytest.fixture
def networks():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and the program ip, for network namespaces")
    try:
        made = Networks()
    except (subprocess.CalledProcessError, OSError):
        pytest.skip("network namespaces cannot be made here")
    yield made
    made.close()


class Writer:
    """Writes to one machine without end, and keeps when each answer came."""

    def __init__(self, fhir, name):
        self.fhir, self.name = fhir, name
        self.answers = []
        self.refused = 0
        self.stopped = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        count = 0
        while not self.stopped:
            count += 1
            name = f"{self.name}{count}"
            try:
                answer = self.fhir.put(f"Patient/{name}", {**patient(count), "id": name}, timeout=60)
            except requests.RequestException:
                time.sleep(0.1)
                continue
            if answer.status_code == 201:
                self.answers.append((time.monotonic(), name))
            else:
                self.refused += 1
                time.sleep(0.02)

    def end(self):
        self.stopped = True
        self.thread.join(90)


def test_split_brain_in_separate_networks(pair, networks):
    """Clients reach both machines, the machines do not reach one another: at no time do both answer writes."""
    pair.pair()
    port, listening = free_port(), f"{networks.wire}:{pair.port}"
    logs = open(pair.folder / "split.log", "ab")
    processes = []

    def begin(name, *words):
        process = subprocess.Popen(
            [*networks.inside(name), str(pair.primary.binary), *map(str, words)], cwd=pair.primary.folder,
            stdin=subprocess.DEVNULL, stdout=logs, stderr=logs)
        processes.append(process)
        return process

    def serving(name, data, *options):
        address = networks.addresses[name]
        begin(name, "serve", "--data", data, "--listen", f"{address}:{port}", "--host", address, *options)
        return f"https://{address}:{port}"

    def answers(origin, data):
        try:
            return requests.get(f"{origin}/health", verify=str(data / "ca.pem"), timeout=5).status_code == 200
        except (requests.RequestException, OSError):
            return False

    def client(origin, data):
        done = pair.primary.ward_program(
            "client", "token", "integration", "--data", data, "--key", pair.primary.key_file("integration"))
        assert done.returncode == 0, done.stderr
        return FHIR(origin, data / "ca.pem", done.stdout.strip())

    try:
        begin("f", "follow", "--data", pair.copy, "--pairing", pair.pairing, "--primary", listening)
        old = serving("p", pair.primary.data, "--standby-listen", listening)
        wait_until(lambda: answers(old, pair.primary.data), timeout=90, what="the primary")
        writers = [Writer(client(old, pair.primary.data), f"old{number}-") for number in range(2)]
        wait_until(lambda: sum(len(each.answers) for each in writers) > 20, timeout=60, what="writes")
        networks.plug("down")
        done = subprocess.run(
            [*networks.inside("f"), str(pair.primary.binary), "standby", "promote", "--data", str(pair.copy), "--reason",
             "cut off"], capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        new = serving("f", pair.copy)
        wait_until(lambda: answers(new, pair.copy), timeout=90, what="the promoted server")
        taken = Writer(client(new, pair.copy), "new-")
        wait_until(lambda: len(taken.answers) > 20, timeout=60, what="writes to the promoted server")
        refused = sum(each.refused for each in writers)
        wait_until(lambda: sum(each.refused for each in writers) > refused + 3, timeout=60, what="refusals")
        networks.plug("up")
        fence = pair.primary.data / "standby.fenced"
        wait_until(fence.exists, timeout=90, what="the fence")
        refused = sum(each.refused for each in writers)
        wait_until(lambda: sum(each.refused for each in writers) > refused + 3, timeout=60, what="refusals")
        for each in [*writers, taken]:
            each.end()
        last = max(moment for each in writers for moment, _ in each.answers)
        first = min(moment for moment, _ in taken.answers)
        assert last < first, f"both answered writes for {last - first:.3f} s"
        print(f"nobody wrote for {first - last:.1f} s")
    finally:
        for process in processes:
            process.kill()
            process.wait(10)
        logs.close()


# MARK: Synchronous


def test_synchronous_writes_are_refused_without_the_follower(pair):
    pair.pair(lease=60).follow().serve("--standby-synchronous", "--standby-wait", 2)
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.follower.send_signal(signal.SIGSTOP)
    # The lease runs on; the receipt does not come.
    assert fhir.put("Patient/p2", patient(2), timeout=60).status_code == 503
    assert pair.status()["leaseMilliseconds"] > 0
    pair.follower.send_signal(signal.SIGCONT)
    wait_until(lambda: fhir.put("Patient/p3", patient(3), timeout=60).status_code == 201, timeout=60, what="a write")
    pair.caught_up()


def test_synchronous_can_fall_back_and_says_so(pair):
    pair.pair(lease=60).follow().serve("--standby-synchronous", "--standby-wait", 2, "--standby-away", "asynchronous")
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    pair.follower.send_signal(signal.SIGSTOP)
    assert fhir.put("Patient/p2", patient(2), timeout=60).status_code == 201
    status = pair.status()
    assert status["fallenBack"] and not status["good"]
    assert any("answered without it" in json.dumps(line) for line in pair.primary.log_lines())
    pair.follower.send_signal(signal.SIGCONT)
    wait_until(lambda: not pair.status()["fallenBack"], timeout=60, interval=0.3, what="receipts")


def test_asynchronous_takes_no_more_than_five_seconds_ahead(pair):
    pair.pair(lease=60).follow().serve("--standby-wait", 1)
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    pair.follower.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    assert fhir.put("Patient/p2", patient(2), timeout=60).status_code == 201
    wait_until(lambda: refuses_writes(pair, fhir), timeout=60, interval=0.2, what="a refusal")
    assert time.monotonic() - began > 4
    pair.follower.send_signal(signal.SIGCONT)
    wait_until(lambda: fhir.put("Patient/p3", patient(3), timeout=60).status_code == 201, timeout=60, what="a write")


# MARK: Commands


def test_commands_say_what_is_wrong(pair):
    ward = pair.primary.ward
    assert ward("standby", "end", "--reason", "x").returncode == 64
    assert "no standby is paired" in ward("standby", "end", "--copy-is-destroyed", "--reason", "x").stderr
    done = ward("standby", "status", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["paired"] is False
    broken = pair.folder / "broken.json"
    broken.write_text('{"ward":"standby request 1","fingerprint":"zqxcanary","recipient":"AAAA"}')
    done = ward("standby", "pair", broken)
    assert done.returncode == 1 and "not a request" in done.stderr and "zqxcanary" not in done.stderr
    assert ward("standby", "pair", broken, "--lease", 1).returncode == 64
    pair.pair()
    done = ward("standby", "pair", pair.folder / "request.json")
    assert done.returncode == 1
    # The keys lie outside, and are the owner's alone.
    done = pair.primary.ward_program("standby", "prepare", "--data", pair.copy, "--standby-key", pair.copy / "k")
    assert done.returncode == 1
    assert "never overwritten" in pair.primary.ward_program("standby", "prepare", "--data", pair.copy).stderr
    pair.keys.chmod(0o644)
    done = pair.primary.ward_program(
        "follow", "--data", pair.copy, "--primary", "127.0.0.1:1", "--pairing", pair.pairing)
    assert done.returncode == 1 and "chmod 600" in done.stderr
    # An end that is confirmed by word: the store is written again without a lease.
    done = ward("standby", "end", "--copy-is-destroyed", "--reason", "the second machine burnt")
    assert done.returncode == 0, done.stderr
    pair.primary.start()
    assert pair.primary.client("integration").put("Patient/p1", patient(1)).status_code == 201
    kinds = [event["kind"] for event in pair.primary.events()]
    assert "standby-paired" in kinds and "standby-ended" in kinds


def test_a_copy_that_is_not_whole_is_not_promoted(pair):
    pair.pair().follow()
    wait_until(lambda: (pair.copy / "standby.status").exists(), what="the follower")
    done = pair.promote(check=False)
    assert done.returncode != 0
    assert not (pair.folder / "copy.key").exists()


def test_a_copy_whose_pairing_was_ended_takes_nobody_s_place(pair):
    pair.pair().follow().serve()
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    done = pair.primary.ward("standby", "end", "--copy-is-destroyed", "--reason", "said so")
    assert done.returncode == 0, done.stderr
    # Whoever follows is cut off, and the primary goes on without it.
    assert fhir.put("Patient/p2", patient(2)).status_code == 201
    time.sleep(1)
    done = pair.promote(check=False)
    if "ended the pairing" not in done.stderr:
        # The end itself had not gone over to the copy: then it is one that knows of nothing.
        assert done.returncode == 0 and len(pair.promoted().events("--kind", "standby-promoted")) == 1
    else:
        assert done.returncode == 2 and "takes the place" not in done.stdout
        assert pair.promoted().ward("audit", "checkpoint").returncode != 0


def test_the_primary_s_keys_are_not_those_of_the_promoted_store(pair):
    pair.pair().follow().serve()
    assert pair.primary.client("integration").put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    pair.primary.kill()
    own = pair.folder / "taken.key"
    shutil.copy(pair.primary.folder / "data.key", own)
    done = pair.promote("--key-file", own, check=False)
    assert done.returncode == 1 and "a key file of its own" in done.stderr
    pair.promote()
    refused = pair.promoted().ward("audit", "checkpoint", "--key-file", own)
    assert refused.returncode == 1 and "does not open this store" in refused.stderr


def test_a_fenced_primary_makes_no_backup_beside_those_of_its_successor(pair):
    place = pair.folder / "backups"
    assert pair.primary.ward("backup", "kit").returncode == 0
    pair.pair().follow().serve("--backup", place, "--backup-every", 1)
    fhir = pair.primary.client("integration")
    assert fhir.put("Patient/p1", patient(1)).status_code == 201
    pair.caught_up()
    wait_until(lambda: list(place.glob("manifests/*")), timeout=60, what="a backup")
    pair.relay.cut()
    wait_until(lambda: refuses_writes(pair, fhir), timeout=60, interval=0.2, what="a refusal")
    done = pair.primary.ward("backup", "now")
    assert done.returncode != 0 and "holds no lease" in done.stderr, done.stderr
    before = sorted(each.relative_to(place) for each in place.rglob("*"))
    pair.promote()
    done = pair.primary.ward("backup", "now")
    assert done.returncode != 0
    assert sorted(each.relative_to(place) for each in place.rglob("*")) == before


def test_what_the_old_primary_destroyed_is_destroyed_again_when_the_backups_come_back(pair):
    place, elsewhere = pair.folder / "backups", pair.folder / "unmounted"
    assert pair.primary.ward("backup", "kit").returncode == 0
    pair.pair(lease=15).follow().serve("--backup", place, "--backup-every", 1)
    fhir = pair.primary.client("integration")
    for number in (1, 2):
        assert fhir.put(f"Patient/p{number}", patient(number)).status_code == 201
    wait_until(lambda: list(place.glob("manifests/*")), timeout=60, what="a backup")
    pair.caught_up()
    pair.relay.cut()
    done = pair.primary.ward("keys", "shred", "Patient/p1", "--basis", "agreement-ended", "--reason", "end")
    assert done.returncode == 0, done.stderr
    wait_until(lambda: list(place.glob("destroyed/*")), timeout=10, interval=0.1, what="the list")
    pair.primary.kill()
    pair.promote()
    # Its share is not mounted yet: an empty folder.
    place.rename(elsewhere)
    place.mkdir(mode=0o700)
    house = pair.promoted()
    try:
        house.start("--backup", place, "--backup-every", 1, timeout=120)
        fhir = house.client("integration")
        time.sleep(4)
        assert fhir.get("Patient/p1").status_code == 200 and not house.events("--kind", "key-destroyed")
        # One entry of the list that is none keeps it from nothing.
        (elsewhere / "destroyed" / ("0" * 32)).write_bytes(b"zqxcanary")
        shutil.rmtree(place)
        elsewhere.rename(place)
        wait_until(lambda: fhir.get("Patient/p1").status_code == 410, timeout=30, interval=0.3, what="the destruction")
        event, = house.events("--kind", "key-destroyed")
        assert event["decision"] == "again/agreement-ended"
        assert fhir.get("Patient/p2").status_code == 200
        # The full backup comes after it.
        count = len(list(place.glob("manifests/*")))
        wait_until(lambda: len(list(place.glob("manifests/*"))) > count or house.ward("backup", "now").returncode == 0,
                   timeout=60, what="a full backup")
    finally:
        house.kill()


def test_a_promotion_is_confirmed_by_a_person_where_there_is_one(pair):
    pair.pair().follow().serve()
    primary = pair.primary
    assert primary.client("integration").put("Patient/p1", patient(1)).status_code == 201

    def enrol(login, role):
        done = primary.ward("user", "add", login, "--name", login.capitalize(), "--role", role)
        assert done.returncode == 0, done.stderr
        return enrol_by_password(primary, LINK.search(done.stdout).group(0))[2]

    auditor, chief = enrol("nora", "nurse"), enrol("chief", "administrator")
    pair.caught_up()
    primary.kill()
    pair.kill_follower()
    # Nobody, somebody without the right, a wrong code, and a code of somebody else.
    for options in ([], primary.confirming("nora", auditor[0]), primary.confirming("chief", "000000"),
                    primary.confirming("chief", auditor[1])):
        done = pair.promote(*options, check=False)
        assert done.returncode == 1, done.stdout
        assert options or "--as LOGIN" in done.stderr
        assert not (pair.folder / "copy.key").exists() and (pair.copy / "standby.json").exists()
    # It has begun, so it is a copy no more that follows; but nobody serves it before it is done.
    refused = primary.ward_program("serve", "--data", pair.copy, "--listen", f"127.0.0.1:{free_port()}")
    assert refused.returncode == 1
    assert pair.promote(*primary.confirming("chief", chief[0])).returncode == 0
    new = pair.promoted()
    new.port = None
    new.confirmers = []
    new.start()
    promoted, = new.events("--kind", "standby-promoted")
    assert promoted["who"].startswith("person/") and promoted["outcome"] == "success"
    # The code was good once, there too.
    done = new.ward("client", "remove", "front-desk", *new.confirming("chief", chief[0]))
    assert done.returncode == 1 and "not recognised" in done.stderr
    new.stop()
