"""A store whose root key AWS KMS has wrapped: moto behind a relay that notes what it is sent and can answer in its place."""

import base64
import contextlib
import hashlib
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from conftest import House, wait_until
from probes import database, refusal_of
from shifted_clock import ShiftedClock
from test_egress import DAY, Doors, clauses, day
from test_security_module import code_in, patient, private
from test_storage_door import Storage
from wires import Relay

DISABLED = (400, b'{"__type":"DisabledException"}')


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    made = Storage(tmp_path_factory.mktemp("cloud"))
    made.kms = made.client("kms")
    yield made
    made.stop()


class KMSHouse(House):
    """A store that began with a key file, signed an agreement, and went over to KMS."""

    def __init__(self, ward, binary, folder, cloud):
        super().__init__(ward, binary, folder)
        self.folder.mkdir()
        self.cloud = cloud
        self.relay = Relay(cloud.port, cloud.authority)
        self.credentials = ["--kms-credentials", private(self.folder / "kms", cloud.file.read_text())]
        self.printed = self.init()
        for role in ("administrator", "integration"):
            options = ["--purpose", "TREAT"] if role == "integration" else []
            assert super().ward("client", "add", role, "--role", role, *options).returncode == 0
        self.doors = Doors(self, cloud.authority, None)
        self.vendor = self.doors.vendor("hosting")
        self.doors.sign(self.vendor, service=["kms"], region=["us-east-1"])
        self.name = self.doors.destination(
            self.relay.port, vendor=self.vendor, service="kms", kind="kms", host="localhost", region="us-east-1")
        self.arn = cloud.kms.create_key()["KeyMetadata"]["Arn"]

    def move_in(self, arn=None, *options, **more):
        return self.ward(
            "keys", "rotate", "root", "--new-kms", self.name, "--new-kms-key", arn or self.arn, *self.credentials,
            *options, **more)

    def boot(self):
        found = list(self.data.glob("boot-*.txt"))
        assert len(found) == 1, found
        return found[0]

    def refusal(self, **more):
        done = self.ward("audit", "checkpoint", *self.credentials, **more)
        assert done.returncode == 1, done.stdout
        return done.stderr

    @contextlib.contextmanager
    def sending_nothing(self):
        before = len(self.relay.seen)
        yield
        assert len(self.relay.seen) == before


@pytest.fixture
def house(ward, binary, tmp_path, cloud):
    made = KMSHouse(ward, binary, tmp_path / "house", cloud)
    done = made.move_in()
    assert done.returncode == 0, done.stderr
    yield made
    made.kill()
    made.relay.shutdown()


def test_a_store_opens_with_its_key_service_and_with_nothing_else(house):
    said = json.loads(house.ward("keys", "status", "--json", *house.credentials).stdout)
    assert (said["provider"], said["key"], said["answers"]) == ("aws-kms", house.arn, True)
    house.start(*house.credentials)
    fhir = house.client("integration")
    assert fhir.put("Patient/anna", patient("anna")).status_code == 201
    house.restart(*house.credentials)
    assert house.client("integration").get("Patient/anna").status_code == 200
    house.stop()
    # The key file of before opens nothing, and without the service's key nothing is asked.
    with house.sending_nothing():
        assert "--kms-credentials" in refusal_of(house, "--key-file", house.folder / "data.key")
        (house.folder / "kms").chmod(0o644)
        assert "chmod 600" in house.refusal()
        (house.folder / "kms").chmod(0o600)
    # All that the service ever saw: a wrapped key, or what it made of it, bound to this store.
    assert len(house.relay.seen) >= 4
    for body in house.relay.seen:
        asked = json.loads(body)
        content = asked.pop("Plaintext", None) or asked.pop("CiphertextBlob")
        assert len(base64.b64decode(content)) >= 60, "a bare key has 32 bytes"
        assert asked == {"KeyId": house.arn, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "EncryptionContext": {
            "ward-purpose": "root-key", "ward-store": said["store"]}}
    secret = house.cloud.file.read_text().split()[1].encode()
    for path in house.data.rglob("*"):
        assert not path.is_file() or secret not in path.read_bytes()


