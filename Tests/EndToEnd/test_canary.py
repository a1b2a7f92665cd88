"""Nothing of a record is written or sent in the clear, in whatever form.

Unique strings stand in every element, address, header and body that this run sends, well-formed or not. Afterwards
none of them may be found in any file of the data folder, in key files, logs and temporary files, or on the wire: raw,
escaped, encoded or compressed.
"""

import base64
import gzip
import json
import os
import pathlib
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
import zlib

import pytest
import requests

from conftest import wait_until
from probes import read_answer, request_bytes, tls_socket

# Every planted string carries the mark of this run, so that the scanner looks for few forms and finds all of them.
MARK = "Qx" + "".join(secrets.choice("abcdefghjkmnpqrstvwxyz") for _ in range(10))
# Values that cannot carry letters; long enough never to occur by chance.
BIRTH_DATE = "1887-03-29"
DECIMAL = "918273.6450917"
PHONE = "555-0173-8264-99"


class Canaries:
    """Hands out strings that occur nowhere else."""

    def __init__(self):
        self.count = 0
        self.lock = threading.Lock()

    def __call__(self, what=""):
        with self.lock:
            self.count += 1
            return f"{MARK}{what}{self.count}"


canary = Canaries()


# MARK: Scanner


def base64_forms(content):
    """The letters of a Base64 text that do not depend on what stands around the content, at each of 3 alignments."""
    forms = set()
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + content)
        first = (0, 2, 3)[before]
        whole = (before + len(content)) // 3 * 4
        forms.add(encoded[first:whole])
    return forms


def forms_of(text):
    """Every form in which a text is looked for, by name."""
    raw = text.encode()
    forms = {"raw": {raw}}
    forms["JSON-escaped"] = {
        "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
        "".join(f"\\u{ord(letter):04X}" for letter in text).encode()}
    encoded = base64_forms(raw)
    forms["Base64"] = encoded | {form.replace(b"+", b"-").replace(b"/", b"_") for form in encoded}
    forms["hex"] = {raw.hex().encode(), raw.hex().upper().encode()}
    forms["UTF-16LE"] = {text.encode("utf-16-le")}
    forms["UTF-16BE"] = {text.encode("utf-16-be")}
    forms["URL-encoded"] = {
        urllib.parse.quote(text, safe="").encode(), "".join(f"%{byte:02X}" for byte in raw).encode(),
        "".join(f"%{byte:02x}" for byte in raw).encode()}
    return forms


class Scanner:
    """Finds planted strings in files, in all forms, also within what was compressed."""

    def __init__(self, texts=(MARK, MARK.lower(), MARK.upper(), BIRTH_DATE, DECIMAL, PHONE)):
        self.forms = [(name, form) for text in texts for name, forms in forms_of(text).items() for form in forms]
        self.forms = sorted({form: name for name, form in self.forms}.items())
        self.pattern = re.compile(b"|".join(re.escape(form) for form, _ in self.forms))
        self.names = dict(self.forms)

    def scan(self, content, depth=0):
        found = {self.names[match.group()] for match in self.pattern.finditer(content)}
        if depth < 2:
            for start in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", content):
                inner = self.decompressed(content[start.start():start.start() + (8 << 20)])
                if inner:
                    found |= {f"compressed {name}" for name in self.scan(inner, depth + 1)}
        return found

    @staticmethod
    def decompressed(content):
        unpacker = zlib.decompressobj(wbits=47)
        try:
            return unpacker.decompress(content, 16 << 20)
        except zlib.error:
            return b""

    def scan_files(self, paths):
        """What was found, by file; and how many bytes were looked at."""
        found, size = {}, 0
        for path in paths:
            try:
                content = path.read_bytes()
            except OSError:
                continue
            size += len(content)
            forms = self.scan(content) | {f"in the name: {form}" for form in self.scan(path.name.encode())}
            if forms:
                found[str(path)] = forms
        return found, size


