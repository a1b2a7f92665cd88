"""Shared ground of the end-to-end tests: the real binary, real TLS, a fresh store in a temporary folder.

    python3 -m pytest Tests/EndToEnd -m "not slow"     the suite
    python3 -m pytest Tests/EndToEnd                   with the tests that take minutes

WARD_BINARY     the program; by default the newest of .build/release/ward and .build/debug/ward
WARD_FHIR_DATA  folder with hl7-r4-examples/ and synthea-blaze-2021/; by default ../shared/data/*.tar.xz, unpacked once
"""

import concurrent.futures
import fcntl
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tarfile
import time

import pytest
import requests

from enrolment import enrol_by_password

ROOT = pathlib.Path(__file__).resolve().parents[2]
JSON_TYPE = "application/fhir+json"
ROLES = ("administrator", "clinician", "front-desk", "integration")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes minutes; left out with -m 'not slow'")


# MARK: Program


def find_binary():
    given = os.environ.get("WARD_BINARY")
    if given:
        return pathlib.Path(given).resolve()
    built = [path for path in (ROOT / ".build/release/ward", ROOT / ".build/debug/ward") if path.exists()]
    return max(built, key=lambda path: path.stat().st_mtime) if built else None


@pytest.fixture(scope="session")
def binary():
    path = find_binary()
    if path is None or not path.exists():
        pytest.exit("no ward binary: build it, or set WARD_BINARY", returncode=3)
    return path


@pytest.fixture(scope="session")
def ward(binary):
    """Runs the program: ward("keys", "status", cwd=...) gives a CompletedProcess with text output."""

    def run(*arguments, cwd=None, stdin=None, timeout=120, environment=None, text=True):
        return subprocess.run(
            [str(binary), *map(str, arguments)], cwd=cwd, input=stdin, capture_output=True, timeout=timeout, text=text,
            env={**os.environ, **(environment or {})}, stdin=None if stdin is not None else subprocess.DEVNULL)

    return run


