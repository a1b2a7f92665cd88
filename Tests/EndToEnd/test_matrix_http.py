"""Every role of people, through an app that they allow everything: on each type and each way to a record, over the network.

What may come out stands in plain_words.py. Nothing more than that comes out: no record, no count, no byte.
"""

import json
import re

import pytest

from conftest import ROOT, FHIR, in_parallel, included, link, matches
from plain_words import ABOUT, FIELDS, REFUSED, ROLES, WHOLE, answer
from test_people import LINK, Browser, chromium, enrol  # noqa: F401 (fixture)
from test_smart import Clinic

CANARY = "canary-6f1d"
NARRATIVE = {"status": "additional", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{CANARY}</div>'}
MINIMAL = {each["resourceType"]: each for each in json.loads(
    (ROOT / "Tests/EndToEnd/minimal_resources.json").read_text())}
TYPES = sorted(MINIMAL)


def about(kind, group):
    """A valid resource of a type that is about the patient of a group; None if the type is about nobody."""
    made = {**MINIMAL[kind], "id": f"{kind}-{group}"}
    if kind not in ("Binary", "Bundle", "Parameters"):
        made["text"] = NARRATIVE
    if kind == "Patient":
        if group == "nobody":
            return None
        return {**made, "id": group, "name": [{"family": group}], "maritalStatus": {"text": CANARY}}
    if group == "nobody":
        return made
    if kind not in ABOUT:
        return None
    head, _, inner = ABOUT[kind].partition(".")
    reference = {"reference": f"Patient/{group}"}
    if inner:
        made[head] = [{**(made.get(head) or [{}])[0], inner: reference}]
    elif head.endswith("[]"):
        made[head[:-2]] = [reference]
    else:
        made[head] = reference
    return made


RECORDS = [
    (kind, group, made) for kind in TYPES for group in ("near", "far", "nobody") if (made := about(kind, group))]
TEAM = {
    "resourceType": "CareTeam", "id": "team", "status": "active", "subject": {"reference": "Patient/near"},
    "participant": [{"member": {"reference": "Practitioner/doc"}}]}


@pytest.fixture(scope="module")
def clinic(houses):
    made = Clinic(houses(roles=("administrator", "integration")))
    integration = made.house.client("integration")
    for path in (f"Patient/{made.patient}", f"Patient/{made.other}"):
        assert integration.delete(path).status_code in (200, 204)
    everything = [record for _, _, record in RECORDS] + [TEAM]
    for start in range(0, len(everything), 50):
        done = integration.transaction([
            {"resource": each, "request": {"method": "PUT", "url": f"{each['resourceType']}/{each['id']}"}}
            for each in everything[start:start + 50]])
        assert done.status_code == 200, done.text[:1000]
    return made


@pytest.fixture(scope="module")
def tokens(clinic, chromium):  # noqa: F811
    """An access token of the app for somebody of each role."""
    app = clinic.app(client_name="Everything")
    made = {}
    for role in ROLES:
        options = {"patient": ["--patient", "near"], "proxy": ["--patient", "near"]}.get(role, ["--practitioner", "doc"])
        done = clinic.house.ward("user", "add", role, "--name", role.capitalize(), "--role", role, *options)
        assert done.returncode == 0, done.stderr
        browser = Browser(chromium, clinic.origin)
        enrol(browser, clinic.house.invited(LINK.search(done.stdout).group(0), role, [role]))
        cookies = {cookie["name"]: cookie["value"] for cookie in browser.context.cookies()}
        browser.context.close()
        shown = clinic.consent(app, cookies, scope="openid fhirUser user/*.cruds")
        answered = clinic.exchange(app, shown["code"])
        assert answered.status_code == 200, answered.text
        assert "user/*.cruds" in answered.json()["scope"].split()
        made[role] = answered.json()["access_token"]
    return made


def client(clinic, tokens, role):
    return FHIR(clinic.origin, clinic.house.authority, tokens[role])


def faceless(response, record="none"):
    """What must be equal of two refusals."""
    text = response.text.replace(record, "none")
    return response.status_code, re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "UUID", text), response.headers.get("ETag")


def split(work):
    """Does a piece of work for each role, two at a time; the complaints of all."""
    return [fault for found in in_parallel([lambda half=half: [fault for role in half for fault in work(role)]
                                            for half in (ROLES[0::2], ROLES[1::2])]) for fault in found]


