"""A store whose root key lies in a security module (SoftHSM), and the exchange of keys while it serves."""

import json
import pathlib
import re
import shutil
import subprocess

import pytest

from conftest import House, wait_until
from probes import database, refusal_of

LIBRARY = pathlib.Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "4711-0815"


class Token:
    """A token of SoftHSM in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.tokens = folder / "tokens"
        self.tokens.mkdir(parents=True)
        (folder / "softhsm2.conf").write_text(
            f"directories.tokendir = {self.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.environment = {"SOFTHSM2_CONF": str(folder / "softhsm2.conf")}
        subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", "clinic", "--so-pin", "12345678", "--pin", PIN],
            env=self.environment, check=True, capture_output=True)
        self.pin = private(folder / "pin", PIN + "\n")

    def pull(self):
        self.tokens.rename(self.folder / "pulled")
        self.tokens.mkdir()

    def put_back(self):
        self.tokens.rmdir()
        (self.folder / "pulled").rename(self.tokens)


def private(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def token(tmp_path):
    if not LIBRARY.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed")
    return Token(tmp_path / "token")


@pytest.fixture
def house(ward, binary, tmp_path, token, monkeypatch):
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    made = House(ward, binary, tmp_path / "house")
    made.folder.mkdir()
    made.printed = made.init("--pkcs11-module", LIBRARY, "--pkcs11-token", "clinic", "--pin-file", token.pin)
    for role in ("administrator", "integration"):
        options = ["--purpose", "TREAT"] if role == "integration" else []
        done = made.ward("client", "add", role, "--role", role, "--pin-file", token.pin, *options)
        assert done.returncode == 0, done.stderr
    yield made
    made.kill()


def code_in(printed):
    return re.search(r"recovery code  (\S+)", printed).group(1)


def status(house, *options):
    done = house.ward("keys", "status", "--json", *options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def patient(name):
    return {"resourceType": "Patient", "id": name}


def test_nothing_in_the_data_folder_opens_the_store(house, token):
    said = status(house, "--pin-file", token.pin)
    assert (said["provider"], said["token"], said["answers"]) == ("security-module", "clinic", True)
    assert not (house.folder / "data.key").exists()
    kept = b"".join(path.read_bytes() for path in house.data.rglob("*") if path.is_file())
    assert PIN.encode() not in kept
    token.pull()
    assert "not there" in refusal_of(house, "--pin-file", token.pin)


def test_wrong_pins_are_refused_with_words(house, token, tmp_path):
    assert "PIN is wrong" in refusal_of(house, "--pin-file", private(tmp_path / "wrong", "0000\n"))
    open_to_all = private(tmp_path / "open", PIN)
    open_to_all.chmod(0o644)
    assert "read by others" in refusal_of(house, "--pin-file", open_to_all)


def test_a_module_that_is_pulled_stops_writing_at_once_and_the_server_after_its_grace(house, token):
    house.start("--pin-file", token.pin, "--module-grace", 8)
    fhir = house.client("integration")
    assert fhir.put("Patient/anna", patient("anna")).status_code == 201
    token.pull()
    answers = []

    def is_refused():
        answers.append(fhir.put("Patient/anna", patient("anna")))
        return answers[-1].status_code == 503

    wait_until(is_refused, what="writes to be refused")
    refused = answers[-1]
    assert "security module" in refused.text and refused.headers["Retry-After"] == "10"
    assert fhir.post("Patient", {"resourceType": "Patient"}).status_code == 503
    assert fhir.delete("Patient/anna").status_code == 503
    assert fhir.get("Patient/anna").status_code == 200, "reads go on for a while"
    assert house.process.wait(30) == 75
    house.process = None
    assert "not there" in refusal_of(house, "--pin-file", token.pin)
    token.put_back()
    house.start("--pin-file", token.pin)
    fhir = house.client("integration")
    assert fhir.get("Patient/anna").status_code == 200
    kinds = [json.loads(line)["kind"] for line in house.ward(
        "audit", "search", "--client", "administrator", "--json", "--limit", "99").stdout.splitlines()]
    assert kinds.count("keys-away") == 1


def test_a_module_that_comes_back_in_time_is_forgiven(house, token):
    house.start("--pin-file", token.pin, "--module-grace", 60)
    fhir = house.client("integration")
    token.pull()
    wait_until(lambda: fhir.put("Patient/anna", patient("anna")).status_code == 503, what="writes to be refused")
    token.put_back()
    wait_until(lambda: fhir.put("Patient/anna", patient("anna")).ok, what="writes to go on")
    assert house.stop() == 0


def test_keys_are_exchanged_while_the_store_serves(house, token):
    house.start("--pin-file", token.pin)
    fhir = house.client("integration")
    assert fhir.put("Patient/anna", patient("anna")).status_code == 201

    def rotate(*arguments):
        return house.ward("keys", "rotate", *arguments)

    assert rotate("root", "--pin-file", token.pin, "--new-key", "second").returncode == 0
    assert status(house)["key"] == "second"
    assert "already" in rotate("root", "--pin-file", token.pin, "--new-key", "second").stderr
    assert "security module" in rotate("root", "--new-key", "third").stderr
    assert rotate("tenant", "--pin-file", token.pin, "--new-key", "third").returncode == 0
    printed = rotate("recovery", "--pin-file", token.pin).stdout
    assert fhir.get("Patient/anna").status_code == 200
    assert rotate("root", "--pin-file", token.pin, "--new-key-file", house.folder / "data.key").returncode == 0
    assert status(house)["provider"] == "key-file"
    assert fhir.put("Patient/berta", patient("berta")).status_code == 201
    house.restart()
    assert house.client("integration").get("Patient/berta").status_code == 200
    house.stop()
    old, new = (private(house.folder / name, code + "\n") for name, code in
                (("old", code_in(house.printed)), ("new", code_in(printed))))
    elsewhere = house.folder / "recovered.key"
    refused = house.ward("keys", "recover", "--code-file", old, "--key-file", elsewhere)
    assert refused.returncode == 1 and not elsewhere.exists()
    assert house.ward("keys", "recover", "--code-file", new, "--key-file", elsewhere).returncode == 0
    assert "does not open" in refusal_of(house)
    house.start("--key-file", elsewhere)


def test_the_keyring_of_before_put_back_stops_the_start(house, token):
    with database(house) as rows:
        before, = rows.execute("SELECT sealed FROM entry WHERE kind = 80").fetchone()
    assert house.ward("keys", "rotate", "root", "--pin-file", token.pin, "--new-key", "second").returncode == 0
    with database(house) as rows:
        rows.execute("UPDATE entry SET sealed = ? WHERE kind = 80", (before,))
    assert "does not agree with its audit log" in refusal_of(house, "--pin-file", token.pin)


@pytest.mark.parametrize("arguments, words", [
    (["root"], "exactly one new way in"), (["recovery", "--new-key", "x"], "no new way in"),
    (["root", "--new-key", "x", "--new-key-file", "y"], "exactly one new way in"), (["everything"], "invalid"),
])
def test_what_makes_no_sense_is_refused_with_words(house, arguments, words):
    done = house.ward("keys", "rotate", *arguments)
    assert done.returncode != 0 and words in done.stderr


def test_a_key_file_inside_the_data_folder_is_refused(house, token):
    done = house.ward("keys", "rotate", "root", "--pin-file", token.pin, "--new-key-file", house.data / "root.key")
    assert done.returncode == 1 and "outside the data folder" in done.stderr
    assert not (house.data / "root.key").exists()