def other_plaintext(answer):
    said = json.loads(answer)
    if "Plaintext" in said:
        said["Plaintext"] = base64.b64encode(bytes(62)).decode()
    return json.dumps(said).encode()


def test_a_service_that_refuses_or_answers_something_else_opens_nothing(house):
    relay = house.relay
    for answer, words in [
            (DISABLED, "disabled"), ((400, b'{"__type":"KMSInvalidStateException"}'), "to be deleted"),
            ((400, b'{"__type":"NotFoundException"}'), "no such key"),
            ((400, b'{"__type":"com.amazonaws.kms#AccessDeniedException"}'), "refuses the credentials"),
            ((400, b'{"__type":"InvalidCiphertextException"}'), "not the one that wrapped"),
            ((500, b""), "answered 500"), ((302, b""), "answered 302"), ((200, b"no json"), "protocol"),
            ((200, json.dumps({"KeyId": house.arn, "Plaintext": ""}).encode()), "protocol"),
            ((200, json.dumps({"KeyId": "arn:aws:kms:us-east-1:1:key/x", "Plaintext": "AAAA"}).encode()),
             "not the one that wrapped")]:
        relay.answer = answer
        assert words in house.refusal(), words
    relay.answer, relay.change = None, other_plaintext
    assert "does not open this store" in house.refusal()
    relay.change = None
    wrong = house.cloud.file.read_text()
    private(house.folder / "kms", wrong[:-4] + "xyz\n")
    assert "refuses the credentials" in house.refusal()
    private(house.folder / "kms", wrong)
    assert house.ward("audit", "checkpoint", *house.credentials).returncode == 0
    relay.shutdown()
    relay.server_close()
    assert "cannot be reached" in house.refusal()


def forged(boot, signing, **changes):
    """A boot file as somebody with a key of their own would write it."""
    lines = [line.split(" ", 1) for line in boot.decode().splitlines()]
    raw = signing.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    changes["signer"] = base64.b64encode(raw).decode()
    kept = [f"{name} {changes.get(name, value)}" for name, value in lines if name != "signature"]
    text = "\n".join(kept) + "\n"
    signature = signing.sign(b"ward/boot-file/1\n" + text.encode())
    return (text + f"signature {base64.b64encode(signature).decode()}\n").encode()


def test_a_boot_file_that_is_altered_foreign_or_forged_sends_nothing(house, ward, binary, tmp_path):
    path = house.boot()
    whole = path.read_bytes()
    port = f"port {house.relay.port}".encode()
    with house.sending_nothing():
        for damage in (whole.replace(port, b"port 1"), whole.replace(b"host localhost", b"host localhosu"), whole[:-9],
                       whole + b"more 1\n", whole.replace(b"signature ", b"signature  "), b"",
                       b"\n".join(line for line in whole.split(b"\n") if not line.startswith(b"signature"))):
            path.write_bytes(damage)
            assert "altered, or is not signed" in house.refusal()
        path.unlink()
        assert "is not there" in house.refusal()
        signing = ed25519.Ed25519PrivateKey.generate()
        path.write_bytes(forged(whole, signing, store="another"))
        assert "belongs to another store" in house.refusal()
        fake = forged(whole, signing, port="1")
        path.write_bytes(fake)
        assert "not the one of the keyring" in house.refusal()
        # Whoever can write the database can make the keyring name it; the log's checkpoint is signed by the store.
        with database(house) as rows:
            (before,) = rows.execute("SELECT sealed FROM entry WHERE kind = 80").fetchone()
            ring = json.loads(before)
            digest = hashlib.sha256(fake).digest()
            ring["service"]["boot"] = list(digest)
            rows.execute("UPDATE entry SET sealed = ? WHERE kind = 80", (json.dumps(ring).encode(),))
        (house.data / f"boot-{digest[:8].hex()}.txt").write_bytes(fake)
        assert "not signed by this store" in house.refusal()
    with database(house) as rows:
        rows.execute("UPDATE entry SET sealed = ? WHERE kind = 80", (before,))
    path.write_bytes(whole)
    assert house.ward("audit", "checkpoint", *house.credentials).returncode == 0
    # That of another store, which is signed well.
    other = KMSHouse(ward, binary, tmp_path / "other", house.cloud)
    assert other.move_in().returncode == 0
    with house.sending_nothing():
        path.write_bytes(other.boot().read_bytes())
        assert "belongs to another store" in house.refusal()