CONTROLS = {
    "raw": lambda text: text.encode(),
    "JSON-escaped": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text).encode(),
    "Base64": lambda text: base64.b64encode(text.encode()),
    "Base64 one byte in": lambda text: base64.b64encode(b"z" + text.encode() + b"tail"),
    "Base64 two bytes in": lambda text: base64.b64encode(b"zz" + text.encode() + b"ta"),
    "Base64 for URLs": lambda text: base64.urlsafe_b64encode(b"\xff\xfe" + text.encode()),
    "hex": lambda text: text.encode().hex().encode(),
    "HEX": lambda text: text.encode().hex().upper().encode(),
    "UTF-16LE": lambda text: text.encode("utf-16-le"),
    "UTF-16BE": lambda text: text.encode("utf-16-be"),
    "URL-encoded": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()).encode(),
    "gzip": lambda text: gzip.compress(text.encode() * 3),
    "zlib": lambda text: zlib.compress(text.encode() * 3),
    "gzip of JSON": lambda text: gzip.compress(json.dumps({"a": text}).encode()),
    "lower case": lambda text: text.lower().encode(),
    "upper case": lambda text: text.upper().encode(),
}


@pytest.mark.parametrize("form", CONTROLS)
def test_the_scanner_finds_what_is_there(tmp_path, form):
    file = tmp_path / "plain"
    file.write_bytes(os.urandom(1001) + CONTROLS[form](f"a{MARK}17") + os.urandom(500))
    found, _ = Scanner().scan_files([file])
    assert str(file) in found


@pytest.mark.parametrize("value", [BIRTH_DATE, DECIMAL, PHONE])
def test_the_scanner_finds_values_without_letters(tmp_path, value):
    file = tmp_path / "plain"
    file.write_bytes(os.urandom(999) + f'"{value}"'.encode() + os.urandom(500))
    assert Scanner().scan_files([file])[0]


def test_the_scanner_is_silent_about_noise(tmp_path):
    file = tmp_path / "noise"
    file.write_bytes(os.urandom(1 << 20))
    assert Scanner().scan_files([file])[0] == {}


# MARK: What is planted


def narrative():
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p title="{canary()}">{canary()}</p></div>'}


def concept():
    return {"coding": [{"system": f"http://{canary()}.example/codes", "code": canary(), "display": canary()}], "text": canary()}


def extension():
    return [{"url": f"http://{canary()}.example/extension", "valueString": canary()},
            {"url": f"http://{canary()}.example/more", "valueDecimal": DECIMAL_NUMBER}]


class ExactNumber(float):
    def __repr__(self):
        return DECIMAL


DECIMAL_NUMBER = ExactNumber(DECIMAL)


def person_name():
    return {"use": "official", "text": canary(), "family": canary(), "given": [canary(), canary()], "prefix": [canary()], "suffix": [canary()]}


def address():
    return {"text": canary(), "line": [canary(), canary()], "city": canary(), "district": canary(), "state": canary(),
            "postalCode": canary(), "country": canary()}


def telecom():
    return [{"system": "phone", "value": PHONE}, {"system": "email", "value": f"{canary()}@example.org"}]


def identifier():
    return [{"system": f"http://{canary()}.example/numbers", "value": canary(), "type": {"text": canary()}}]


def attachment():
    return {"contentType": "text/plain", "data": base64.b64encode(canary().encode()).decode(), "title": canary(),
            "url": f"http://{canary()}.example/file"}


def patient(identity=None):
    return {
        "resourceType": "Patient", **({"id": identity} if identity else {}), "text": narrative(), "extension": extension(),
        "meta": {"source": f"http://{canary()}.example/source", "tag": [{"system": f"http://{canary()}.example", "code": canary()}],
                 "profile": [f"http://{canary()}.example/profile"]},
        "contained": [{"resourceType": "Organization", "id": "in", "name": canary(), "alias": [canary()]}],
        "identifier": identifier(), "name": [person_name()], "telecom": telecom(), "birthDate": BIRTH_DATE,
        "_birthDate": {"extension": [{"url": f"http://{canary()}.example/time", "valueString": canary()}]},
        "address": [address()], "maritalStatus": concept(), "photo": [attachment()],
        "contact": [{"relationship": [concept()], "name": person_name(), "telecom": telecom(), "address": address()}],
        "communication": [{"language": concept()}], "managingOrganization": {"reference": "#in", "display": canary()},
    }


def about(identity):
    return {"reference": f"Patient/{identity}", "display": canary(), "identifier": {"value": canary()}}


