"""What is no resource is refused with its location and never with its value."""

import json
import uuid

import pytest

from conftest import exact, expressions, outcome

#: Stands for the patient's data in every offence; no answer may repeat it.
SECRET = "Zq7SecretValue"


def patient(**more):
    return {"resourceType": "Patient", **more}


def refuse(integration, body, status, kind="Patient"):
    answer = integration.post(kind, body)
    assert answer.status_code == status, answer.text
    issues = outcome(answer)
    assert SECRET not in answer.text
    assert all(issue["severity"] in ("error", "fatal") for issue in issues)
    return answer


# MARK: Not JSON

NOT_JSON = [
    "", " ", "{", "}", "[", "nul", "{'a':1}", '{"resourceType":"Patient",}', '{"resourceType" "Patient"}',
    '{"resourceType":"Patient"} x', '{"resourceType":"Patient"}{"resourceType":"Patient"}', "\ufeff{\"resourceType\":\"Patient\"}",
    f'{{"resourceType":"Patient","gender":"{SECRET}', f'{{"resourceType":"Patient","gender":{SECRET}}}',
    '{"resourceType":"Patient","multipleBirthInteger":01}', '{"resourceType":"Patient","multipleBirthInteger":1.}',
    '{"resourceType":"Patient","multipleBirthInteger":.5}', '{"resourceType":"Patient","multipleBirthInteger":+1}',
    '{"resourceType":"Patient","multipleBirthInteger":1e}', '{"resourceType":"Patient","multipleBirthInteger":NaN}',
    '{"resourceType":"Patient","multipleBirthInteger":Infinity}', '{"resourceType":"Patient","active":True}',
    '{"resourceType":"Patient","active":tru}', '{"resourceType":"Patient" /* x */}', '{"resourceType":"Patient","id":"\\x"}',
    '{"resourceType":"Patient","id":"\\u12"}', '{"resourceType":"Patient","id":"\\ud800"}',
    '{"resourceType":"Patient","id":"\\udc00\\ud800"}', '{"resourceType":"Patient","id":"a\nb"}',
    '{"resourceType":"Patient","id":"a\x00b"}', '{"resourceType":"Patient","name":[{"family":"a\tb"}]}',
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_what_is_not_json_is_a_400_that_says_at_which_byte(integration, body):
    answer = refuse(integration, body.encode("utf-8", "surrogatepass"), 400)
    if body.strip():
        assert expressions(answer)[0].startswith("byte ")


BAD_UTF8 = [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x28\xa1", b"\xc3", b"\x80", b"\xf8\x88\x80\x80\x80"]


@pytest.mark.parametrize("bad", BAD_UTF8)
def test_bytes_that_are_not_utf8_are_a_400(integration, bad):
    refuse(integration, b'{"resourceType":"Patient","name":[{"family":"' + bad + b'"}]}', 400)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_other_encodings_are_a_400(integration, encoding):
    refuse(integration, json.dumps(patient()).encode(encoding), 400)


@pytest.mark.parametrize("body", [
    '{"resourceType":"Patient","gender":"male","gender":"female"}',
    '{"resourceType":"Patient","resourceType":"Patient"}',
    '{"resourceType":"Patient","name":[{"family":"a","family":"a"}]}',
    '{"resourceType":"Patient","gender":"male","gend\\u0065r":"female"}',
    '{"resourceType":"Patient","id":"a","":1,"":2}',
])
def test_a_duplicate_key_is_a_400(integration, body):
    answer = refuse(integration, body, 400)
    assert "duplicate" in outcome(answer)[0]["diagnostics"]


@pytest.mark.parametrize("depth", [65, 100, 1000, 100_000, 1_000_000])
@pytest.mark.parametrize("opening,closing", [('{"a":', "}"), ("[", "]")])
def test_nesting_beyond_the_limit_is_a_400_and_no_crash(integration, depth, opening, closing):
    refuse(integration, opening * depth + "1" + closing * depth, 400)
    refuse(integration, opening * depth, 400)


def test_the_server_stands_after_all_that(integration):
    assert integration.post("Patient", patient()).status_code == 201


def test_a_body_beyond_the_limit_is_a_413(houses):
    house = houses(roles=("integration",), options=("--maximum-body", "1"))
    integration = house.client("integration")
    # Content-Length says it beforehand; a server may also close the connection on the sender.
    try:
        answer = integration.post("Patient", b" " * (1 << 20) + json.dumps(patient()).encode())
        assert answer.status_code == 413
    except OSError:
        pass
    assert integration.post("Patient", json.dumps(patient()).encode() + b" " * 100_000).status_code == 201
    house.kill()


# MARK: Not this resource

S = SECRET

OFFENCES = [
    # structure
    ([], "Resource"), (1, "Resource"), ("x", "Resource"), (None, "Resource"), (True, "Resource"), ({}, "Resource"),
    ({"resourceType": S}, "Resource"), ({"resourceType": 1}, "Resource"), ({"resourceType": ["Patient"]}, "Resource"),
    ({"resourceType": "Observation", "status": "final", "code": {"text": S}}, "Observation"),
    (patient(**{S: "x"}), "Patient"), (patient(birthdate="2000"), "Patient"), (patient(value=S), "Patient"),
    (patient(name=[{S: 1}]), "Patient.name[0]"), (patient(name={"family": S}), "Patient.name"),
    (patient(name=S), "Patient.name"), (patient(name=[S]), "Patient.name[0]"), (patient(name=[]), "Patient.name"),
    (patient(name=[{}]), "Patient.name[0]"), (patient(name=[None]), "Patient.name[0]"), (patient(name=None), "Patient.name"),
    (patient(name=[{"given": S}]), "Patient.name[0].given"), (patient(name=[{"given": [[S]]}]), "Patient.name[0].given[0]"),
    (patient(name=[{"given": ["a", None]}]), "Patient.name[0].given[1]"), (patient(birthDate=["2000"]), "Patient.birthDate"),
    (patient(_birthDate=S), "Patient.birthDate"), (patient(_birthDate={}), "Patient.birthDate"),
    (patient(_name=[{"id": "a"}]), "Patient"), (patient(birthDate=None), "Patient.birthDate"),
    # kinds
    (patient(active="true"), "Patient.active"), (patient(active=1), "Patient.active"), (patient(active={"a": S}), "Patient.active"),
    (patient(birthDate=2000), "Patient.birthDate"), (patient(multipleBirthInteger="1"), "Patient.multipleBirth"),
    (patient(gender=True), "Patient.gender"), (patient(maritalStatus=S), "Patient.maritalStatus"),
    (patient(maritalStatus=[{"text": S}]), "Patient.maritalStatus"), (patient(text=S), "Patient.text"),
    # cardinality
    (patient(communication=[{"preferred": True}]), "Patient.communication[0].language"),
    (patient(link=[{"type": "seealso"}]), "Patient.link[0].other"), (patient(extension=[{"valueString": S}]), "Patient.extension[0].url"),
    (patient(deceasedBoolean=True, deceasedDateTime="2020"), "Patient.deceased"),
    (patient(deceasedString=S), "Patient"), (patient(deceased=True), "Patient"),
    # formats
    (patient(birthDate=S), "Patient.birthDate"), (patient(birthDate="2000-13"), "Patient.birthDate"),
    (patient(birthDate="2001-02-29"), "Patient.birthDate"), (patient(birthDate="2000-1-1"), "Patient.birthDate"),
    (patient(birthDate="20000101"), "Patient.birthDate"), (patient(birthDate="2000-01-01T00:00:00Z"), "Patient.birthDate"),
    (patient(birthDate="0000"), "Patient.birthDate"), (patient(birthDate=""), "Patient.birthDate"), (patient(birthDate=" 2000"), "Patient.birthDate"),
    (patient(deceasedDateTime="2020-01-01T10:00"), "Patient.deceased"), (patient(deceasedDateTime="2020-01-01T10:00:00"), "Patient.deceased"),
    (patient(deceasedDateTime="2020-01-01T25:00:00Z"), "Patient.deceased"), (patient(deceasedDateTime="2020-01-01T10:00:00+25:00"), "Patient.deceased"),
    (patient(multipleBirthInteger=2147483648), "Patient.multipleBirth"), (patient(multipleBirthInteger=1.5), "Patient.multipleBirth"),
    (patient(id="a b"), "Patient.id"), (patient(id="x" * 65), "Patient.id"), (patient(id=""), "Patient.id"), (patient(id=f"{S}/x"), "Patient.id"),
    (patient(language=" en"), "Patient.language"), (patient(implicitRules=f"http://x {S}"), "Patient.implicitRules"),
    (patient(photo=[{"contentType": "image/png", "data": S + "*"}]), "Patient.photo[0].data"),
    (patient(name=[{"family": ""}]), "Patient.name[0].family"), (patient(name=[{"family": "a\u0000" + S}]), "Patient.name[0].family"),
    (patient(name=[{"id": "a b", "family": S}]), "Patient.name[0].id"),
    (patient(meta={"lastUpdated": "2020-01-01"}), "Patient.meta.lastUpdated"),
    # codes
    (patient(gender=S), "Patient.gender"), (patient(gender="Male"), "Patient.gender"), (patient(gender=""), "Patient.gender"),
    (patient(name=[{"use": S}]), "Patient.name[0].use"), (patient(telecom=[{"system": S}]), "Patient.telecom[0].system"),
    (patient(contact=[{"gender": S}]), "Patient.contact[0].gender"), (patient(link=[{"type": S, "other": {"reference": "Patient/a"}}]), "Patient.link[0].type"),
    # references
    (patient(managingOrganization={"reference": f"Patient/{S}"}), "Patient.managingOrganization"),
    (patient(managingOrganization={"reference": S}), "Patient.managingOrganization"),
    (patient(managingOrganization={"reference": f"Nonsense/{S}"}), "Patient.managingOrganization"),
    (patient(managingOrganization={"reference": f"#{S}"}), "Patient.managingOrganization"),
    (patient(managingOrganization={"reference": "Organization/a", "type": "Patient"}), "Patient.managingOrganization"),
    (patient(managingOrganization={"reference": f"Organization?name={S}"}), "Patient.managingOrganization"),
    # contained, narrative, extensions
    (patient(contained=[S]), "Patient.contained[0]"), (patient(contained=[{"resourceType": "Organization", "name": S}]), "Patient.contained[0]"),
    (patient(contained=[{"resourceType": "Organization", "id": "a", "name": S}]), "Patient.contained[0]"),
    (patient(text={"status": "generated", "div": f"<div xmlns=\"http://www.w3.org/1999/xhtml\"><script>{S}</script></div>"}), "Patient.text.div"),
    (patient(text={"status": "generated", "div": f"<div xmlns=\"http://www.w3.org/1999/xhtml\"><p onclick=\"{S}\">x</p></div>"}), "Patient.text.div"),
    (patient(text={"status": "generated", "div": f"<p>{S}</p>"}), "Patient.text.div"), (patient(text={"status": "generated", "div": f"<div>{S}"}), "Patient.text.div"),
    (patient(extension=[{"url": "http://x", "valueString": S, "valueCode": "a"}]), "Patient.extension[0]"),
    (patient(extension=[{"url": "http://x", "valueNonsense": S}]), "Patient.extension[0]"),
    (patient(extension=[{"url": "http://x"}]), "Patient.extension[0]"),
    (patient(name=[{"period": {"start": "2021", "end": "2020"}}]), "Patient.name[0].period"),
]


@pytest.mark.parametrize("body,place", OFFENCES, ids=[f"{n} {place}" for n, (_, place) in enumerate(OFFENCES)])
def test_an_offence_is_a_422_with_its_location_and_without_its_value(integration, body, place):
    answer = refuse(integration, json.dumps(body), 422)
    found = expressions(answer)
    # Somewhere at the element or directly below it; where there is no resource, at what was expected.
    if place == "Resource":
        place = "Patient" if found == ["Patient"] else place
    assert any(each == place or each.startswith(f"{place}.") or each.startswith(f"{place}[") for each in found), found


def test_all_offences_of_a_resource_are_told_at_once(integration):
    answer = refuse(integration, patient(gender=S, birthDate=S, name=[{"use": S}, {"given": S}]), 422)
    assert {"Patient.gender", "Patient.birthDate", "Patient.name[0].use", "Patient.name[1].given"} <= set(expressions(answer))


def test_an_offence_in_a_transaction_is_told_with_its_entry(integration):
    good = {"resource": patient(), "request": {"method": "POST", "url": "Patient"}}
    bad = {"resource": patient(name=[{"given": ["x", S], "use": S}]), "request": {"method": "POST", "url": "Patient"}}
    answer = integration.transaction([good, good, bad])
    assert answer.status_code == 422
    assert expressions(answer) == ["Bundle.entry[2].resource.name[0].use"]
    assert SECRET not in answer.text


@pytest.mark.parametrize("header", ["If-Match", "If-None-Exist", "Prefer", "Accept", "Content-Type"])
def test_a_bad_header_value_is_not_repeated(integration, header):
    wanted = f"v-{uuid.uuid4()}"
    answer = integration.put(f"Patient/{wanted}", patient(id=wanted), headers={header: f"birthdate={SECRET}"})
    assert SECRET not in answer.text
    answer = integration.post("Patient", patient(), headers={header: f"birthdate={SECRET}"})
    assert SECRET not in answer.text


@pytest.mark.parametrize("path", [
    "Patient/{s}", "Patient/{s}/_history", "Patient?family={s}&nonsense={s}", "Patient?birthdate={s}", "{s}", "Patient/{s}/x",
    "Patient?_page={s}", "Patient/${s}", "Patient?_sort={s}", "Patient?_include={s}", "Patient?organization={s}/x/y",
    "Patient/a/_history?_count={s}", "Patient/a/_history/{s}"])
def test_a_refused_address_is_not_repeated(integration, path):
    answer = integration.get(path.format(s=SECRET))
    assert answer.status_code >= 400
    assert SECRET not in answer.text
    assert not any(SECRET in value for value in answer.headers.values())


# MARK: What is valid stays as it is


@pytest.mark.parametrize("number", [
    "1", "1.0", "1.00", "-0.0", "0.000000000000000001", "123456789012345678901234567890.123456789", "1e3", "1E+3", "1.50e-10"])
def test_decimals_keep_every_character(integration, number):
    body = (
        '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":%s}}' % number)
    created = integration.post("Observation", body)
    assert created.status_code == 201
    read = integration.get(f"Observation/{created.json()['id']}")
    assert exact(read.text)["valueQuantity"]["value"] == exact(number)


@pytest.mark.parametrize("text", [
    "plain", "Ünïcödé", "日本語", "😀", "a\"b\\c/d", "<b>&amp;", "  kept  ", "line\r\nline\ttab", "\u2028\u2029", "é", "e\u0301", "x" * 100_000])
def test_strings_keep_every_character(integration, text):
    stored = integration.create(patient(name=[{"text": text}]))
    assert integration.get(f"Patient/{stored['id']}").json()["name"] == [{"text": text}]


def test_primitive_extensions_order_and_contained_resources_stay(integration):
    body = patient(
        contained=[{"resourceType": "Organization", "id": "o", "name": "x"}],
        managingOrganization={"reference": "#o"},
        name=[{"given": ["a", None, "c"], "_given": [None, {"extension": [{"url": "http://x", "valueCode": "y"}]}, {"id": "z"}]}],
        _birthDate={"extension": [{"url": "http://x", "valueCode": "unknown"}]})
    stored = integration.create(body)
    read = integration.get(f"Patient/{stored['id']}").json()
    for key, value in body.items():
        assert read[key] == value