def wait_until(condition, timeout=30, interval=0.02, what="the condition"):
    """Polls until `condition()` is truthy and gives its value."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(interval)
    raise AssertionError(f"{what} did not come true within {timeout} s")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# MARK: Exact JSON


class Number(str):
    """A JSON number as it is written: 1.0 is not 1.00."""

    def __eq__(self, other):
        return isinstance(other, Number) and str.__eq__(self, other)

    def __ne__(self, other):
        return not self == other

    __hash__ = str.__hash__


def exact(text):
    """Parses JSON, keeping the text of numbers."""
    return json.loads(text, parse_float=Number, parse_int=Number, parse_constant=Number)


# MARK: FHIR client


class FromAddress(requests.adapters.HTTPAdapter):
    """Connects from a given loopback address, with room for many threads."""

    def __init__(self, address):
        self.address = address
        super().__init__(pool_maxsize=64)

    def init_poolmanager(self, *arguments, **more):
        if self.address:
            more["source_address"] = (self.address, 0)
        super().init_poolmanager(*arguments, **more)


class FHIR:
    """A client of one server with one token; every answer is a requests.Response."""

    def __init__(self, origin, authority, token=None, address=None):
        self.origin = origin
        self.base = f"{origin}/fhir"
        self.token = token
        self.session = requests.Session()
        self.session.verify = str(authority)
        self.session.trust_env = False
        # Failures are throttled by address; Linux has all of 127.0.0.0/8.
        self.session.mount("https://", FromAddress(address))
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def request(self, method, path, body=None, headers=None, timeout=60, **more):
        """`path` is relative to the base, or a whole URL. `body` is a resource, or bytes or text sent as they are."""
        url = path if path.startswith("https://") else f"{self.base}/{path}" if path else self.base
        headers = dict(headers or {})
        if body is not None:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            headers.setdefault("Content-Type", JSON_TYPE)
        return self.session.request(method, url, data=body, headers=headers, timeout=timeout, **more)

    def get(self, path="", **more):
        return self.request("GET", path, **more)

    def post(self, path="", body=None, **more):
        return self.request("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.request("PUT", path, body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def create(self, resource, **more):
        """Creates a resource and gives it back as stored."""
        answer = self.post(resource["resourceType"], resource, **more)
        assert answer.status_code == 201, f"{answer.status_code} {answer.text}"
        return answer.json()

    def search(self, query, **more):
        """A search that must succeed; gives the Bundle."""
        answer = self.get(query, **more)
        assert answer.status_code == 200, f"{query}: {answer.status_code} {answer.text}"
        return answer.json()

    def ids(self, query, **more):
        """Logical ids that match a search, over all pages, in their order."""
        found = []
        bundle = self.search(query, **more)
        while True:
            found += [entry["resource"]["id"] for entry in matches(bundle)]
            following = link(bundle, "next")
            if following is None:
                return found
            bundle = self.search(following)

    def transaction(self, entries, kind="transaction", **more):
        return self.post("", {"resourceType": "Bundle", "type": kind, "entry": entries}, **more)


def matches(bundle):
    return [entry for entry in bundle.get("entry", []) if entry.get("search", {}).get("mode") == "match"]


def included(bundle):
    return [entry for entry in bundle.get("entry", []) if entry.get("search", {}).get("mode") == "include"]


def link(bundle, relation):
    return next((each["url"] for each in bundle.get("link", []) if each["relation"] == relation), None)


def outcome(answer):
    """The issues of an answer that must be an OperationOutcome."""
    assert answer.headers.get("Content-Type", "").startswith(JSON_TYPE), answer.headers
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome", body
    assert body["issue"], body
    return body["issue"]


def expressions(answer):
    return [place for issue in outcome(answer) for place in issue.get("expression", [])]


def receipt(answer):
    """Index and leaf hash of the audit receipt that an answer must carry."""
    value = answer.headers.get("Ward-Audit-Receipt")
    assert value is not None, f"no receipt on {answer.request.method} {answer.status_code}: {answer.text[:300]}"
    index, _, leaf = value.partition(":")
    assert index.isdigit() and len(leaf) == 64 and set(leaf) <= set("0123456789abcdef"), value
    return int(index), leaf


def in_parallel(calls):
    """Runs all calls at once; their results in order."""
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


# MARK: Who confirms commands at the machine

#: Houses and people by one-time link.
INVITED = {}
#: Roles of those who may confirm a command, where one is needed.
CONFIRMED_BY = {
    ("client", "add"): "administrator", ("client", "approve"): "administrator", ("client", "remove"): "administrator",
    ("policy", "adopt"): "administrator", ("user", "add"): "administrator", ("user", "roles"): "administrator",
    ("user", "link"): "administrator", ("user", "recover"): "administrator", ("user", "disable"): "administrator",
    ("vendor", "add"): "administrator", ("vendor", "sign"): "administrator", ("vendor", "revoke"): "administrator",
    ("notice", "set"): "administrator", ("user", "end"): "security-officer", ("alerts", "suspend"): "security-officer",
    ("emergency", "review"): "privacy-officer"}


def enrolled(link, codes):
    """Tells that somebody has enrolled, with the recovery codes they were shown."""
    if link in INVITED:
        house, login, roles = INVITED.pop(link)
        house.confirmers.append((login, set(roles), list(codes)))


# MARK: Store and server


class House:
    """One store in a folder of its own, and the server that serves it."""

    def __init__(self, ward, binary, folder):
        self.ward_program = ward
        self.binary = binary
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.process = None
        self.port = None
        self.log_file = self.folder / "server.log"
        self.error_file = self.folder / "server.err"
        self.clients = {}
        # Of the server only.
        self.environment = {}
        # Login, roles and unused recovery codes of everybody who has enrolled.
        self.confirmers = []

    # Store

    def init(self, *options):
        done = self.ward("init", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def ward(self, *arguments, **more):
        """Runs a command on this store, in its folder."""
        done = self.ward_program(*arguments, *self.confirmation(arguments), "--data", self.data, cwd=self.folder, **more)
        if arguments[:2] == ("user", "disable") and done.returncode == 0:
            self.confirmers = [each for each in self.confirmers if each[0] != arguments[2].lower()]
        return done

    def invited(self, link, login, roles):
        INVITED[link] = self, login, roles
        return link

    def confirmation(self, arguments):
        """What a command needs once somebody has enrolled who may confirm it."""
        role = CONFIRMED_BY.get(tuple(map(str, arguments[:2])))
        able = [each for each in self.confirmers if role in each[1] and each[2]]
        if not able or "--as" in arguments:
            return []
        login, _, codes = able[-1]
        if role == "administrator" and len(codes) == 1 and self.process is not None:
            # The last one makes a further administrator, who has ten.
            self.confirmers = [each for each in self.confirmers if each[0] != login] + [(login, set(), [])]
            name = f"deputy{len(self.confirmers)}"
            done = self.ward(
                "user", "add", name, "--name", name, "--role", "administrator", "--clearance", "references seen",
                *self.confirming(login, codes.pop()))
            assert done.returncode == 0, done.stderr
            found = re.search(r"https://\S+/enrol/\S+", done.stdout).group(0)
            login, codes = name, enrol_by_password(self, found)[2]
            self.confirmers.append((login, {role}, codes))
        return self.confirming(login, codes.pop()) + self.clearance(arguments)

    @staticmethod
    def clearance(arguments):
        """What was checked of somebody who is to work here."""
        is_asked = tuple(map(str, arguments[:2])) in {("user", "add"), ("user", "roles")} and "--clearance" not in arguments
        return ["--clearance", "references seen by the tests"] if is_asked else []

    def confirming(self, login, code):
        file = self.folder / "confirmation"
        file.touch(0o600)
        file.write_text(code + "\n")
        return ["--as", login, "--code-file", file]

    def add_client(self, name, role, purpose=None):
        options = ["--purpose", purpose or "TREAT"] if role != "administrator" else []
        done = self.ward("client", "add", name, "--role", role, *options)
        assert done.returncode == 0, done.stderr
        return self.key_file(name)

    def key_file(self, name):
        return self.folder / f"{name}.key.json"

    # Server

    @property
    def origin(self):
        return f"https://localhost:{self.port}"

    @property
    def authority(self):
        return self.data / "ca.pem"

    def start(self, *options, timeout=60, command=("serve",)):
        """Starts the server and waits until it says that it is ready."""
        assert self.process is None, "a server runs already"
        for _ in range(3):
            self.port = self.port or free_port()
            with open(self.log_file, "ab") as log, open(self.error_file, "ab") as errors:
                self.process = subprocess.Popen(
                    [str(self.binary), *command, "--data", str(self.data), "--listen", f"127.0.0.1:{self.port}",
                     *map(str, options)],
                    cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=errors,
                    env={**os.environ, **self.environment})
            if self._wait_ready(timeout):
                return self
            # Somebody took the port in between.
            self.process, self.port = None, None
        raise AssertionError(f"the server did not start: {self.errors()[-2000:]}")

    def _wait_ready(self, timeout):
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if self.authority.exists() or not self._uses_local_authority:
                try:
                    answer = requests.get(f"{self.origin}/health", verify=self._verification, timeout=5)
                    if answer.status_code == 200:
                        return True
                except (requests.RequestException, OSError):
                    pass
            time.sleep(0.02)
        self.kill()
        raise AssertionError(f"the server was not ready in {timeout} s: {self.errors()[-2000:]}")

    # Tests of own certificates replace these two.
    _uses_local_authority = True

    @property
    def _verification(self):
        return str(self.authority)

    def stop(self, timeout=30):
        """Asks the server to end, and gives its exit status."""
        process, self.process = self.process, None
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise AssertionError(f"the server did not end within {timeout} s of SIGTERM")

    def kill(self):
        """Ends the server as a power cut would."""
        process, self.process = self.process, None
        if process is not None and process.poll() is None:
            process.kill()
        if process is not None:
            process.wait(10)

    def restart(self, *options):
        self.stop()
        return self.start(*options)

    # Clients

    def token(self, name, scope=None):
        options = ["--scope", scope] if scope else []
        done = self.ward("client", "token", name, *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def client(self, name, scope=None):
        """A FHIR client that acts as a registered client."""
        return FHIR(self.origin, self.authority, self.token(name, scope))

    def stranger(self, token=None, address=None):
        return FHIR(self.origin, self.authority, token, address)

    def raw(self, target, token=None, method="GET", body=None, headers=None):
        """A request whose target is sent byte for byte, unlike requests does; gives status and body."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=30)
        try:
            fields = {"Authorization": f"Bearer {token}", **(headers or {})} if token else headers or {}
            connection.putrequest(method, target, skip_accept_encoding=True)
            if body is not None:
                fields["Content-Length"] = str(len(body))
            for name, value in fields.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    # What it wrote

    def log_lines(self):
        """The operational log, line by line as objects."""
        lines = []
        for line in (self.log_file.read_text() + self.error_file.read_text()).splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                pass
        return lines

    def errors(self):
        return self.error_file.read_text() if self.error_file.exists() else ""

    def events(self, *filters, administrator="administrator", limit=1000):
        """Audit events, newest first."""
        done = self.ward("audit", "search", "--client", administrator, "--json", "--limit", limit, *filters)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