def records_about(identity):
    """Records of many types, with a string in each element that takes one."""
    note = [{"text": canary(), "authorString": canary()}]
    return [
        {"resourceType": "Observation", "status": "final", "code": concept(), "subject": about(identity), "text": narrative(),
         "identifier": identifier(), "category": [concept()], "bodySite": concept(), "method": concept(), "note": note,
         "valueQuantity": {"value": DECIMAL_NUMBER, "unit": canary(), "system": "http://unitsofmeasure.org", "code": canary()},
         "effectiveDateTime": BIRTH_DATE, "referenceRange": [{"text": canary(), "low": {"value": DECIMAL_NUMBER}}],
         "component": [{"code": concept(), "valueString": canary()}]},
        {"resourceType": "Condition", "subject": about(identity), "code": concept(), "onsetString": canary(),
         "abatementString": canary(), "bodySite": [concept()], "note": note, "stage": [{"summary": concept()}],
         "evidence": [{"code": [concept()]}], "text": narrative()},
        {"resourceType": "MedicationRequest", "status": "active", "intent": "order", "subject": about(identity),
         "medicationCodeableConcept": concept(), "reasonCode": [concept()], "note": note,
         "dosageInstruction": [{"text": canary(), "patientInstruction": canary(), "additionalInstruction": [concept()]}]},
        {"resourceType": "AllergyIntolerance", "patient": about(identity), "code": concept(), "note": note,
         "reaction": [{"substance": concept(), "manifestation": [concept()], "description": canary()}]},
        {"resourceType": "DocumentReference", "status": "current", "subject": about(identity), "description": canary(),
         "content": [{"attachment": attachment()}], "type": concept()},
        {"resourceType": "Encounter", "status": "finished", "class": {"code": canary(), "display": canary()},
         "subject": about(identity), "reasonCode": [concept()], "hospitalization": {"dischargeDisposition": concept()}},
        {"resourceType": "Procedure", "status": "completed", "subject": about(identity), "code": concept(), "note": note,
         "performedString": canary(), "outcome": concept()},
        {"resourceType": "DiagnosticReport", "status": "final", "subject": about(identity), "code": concept(),
         "conclusion": canary(), "presentedForm": [attachment()]},
        {"resourceType": "Communication", "status": "completed", "subject": about(identity), "payload": [{"contentString": canary()}],
         "note": note},
        {"resourceType": "Coverage", "status": "active", "beneficiary": about(identity), "subscriberId": canary(),
         "payor": [{"display": canary()}], "dependent": canary(), "network": canary()},
        {"resourceType": "Appointment", "status": "booked", "description": canary(), "comment": canary(),
         "patientInstruction": canary(), "participant": [{"actor": about(identity), "status": "accepted"}]},
        {"resourceType": "RelatedPerson", "patient": about(identity), "name": [person_name()], "telecom": telecom(),
         "address": [address()], "relationship": [concept()]},
        {"resourceType": "Practitioner", "name": [person_name()], "telecom": telecom(), "identifier": identifier(),
         "qualification": [{"code": concept()}]},
        {"resourceType": "Organization", "name": canary(), "alias": [canary()], "address": [address()], "telecom": telecom()},
        {"resourceType": "QuestionnaireResponse", "status": "completed", "subject": about(identity),
         "item": [{"linkId": canary(), "text": canary(), "answer": [{"valueString": canary()}]}]},
        {"resourceType": "Binary", "contentType": "text/plain", "data": base64.b64encode(canary().encode() * 3).decode()},
        {"resourceType": "Basic", "code": concept(), "subject": about(identity), "extension": extension()},
        {"resourceType": "CarePlan", "status": "active", "intent": "plan", "subject": about(identity), "title": canary(),
         "description": canary(), "activity": [{"detail": {"status": "scheduled", "description": canary()}}]},
    ]