def test_a_key_that_is_disabled_stops_writing_at_once_and_the_server_after_its_grace(house):
    house.start(*house.credentials, "--module-grace", 8)
    fhir = house.client("integration")
    assert fhir.put("Patient/anna", patient("anna")).status_code == 201
    house.relay.answer = DISABLED
    answers = []

    def is_refused():
        answers.append(fhir.put("Patient/anna", patient("anna")))
        return answers[-1].status_code == 503

    wait_until(is_refused, timeout=60, what="writes to be refused")
    assert "key service" in answers[-1].text
    assert fhir.get("Patient/anna").status_code == 200, "reads go on for a while"
    assert house.process.wait(60) == 75
    house.process = None
    assert "disabled" in house.refusal()
    house.relay.answer = None
    house.start(*house.credentials, "--module-grace", 60)
    fhir = house.client("integration")
    house.relay.answer = DISABLED
    wait_until(lambda: fhir.put("Patient/anna", patient("anna")).status_code == 503, timeout=60, what="a refusal")
    house.relay.answer = None
    wait_until(lambda: fhir.put("Patient/anna", patient("anna")).ok, timeout=60, what="writes to go on")

    def are_told():
        kinds = [event["kind"] for event in house.events()]
        return kinds.count("keys-away") == 2 and kinds.count("keys-back") == 1

    wait_until(are_told, timeout=60, interval=0.5, what="both to be in the log")
    assert house.stop() == 0


def test_an_agreement_that_is_revoked_ends_a_running_server(house):
    house.start(*house.credentials, "--module-grace", 8)
    house.doors.do("vendor", "revoke", house.vendor)
    assert house.process.wait(90) == 75
    house.process = None
    assert "was revoked" in house.refusal()


def test_an_ended_agreement_refuses_the_start_and_there_is_a_way_out(house, tmp_path):
    clock = ShiftedClock(tmp_path)
    clock.set(31 * DAY)
    said = house.refusal(environment=clock.environment)
    assert "closed again" in said and "the agreement has ended" in said and "ward keys recover" in said
    code = private(house.folder / "code", code_in(house.printed) + "\n")
    recovered = house.folder / "recovered.key"
    shifted = {"environment": clock.environment}
    assert house.boot()
    done = house.ward("keys", "recover", "--code-file", code, "--key-file", recovered, **shifted)
    assert done.returncode == 0, done.stderr
    assert not list(house.data.glob("boot-*.txt"))
    with house.sending_nothing():
        assert "the agreement has ended" in house.move_in(None, "--key-file", recovered, **shifted).stderr
    (house.folder / "data.key").unlink()
    recovered.rename(house.folder / "data.key")
    house.doors.sign(house.vendor, service=["kms"], region=["us-east-1"], last=100)
    done = house.move_in(**shifted)
    assert done.returncode == 0, done.stderr
    assert "--kms-credentials" in refusal_of(house)
    assert house.ward("audit", "checkpoint", *house.credentials, **shifted).returncode == 0
    house.start(*house.credentials)
    told = [event for event in house.events() if event["kind"] == "egress-refused"]
    assert any("after-unsealing" in event["decision"] for event in told)


def test_keys_are_exchanged_while_the_store_serves(house):
    house.start(*house.credentials)
    fhir = house.client("integration")
    first = house.boot()
    second = house.cloud.kms.create_key()["KeyMetadata"]["Arn"]
    done = house.move_in(second)
    assert done.returncode == 0, done.stderr
    assert house.boot() != first and second.encode() in house.boot().read_bytes()
    tenant = house.ward(
        "keys", "rotate", "tenant", "--new-kms", house.name, "--new-kms-key", house.arn, *house.credentials)
    assert tenant.returncode == 0, tenant.stderr
    assert house.ward("keys", "rotate", "recovery").returncode == 0
    assert fhir.put("Patient/anna", patient("anna")).status_code == 201
    house.restart(*house.credentials)
    done = house.ward("keys", "rotate", "root", "--new-key-file", house.folder / "again.key")
    assert done.returncode == 0, done.stderr
    assert not list(house.data.glob("boot-*.txt"))
    house.restart("--key-file", house.folder / "again.key")
    assert house.client("integration").get("Patient/anna").status_code == 200