def test_reads_give_what_the_role_may_see(clinic, tokens):
    def work(role):
        fhir = client(clinic, tokens, role)
        nothing = {}
        for kind, group, record in RECORDS:
            expected = answer(role, "read", kind, group)
            if expected == REFUSED and kind not in nothing:
                nothing[kind] = faceless(fhir.get(f"{kind}/none"))
            got = fhir.get(f"{kind}/{record['id']}")
            what = f"{role} reads {kind}/{record['id']}: {got.status_code}, should be {expected}"
            if expected == REFUSED:
                if got.status_code not in (403, 404) or CANARY in got.text:
                    yield what
                elif faceless(got, record["id"]) != nothing[kind]:
                    yield f"{what}: not as if there were none: {got.text}"
            elif got.status_code != 200 or got.json()["id"] != record["id"]:
                yield f"{what}: {got.text[:200]}"
            elif expected == FIELDS and (CANARY in got.text or "SUBSETTED" not in got.text):
                yield f"{what}: more than its fields: {got.text}"
            elif expected == WHOLE and "text" in record and CANARY not in got.text:
                yield f"{what}: less than all"

    assert split(work) == []


def test_searches_totals_and_includes_count_what_the_role_may_see(clinic, tokens):
    def visible(role, kind):
        return {record["id"] for each, group, record in RECORDS
                if each == kind and answer(role, "search", kind, group) != REFUSED}

    def work(role):
        fhir = client(clinic, tokens, role)
        # The log itself is served as AuditEvent, by rules of its own: test_log.py.
        for kind in set(TYPES) - {"AuditEvent"}:
            expected = visible(role, kind)
            got = fhir.get(f"{kind}?_count=100&_total=accurate")
            counted = fhir.get(f"{kind}?_count=0&_total=accurate")
            if got.status_code == 403 and counted.status_code == 403 and not expected:
                if CANARY in got.text + counted.text:
                    yield f"{role} searches {kind}: a refusal that shows something"
                continue
            if got.status_code != 200:
                yield f"{role} searches {kind}: {got.status_code} {got.text[:200]}"
                continue
            bundle = got.json()
            found = {entry["resource"]["id"] for entry in bundle.get("entry", [])}
            own = found - {"team"}
            if own != expected or bundle["total"] != len(found) or link(bundle, "next"):
                yield f"{role} searches {kind}: {sorted(found)} of {bundle['total']}, should be {sorted(expected)}"
            if counted.status_code != 200 or counted.json()["total"] != len(found) or "entry" in counted.json():
                yield f"{role} counts {kind}: {counted.text[:200]}, should be {len(found)}"
            whole = any(answer(role, "search", each, group) == WHOLE
                        for each, group, _ in RECORDS if each == kind)
            if not whole and CANARY in got.text:
                yield f"{role} searches {kind}: more than its fields"

    assert split(work) == []


#: What leads from a patient to records about them, and back.
BACK = ("Account:subject", "Appointment:patient", "CareTeam:patient", "Claim:patient", "Condition:patient",
        "Consent:patient", "Coverage:beneficiary", "DocumentReference:patient", "Encounter:patient",
        "Immunization:patient", "List:subject", "MedicationRequest:patient", "Observation:patient",
        "Procedure:patient", "Provenance:target", "RelatedPerson:patient", "ServiceRequest:patient")


def test_includes_bring_what_the_role_may_see(clinic, tokens):
    def may(role, kind, name):
        group = name.rpartition("-")[2]
        return name == "team" or answer(role, "search", kind, group) != REFUSED

    def work(role):
        fhir = client(clinic, tokens, role)
        for name in BACK:
            kind = name.partition(":")[0]
            for path in (f"Patient?_revinclude={name}&_count=100", f"{kind}?_include={name}&_count=100"):
                got = fhir.get(path)
                if got.status_code not in (200, 403):
                    yield f"{role} asks {path}: {got.status_code} {got.text[:200]}"
                    continue
                brought = [entry["resource"] for entry in included(got.json())] if got.status_code == 200 else []
                for each in brought:
                    if not may(role, each["resourceType"], each["id"]):
                        yield f"{role} asks {path}: {each['resourceType']}/{each['id']}"
                # One thing that must be there, so that an empty answer is no success.
                wanted = f"{kind}-near" if path.startswith("Patient") else "near"
                asked = "Patient" if path.startswith("Patient") else kind
                if (may(role, asked, f"{asked}-near") and may(role, kind if wanted != "near" else "Patient", "x-near")
                        and wanted not in {each["id"] for each in brought}):
                    yield f"{role} asks {path}: {wanted} is missing: {got.text[:200]}"

    assert split(work) == []