MALFORMED = [
    lambda: f'{{"resourceType":"Patient","name":[{{"family":"{canary()}"',
    lambda: f'{{"resourceType":"Patient","{canary()}":"{canary()}"}}',
    lambda: f'{{"resourceType":"Patient","gender":"{canary()}"}}',
    lambda: f'{{"resourceType":"Patient","birthDate":"{canary()}"}}',
    lambda: f'{{"resourceType":"Patient","birthDate":"{canary()}","birthDate":"{canary()}"}}',
    lambda: f'{{"resourceType":"{canary()}","name":"{canary()}"}}',
    lambda: f'{{"resourceType":"Patient","name":"{canary()}"}}',
    lambda: f'{{"resourceType":"Patient","active":"{canary()}"}}',
    lambda: f'{{"resourceType":"Patient","managingOrganization":{{"reference":"{canary()}/{canary()}"}}}}',
    lambda: f'{{"resourceType":"Patient","managingOrganization":{{"reference":"Practitioner?identifier={canary()}"}}}}',
    lambda: f'{{"resourceType":"Patient","text":{{"status":"generated","div":"<script>{canary()}</script>"}}}}',
    lambda: f'{{"resourceType":"Patient","extension":[{{"url":"{canary()}"}}]}}',
    lambda: f'{{"resourceType":"Patient","id":"{canary()}/{canary()}"}}',
    lambda: f'<Patient xmlns="http://hl7.org/fhir"><name><family value="{canary()}"/></name></Patient>',
    lambda: canary(),
    lambda: f'"{canary()}"',
    lambda: f'[{{"{canary()}":1}}]',
    lambda: '{"a":' * 500 + f'"{canary()}"' + "}" * 500,
    lambda: (f'{{"resourceType":"Patient","name":[{{"family":"{canary()}'.encode() + b"\xff\xfe\x80" + b'"}]}'),
    lambda: f'{{"resourceType":"Patient","name":[{{"family":"\\ud800{canary()}"}}]}}',
    lambda: gzip.compress(f'{{"resourceType":"Patient","name":[{{"family":"{canary()}"}}]}}'.encode()),
    lambda: f'{{"resourceType":"Bundle","type":"transaction","entry":[{{"fullUrl":"{canary()}","request":{{"method":"{canary()}","url":"{canary()}"}}}}]}}',
    lambda: f'{{"resourceType":"Bundle","type":"{canary()}","entry":[]}}',
]


def raw_requests(token):
    """Requests that no library would send."""
    return [
        f"GET /{canary()} HTTP/1.1\r\nHost: {canary()}.example\r\n\r\n".encode(),
        f"{MARK.upper()} /fhir/Patient HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
        f"GET /fhir/Patient HTTP/9.9\r\n{canary()}: {canary()}\r\n\r\n".encode(),
        f"{canary()}\r\n\r\n".encode(),
        f"GET /fhir/Patient/{canary()}%zz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode(),
        f"GET /fhir/Patient?name=%e4{canary()}%00 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode(),
        f"GET /fhir/Patient HTTP/1.1\r\nHost: localhost\r\nX-Large: {canary() * 4000}\r\n\r\n".encode(),
        f"GET /fhir/Patient?name={canary() * 4000} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(),
        request_bytes("POST", "/fhir/Patient", token, headers=("Content-Type: application/fhir+json", "Content-Length: 99999"))
        + f'{{"resourceType":"Patient","name":[{{"family":"{canary()}"'.encode(),
        request_bytes("POST", "/fhir/Patient", token, headers=("Content-Type: application/fhir+json", "Transfer-Encoding: chunked"))
        + f"zz{canary()}\r\n".encode(),
    ]