def test_moving_in_asks_for_an_agreement_for_this_service_and_a_key_of_its_region(ward, binary, tmp_path, cloud):
    house = KMSHouse(ward, binary, tmp_path / "house", cloud)

    def refused(name, arn=None, credentials=house.credentials):
        done = house.ward("keys", "rotate", "root", "--new-kms", name, "--new-kms-key", arn or house.arn, *credentials)
        assert done.returncode != 0 and not list(house.data.glob("boot-*.txt")), done.stdout
        return done.stderr

    doors = house.doors
    with house.sending_nothing():
        assert "no destination of this name" in refused("nowhere")
        mail = doors.destination(house.relay.port, vendor=house.vendor, service="kms", kind="mail", host="localhost")
        assert "no destination of this name" in refused(mail)
        for arn in (house.arn.replace("us-east-1", "eu-west-1"), "arn:aws:kms:us-east-1:1:alias/ward", "x"):
            assert "--new-kms-key" in refused(house.name, arn)
        assert "--new-kms-credentials" in refused(house.name, credentials=[])
        other = doors.vendor("hosting")
        doors.sign(other, service=["s3"], region=["us-east-1"])
        bare = doors.destination(
            house.relay.port, vendor=other, service="kms", kind="kms", host="localhost", region="us-east-1")
        assert "does not name the service" in refused(bare)
    # In the wrong region the key is not there.
    doors.sign(house.vendor, service=["kms"], region=["eu-west-1"])
    far = doors.destination(
        house.relay.port, vendor=house.vendor, service="kms", kind="kms", host="localhost", region="eu-west-1")
    assert "no such key" in refused(far, house.arn.replace("us-east-1", "eu-west-1"))
    for ground in (["--lawful", "treatment", "--reason", "x", "--ends", "2099-01-01"],
                   ["--vendor", house.vendor, "--service", "s3"]):
        done = house.ward(
            "vendor", "destination", "add", "loose", "--kind", "kms", "--host", "localhost", "--port", "443", "--region",
            "us-east-1", *ground)
        assert done.returncode == 1 and "service" in done.stderr
    # Nothing of all that changed the way in.
    assert house.ward("audit", "checkpoint").returncode == 0


class FirstStart(House):
    """A folder without a store yet, and what a first start at the key service needs."""

    def __init__(self, ward, binary, folder, cloud):
        super().__init__(ward, binary, folder)
        self.folder.mkdir()
        self.relay = Relay(cloud.port, cloud.authority)
        self.credentials = ["--kms-credentials", private(self.folder / "kms", cloud.file.read_text())]
        self.document = self.folder / "agreement.pdf"
        self.document.write_bytes(b"signed")
        self.arn = cloud.kms.create_key()["KeyMetadata"]["Arn"]
        self.authority_file = cloud.authority.pem
        self.all = clauses(self)

    def options(self, **changes):
        options = {
            "kms": "keys", "kms-key": self.arn, "kms-host": "localhost", "kms-port": self.relay.port,
            "kms-region": "us-east-1", "kms-address": "127.0.0.1", "kms-ca": self.authority_file,
            "kms-agreement": self.document, "kms-effective": day(-1), "kms-ends": day(30), "kms-signed-by": "A. Officer",
            "kms-signed-for-vendor": "B. Vendor", **changes}
        return [word for name, value in options.items() if value is not None for word in (f"--{name}", value)]

    def clauses(self, without=None):
        return [word for clause in self.all if clause != without for word in ("--kms-clause", clause)]

    def first(self, *more, without=None, credentials=None, **changes):
        return self.ward("init", *self.options(**changes), *self.clauses(without), *(credentials or self.credentials), *more)

    def left(self):
        """Everything beside what was there before."""
        known = {"kms", "agreement.pdf", "data", "bad"}
        return [path for path in self.folder.iterdir() if path.name not in known] + (
            list(self.data.iterdir()) if self.data.exists() else [])