def test_a_patch_learns_nothing_that_the_role_may_not_see(clinic, tokens):
    # Never carried out: the last test of each holds for no record.
    probe = json.dumps([{"op": "test", "path": "/text/div", "value": NARRATIVE["div"]},
                        {"op": "test", "path": "/id", "value": "never"}])
    headers = {"Content-Type": "application/json-patch+json"}

    def work(role):
        fhir = client(clinic, tokens, role)
        nothing = {}
        for kind, group, record in RECORDS:
            if kind == "AuditEvent":
                continue
            seen = answer(role, "read", kind, group)
            if kind not in nothing:
                nothing[kind] = faceless(fhir.request("PATCH", f"{kind}/none", probe, headers=headers))
            got = fhir.request("PATCH", f"{kind}/{record['id']}", probe, headers=headers)
            what = f"{role} patches {kind}/{record['id']}, sees {seen}: {got.status_code} {got.text[:200]}"
            if got.status_code not in (403, 404, 422) or CANARY in got.text:
                yield what
            elif seen == REFUSED and faceless(got, record["id"]) != nothing[kind]:
                yield f"{what}: not as if there were none"
            elif got.status_code == 422 and "text" in record:
                # Whoever sees the narrative fails at the second test, whoever does not at the first.
                if ("operation[1]" in got.text) != (seen == WHOLE):
                    yield what

    assert split(work) == []


def test_everything_is_what_the_role_may_see(clinic, tokens):
    def work(role):
        fhir = client(clinic, tokens, role)
        for group in ("near", "far", "none"):
            got = fhir.get(f"Patient/{group}/$everything")
            seen = REFUSED if group == "none" else answer(role, "search", "Patient", group)
            what = f"{role} asks everything about {group}: {got.status_code}"
            if seen == REFUSED:
                if got.status_code not in (403, 404) or CANARY in got.text:
                    yield f"{what}: {got.text[:200]}"
                continue
            if got.status_code != 200:
                yield f"{what}: {got.text[:200]}"
                continue
            bundle = got.json()
            found = [each["resource"] for each in bundle.get("entry", [])]
            if bundle["total"] != len(found) or group not in {each["id"] for each in found}:
                yield f"{what}: {bundle['total']} in all, {len(found)} there"
            for each in found:
                if each["id"] == "team":
                    continue
                of = "near" if each["id"] == "near" else "far" if each["id"] == "far" else each["id"].rpartition("-")[2]
                may = answer(role, "search", each["resourceType"], of)
                if may == REFUSED or may == FIELDS and CANARY in json.dumps(each):
                    yield f"{what}: {each['resourceType']}/{each['id']} is there, should be {may}"
            wanted = {record["id"] for kind, of, record in RECORDS
                      if of == group and kind in ("Observation", "Condition", "Encounter", "Coverage")
                      and answer(role, "search", kind, of) == WHOLE}
            if not wanted <= {each["id"] for each in found}:
                yield f"{what}: without {sorted(wanted - {each['id'] for each in found})}"

    assert split(work) == []


def test_the_history_of_the_store_has_what_the_role_may_see(clinic, tokens):
    known = {(kind, record["id"]): group for kind, group, record in RECORDS}

    def work(role):
        fhir = client(clinic, tokens, role)
        got = fhir.get("_history?_count=1000")
        while True:
            if got.status_code not in (200, 403):
                yield f"{role} asks the history: {got.status_code} {got.text[:200]}"
            if got.status_code != 200:
                return
            bundle = got.json()
            for each in (entry["resource"] for entry in bundle.get("entry", []) if "resource" in entry):
                group = known.get((each["resourceType"], each["id"]))
                may = answer(role, "read", each["resourceType"], group) if group else None
                if may == REFUSED or may == FIELDS and CANARY in json.dumps(each):
                    yield f"{role} sees {each['resourceType']}/{each['id']} in the history, should be {may}"
            if not link(bundle, "next"):
                return
            got = fhir.get(link(bundle, "next"))

    assert split(work) == []


def test_creating_is_for_whom_it_is(clinic, tokens):
    # Last: what is made here is there from now on.
    def work(role):
        fhir = client(clinic, tokens, role)
        for kind, group, record in RECORDS:
            if group == "nobody" and kind in ABOUT:
                continue
            expected = answer(role, "create", kind, group)
            # Whoever has some fields only sends these.
            left = ("id", "text", "maritalStatus") if expected == FIELDS else ("id",)
            got = fhir.post(kind, {name: value for name, value in record.items() if name not in left})
            what = f"{role} creates {kind} ({group}): {got.status_code}, should be {expected}"
            if expected == REFUSED and (got.status_code not in (403, 404) or CANARY in got.text):
                yield f"{what}: {got.text[:200]}"
            elif expected != REFUSED and got.status_code != 201:
                yield f"{what}: {got.text[:200]}"

    assert split(work) == []