@pytest.fixture(scope="session")
def houses(ward, binary, tmp_path_factory):
    """Makes stores: houses() gives a running one with a client of each role, named as the role."""
    made = []

    def make(*, start=True, roles=ROLES, init=(), options=()):
        house = House(ward, binary, tmp_path_factory.mktemp("house"))
        made.append(house)
        house.init(*init)
        for role in roles:
            house.add_client(role, role)
        if start:
            house.start(*options)
        return house

    yield make
    for house in made:
        house.kill()
        shutil.rmtree(house.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def house(houses):
    """A running store for this module."""
    made = houses()
    yield made
    made.kill()


@pytest.fixture(scope="module")
def clinician(house):
    return house.client("clinician")


@pytest.fixture(scope="module")
def integration(house):
    return house.client("integration")


@pytest.fixture(scope="module")
def front_desk(house):
    return house.client("front-desk")


@pytest.fixture(scope="module")
def administrator(house):
    return house.client("administrator")


# MARK: Data

ARCHIVES = {"hl7-r4-examples": "hl7-r4-examples.tar.xz", "synthea-blaze-2021": "synthea.tar.xz"}


def data_folder(name):
    """The folder of a data set, unpacked if need be; None if there is none."""
    given = os.environ.get("WARD_FHIR_DATA")
    if given:
        folder = pathlib.Path(given).resolve() / name
        return folder if folder.is_dir() else None
    archive = ROOT.parent / "shared/data" / ARCHIVES[name]
    if not archive.exists():
        return None
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "ward-test-data"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = cache / name
        if not folder.is_dir():
            partial = cache / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            with tarfile.open(archive) as tar:
                tar.extractall(partial, filter="data")
            (partial / name).rename(folder)
            partial.rmdir()
    return folder


def needed(name):
    folder = data_folder(name)
    if folder is None:
        pytest.skip(f"no {name}: set WARD_FHIR_DATA or put {ARCHIVES[name]} into ../shared/data")
    return folder


@pytest.fixture(scope="session")
def examples():
    """Folder of the HL7 R4 examples."""
    return needed("hl7-r4-examples")


@pytest.fixture(scope="session")
def synthea():
    """Folder of the Synthea transaction bundles."""
    return needed("synthea-blaze-2021")