class Run:
    """Everything that is sent in this module, and what it left behind."""

    def __init__(self, house, folder):
        self.house = house
        self.folder = folder
        self.planted = folder / "planted"
        self.planted.mkdir()
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.snapshots = folder / "snapshots"
        self.printed = []
        self.statuses = set()
        self.capture = None
        self.started = time.time()

    # Sending

    def note(self, answer):
        self.statuses.add(answer.status_code)
        return answer

    def send(self):
        fhir = self.house.client("integration")
        own = canary("id")
        assert self.note(fhir.put(f"Patient/{own}", patient(own))).status_code == 201
        made = []
        for record in records_about(own):
            answer = self.note(fhir.post(record["resourceType"], record))
            assert answer.status_code == 201, f"{record['resourceType']}: {answer.text[:500]}"
            made.append(f"{record['resourceType']}/{answer.json()['id']}")
            assert Scanner().scan(answer.content), "what is planted comes back to the one who may see it"
        for place in made:
            self.note(fhir.get(place))
            self.note(fhir.get(f"{place}/_history"))
        self.note(fhir.put(f"Patient/{own}", patient(own)))
        self.searches(fhir, own)
        self.failures(fhir, own)
        self.bundles(fhir)
        self.strangers(own)
        self.raw(self.house.token("integration"))
        self.note(fhir.delete(made[0]))
        self.note(fhir.get(made[0]))
        return own

    def searches(self, fhir, own):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for query in (f"name={MARK}", f"family:exact={canary()}", f"identifier=http://{canary()}.example|{canary()}",
                      f"address-city={canary()}&birthdate={BIRTH_DATE}", f"_id={own}", f"phone={PHONE}",
                      f"general-practitioner=Practitioner/{canary()}", f"{canary()}={canary()}", f"_include={canary()}",
                      f"_sort={canary()}", f"_page={canary()}", f"_count={canary()}", f"name:{canary()}={canary()}",
                      f"_format={canary()}", f"birthdate={canary()}", f"_has:Observation:patient:code={canary()}",
                      f"organization.name={canary()}", f"name={MARK}&_count=1&_revinclude=Observation:patient"):
            self.note(fhir.get(f"Patient?{query}"))
            self.note(fhir.post("Patient/_search", query, headers=form))
            self.note(fhir.get(f"Patient?{query}", headers={"Prefer": f"handling=lenient, {canary()}={canary()}"}))
        self.note(fhir.get(f"Observation?subject=Patient/{own}&value-quantity={DECIMAL}&_include=Observation:subject"))
        self.note(fhir.post("Patient/_search", f"name=%zz{canary()}", headers=form))
        self.note(fhir.post("Patient/_search", f"name={canary()}", headers={"Content-Type": f"text/{canary()}"}))

    def failures(self, fhir, own):
        for body in MALFORMED:
            content = body()
            self.note(fhir.post("Patient", content))
            self.note(fhir.put(f"Patient/{canary()}", content))
            self.note(fhir.post("", content))
        self.note(fhir.post("Patient", gzip.compress(json.dumps(patient()).encode()), headers={"Content-Encoding": "gzip"}))
        for headers in (
            {"If-Match": canary()}, {"If-Match": 'W/"99999"'}, {"If-Match": f'W/"{canary()}"'}, {"If-None-Exist": f"identifier={canary()}"},
            {"If-None-Exist": f"{canary()}={canary()}"}, {"Prefer": canary()}, {"Accept": f"application/{canary()}"},
            {"Content-Type": f"application/{canary()}"}, {"X-Forwarded-For": canary()}, {"Forwarded": f"for={canary()}"},
            {"Cookie": f"{canary()}={canary()}"}, {"User-Agent": canary()}, {"Referer": f"https://{canary()}.example"},
            {"X-Request-Id": canary()}, {"Traceparent": canary()}, {"Host": f"{canary()}.example"}, {canary(): canary()},
        ):
            self.note(fhir.put(f"Patient/{own}", patient(own), headers=headers))
            self.note(fhir.get(f"Patient/{own}", headers=headers))
            self.note(fhir.post("Patient", patient(), headers=headers))
        for place in (f"Patient/{canary()}", f"Patient/{canary()}/_history", f"Patient/{own}/_history/{canary()}", canary(),
                      f"Patient/{canary()}!{canary()}", f"Patient/${canary()}", f"_{canary()}", f"Patient/{own}/{canary()}/{canary()}"):
            for method in ("GET", "PUT", "DELETE", "PATCH", "POST", "HEAD", "OPTIONS"):
                self.note(fhir.request(method, place, None if method in ("GET", "DELETE", "HEAD") else patient()))

    def bundles(self, fhir):
        entries = [
            {"fullUrl": "urn:uuid:00000000-0000-4000-8000-00000000000a", "request": {
                "method": "POST", "url": "Patient", "ifNoneExist": f"identifier={canary()}"}, "resource": patient()},
            {"request": {"method": "POST", "url": "Observation"},
             "resource": {"resourceType": "Observation", "status": "final", "code": concept(),
                          "subject": {"reference": "urn:uuid:00000000-0000-4000-8000-00000000000a"}}},
            {"request": {"method": "PUT", "url": f"Patient/{(other := canary())}"}, "resource": patient(other)},
            {"request": {"method": "GET", "url": f"Patient?name={canary()}"}}]
        for kind in ("transaction", "batch"):
            self.note(fhir.transaction(entries, kind=kind))
            broken = json.loads(json.dumps(entries))
            broken[1]["resource"]["status"] = canary()
            self.note(fhir.transaction(broken, kind=kind))
            broken = json.loads(json.dumps(entries))
            broken[0]["resource"]["generalPractitioner"] = [{"reference": f"Practitioner?identifier={canary()}"}]
            self.note(fhir.transaction(broken, kind=kind))

    def strangers(self, own):
        for token in (None, canary(), canary() * 100):
            stranger = self.house.stranger(token)
            self.note(stranger.get(f"Patient/{own}"))
            self.note(stranger.get(f"Patient?name={canary()}"))
            self.note(stranger.post("Patient", patient()))
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        self.note(self.house.stranger().post(
            f"{self.house.origin}/oauth/token", f"grant_type=client_credentials&client_assertion={canary()}&scope={canary()}"
            "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer", headers=form))
        self.note(self.house.client("administrator").get(f"Patient/{own}"))
        self.note(self.house.client("front-desk").post("Observation", records_about(own)[0]))

    def raw(self, token):
        for content in raw_requests(token):
            with tls_socket(self.house, timeout=3) as connection:
                try:
                    connection.sendall(content)
                    read_answer(connection)
                except (TimeoutError, OSError):
                    pass
        # Where the encryption itself is not: a name that the client sends in the clear is the client's doing.
        with socket.create_connection(("127.0.0.1", self.house.port), timeout=3) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")

    def import_files(self):
        """The same by the command line; what it prints goes to the one who has the files."""
        own = canary("imported")
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [
            {"resource": {**record, "id": f"i{number}"}} for number, record in enumerate(records_about(own))]}
        bundle["entry"].insert(0, {"resource": patient(own)})
        (self.planted / "collection.json").write_text(json.dumps(bundle))
        lines = [json.dumps(patient(canary())) for _ in range(5)]
        lines += [content if isinstance(content := body(), str) else "" for body in MALFORMED]
        (self.planted / "lines.ndjson").write_text("\n".join(line.replace("\n", " ") for line in lines))
        (self.planted / "broken.json").write_text(MALFORMED[0]())
        done = self.house.ward(
            "import", self.planted, "--client", "integration", timeout=120, environment={"TMPDIR": str(self.temporary)})
        assert done.returncode == 2, "the broken ones are listed"
        self.printed.append(("import", done.stdout + done.stderr))
        assert "rejected" in done.stdout

    def commands_that_fail(self, own):
        for arguments in (
            ("audit", "search", "--client", "administrator", "--patient", canary()),
            ("audit", "search", "--client", "administrator", "--record", f"Patient/{canary()}"),
            ("audit", "search", "--client", "integration", "--patient", own),
            ("audit", "verify"), ("verify", "--client", "administrator"), ("keys", "status"), ("client", "list")):
            done = self.house.ward(*arguments)
            if "search" not in arguments:
                self.printed.append((" ".join(arguments[:2]), done.stdout + done.stderr))

    def kill_under_load(self):
        """The end without warning: whatever was on its way to the disk stays as it is."""
        stopping = threading.Event()
        fhir = self.house.client("integration")

        def write():
            while not stopping.is_set():
                try:
                    identity = canary("late")
                    fhir.put(f"Patient/{identity}", patient(identity))
                except (requests.RequestException, OSError):
                    return

        writers = [threading.Thread(target=write) for _ in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(0.7)
        self.house.kill()
        stopping.set()
        for writer in writers:
            writer.join(10)
        self.snapshot("killed")

    def snapshot(self, name):
        """The data folder as it is now, write-ahead log and all."""
        target = self.snapshots / name
        target.mkdir(parents=True)
        for path in self.house.data.iterdir():
            if path.is_file():
                shutil.copy(path, target)

    # Looking

    def files(self):
        """Every file that belongs to the store or was made beside it."""
        own = [path for path in self.house.folder.rglob("*") if path.is_file()]
        return own + [path for path in self.snapshots.rglob("*") if path.is_file()]

    def new_temporary_files(self):
        """Files made since the start in the places for temporary files, other than what these tests made."""
        found = [path for path in self.temporary.rglob("*") if path.is_file()]
        for place in {tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm", "/run"}:
            try:
                entries = list(pathlib.Path(place).iterdir())
            except OSError:
                continue
            for path in entries:
                try:
                    status = path.lstat()
                except OSError:
                    continue
                if path.is_file() and not path.is_symlink() and status.st_mtime >= self.started and status.st_size < 64 << 20:
                    found.append(path)
        return found


@pytest.fixture(scope="module")
def capture_tool():
    return shutil.which("tcpdump") if os.geteuid() == 0 else None


@pytest.fixture(scope="module")
def run(houses, capture_tool, tmp_path_factory):
    """The whole run: sent, failed, killed, opened again, verified, stopped."""
    folder = tmp_path_factory.mktemp("canary")
    house = houses(start=False)
    made = Run(house, folder)
    previous = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(made.temporary)
    recorder = None
    try:
        house.start("--access-log")
        if capture_tool:
            recorder = record(capture_tool, house.port, folder / "loopback.pcap")
            made.capture = folder / "loopback.pcap"
        own = made.send()
        made.import_files()
        made.commands_that_fail(own)
        made.snapshot("running")
        made.kill_under_load()
        house.start("--access-log")
        made.commands_that_fail(own)
        assert house.client("integration").get(f"Patient/{own}").status_code == 200
        assert house.stop() == 0
        made.snapshot("stopped")
    finally:
        if recorder:
            time.sleep(1)
            recorder.terminate()
            recorder.wait(20)
        if previous is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = previous
    return made


def record(tool, port, path):
    recorder = subprocess.Popen(
        [tool, "-i", "lo", "-U", "-B", "16384", "-s", "0", "-Z", "root", "-w", str(path), "tcp", "port", str(port)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: path.exists() and path.stat().st_size >= 24, timeout=15, what="the packet capture")
    except AssertionError:
        recorder.kill()
        raise
    return recorder


# MARK: Findings


def test_the_run_met_every_kind_of_answer(run):
    assert {200, 201, 204, 400, 401, 403, 404, 405, 406, 410, 412, 415, 501} <= run.statuses, run.statuses
    assert 500 not in run.statuses
    assert canary.count > 1000


def test_no_file_of_the_store_holds_a_planted_string(run):
    files = run.files()
    names = {path.name for path in files}
    assert {"ward.db", "ward.db-wal", "data.key", "ca.pem", "server.err"} <= names, names
    found, size = Scanner().scan_files(files)
    assert found == {}
    assert size > 1 << 20, "there was something to look at"


def test_the_log_says_what_happened_and_holds_no_planted_string(run):
    lines = run.house.log_lines()
    assert len(lines) > 300, "every request was logged"
    assert {line.get("status") for line in lines} >= {200, 201, 400, 401, 404}
    assert Scanner().scan((run.house.errors() + run.house.log_file.read_text()).encode()) == set()
    # Routes are templates.
    for line in lines:
        if "route" in line:
            assert re.fullmatch(r"[a-z/._{}-]+", line["route"]), line["route"]


def test_no_temporary_file_holds_a_planted_string(run):
    found, _ = Scanner().scan_files(run.new_temporary_files())
    assert found == {}


def test_the_wire_carries_no_planted_string(run, capture_tool):
    if capture_tool is None:
        pytest.skip("needs root and tcpdump, to record the loopback network")
    found, size = Scanner().scan_files([run.capture])
    assert size > 1 << 19, "the recording has what was sent"
    assert found == {}


def test_the_recording_would_have_shown_it(run, capture_tool, tmp_path):
    if capture_tool is None:
        pytest.skip("needs root and tcpdump, to record the loopback network")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        recorder = record(capture_tool, listener.getsockname()[1], tmp_path / "control.pcap")
        try:
            with socket.create_connection(listener.getsockname()) as sender:
                receiver, _ = listener.accept()
                sender.sendall(f"GET /?name={MARK} HTTP/1.1\r\n\r\n".encode())
                receiver.recv(1000)
                receiver.close()
            wait_until(lambda: Scanner().scan((tmp_path / "control.pcap").read_bytes()), timeout=15, what="the string")
        finally:
            recorder.terminate()
            recorder.wait(20)


def test_commands_print_no_planted_string(run):
    assert len(run.printed) > 5
    for command, text in run.printed:
        # A replaced file name is the caller's; these have none.
        assert Scanner().scan(text.encode()) == set(), command


def test_what_the_one_who_may_see_it_gets_holds_the_planted_strings(run):
    # The control: the strings are in the store, and come out with the key.
    house = run.house
    folder = run.folder / "export"
    done = house.ward("export", "--client", "integration", "--out", folder)
    assert done.returncode == 0, done.stderr
    found, _ = Scanner().scan_files(folder.glob("*.ndjson"))
    assert len(found) > 12
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.glob("*.ndjson"))