@pytest.fixture
def fresh(ward, binary, tmp_path, cloud):
    made = FirstStart(ward, binary, tmp_path / "fresh", cloud)
    yield made
    made.kill()
    made.relay.shutdown()


def test_a_first_start_at_the_key_service_makes_no_key_file(fresh):
    done = fresh.first()
    assert done.returncode == 0, done.stderr
    assert "no key file was made" in done.stdout and "recovery code" in done.stdout
    assert sorted(path.name for path in fresh.folder.iterdir()) == ["agreement.pdf", "data", "kms"]
    assert len(list(fresh.data.glob("boot-*.txt"))) == 1
    said = json.loads(fresh.ward("keys", "status", "--json", *fresh.credentials).stdout)
    assert (said["provider"], said["key"], said["answers"]) == ("aws-kms", fresh.arn, True)
    assert "--kms-credentials" in refusal_of(fresh)
    for role in ("administrator", "integration"):
        options = ["--purpose", "TREAT"] if role == "integration" else []
        done = fresh.ward("client", "add", role, "--role", role, *options, *fresh.credentials)
        assert done.returncode == 0, done.stderr
    fresh.start(*fresh.credentials)
    fhir = fresh.client("integration")
    assert fhir.put("Patient/anna", patient("anna")).status_code == 201
    fresh.restart(*fresh.credentials)
    assert fresh.client("integration").get("Patient/anna").status_code == 200
    fresh.stop()
    assert fresh.ward("verify", "--client", "administrator", *fresh.credentials).returncode == 0
    # A wrapped key each time, never a bare one.
    for body in fresh.relay.seen:
        asked = json.loads(body)
        assert len(base64.b64decode(asked.pop("Plaintext", None) or asked.pop("CiphertextBlob"))) >= 60
    # There is one store: another is refused, and nothing is sent for it.
    before = len(fresh.relay.seen)
    assert "already holds a store" in fresh.first().stderr and len(fresh.relay.seen) == before


def test_a_first_start_that_the_key_service_or_the_register_refuses_leaves_nothing(fresh):
    bad = private(fresh.folder / "bad", "id\nsecret\n")
    for words, more in [
            ("refuses the credentials", {"credentials": ["--kms-credentials", bad]}),
            ("--kms-credentials", {"credentials": ["--kms-credentials", fresh.folder / "none"]}),
            ("does not say", {"without": fresh.all[0]}), ("after today", {"kms-ends": day(-1), "kms-effective": day(-9)}),
            ("--kms-key", {"kms-key": "alias/mine"}), ("--kms-key", {"kms-region": "eu-west-1"}),
            ("no such key", {"kms-key": fresh.arn[:-4] + "0000"}), ("document", {"kms-agreement": fresh.folder / "no"})]:
        done = fresh.first(**more)
        assert done.returncode == 1, (words, done.stdout)
        assert words in done.stderr, (words, done.stderr)
        assert fresh.left() == [] and not fresh.data.exists(), words
    fresh.relay.answer = DISABLED
    assert "disabled" in fresh.first().stderr and fresh.left() == []
    fresh.relay.answer = None
    for missing in ("kms-key", "kms-host", "kms-region", "kms-agreement", "kms-ends", "kms-signed-by"):
        assert f"--{missing}" in fresh.first(**{missing: None}).stderr
    assert "one of them" in fresh.first("--passphrase").stderr
    assert "goes with --kms" in fresh.first(kms=None).stderr
    assert fresh.left() == []
    # A folder that was there stays.
    fresh.data.mkdir()
    assert fresh.first(**{"kms-key": "alias/mine"}).returncode == 1 and fresh.data.is_dir()
    (fresh.data / "other").touch()
    assert "must be empty" in fresh.first().stderr
    (fresh.data / "other").unlink()
    # Nothing is sent where the store could not be put in its place.
    sent = len(fresh.relay.seen)
    fresh.data.rmdir()
    (fresh.folder / "bad-place").mkdir()
    fresh.data.symlink_to(fresh.folder / "bad-place")
    assert "a mount or a link" in fresh.first().stderr and len(fresh.relay.seen) == sent
    fresh.data.unlink()
    (fresh.folder / "bad-place").rmdir()
    assert fresh.left() == []
    assert fresh.first().returncode == 0
