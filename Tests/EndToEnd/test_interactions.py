"""The FHIR R4 interactions over TLS: what each answers, and what it refuses."""

import email.utils
import re
import uuid

import pytest

from conftest import expressions, in_parallel, link, matches, outcome, receipt


def patient(family="Interaction", **more):
    return {"resourceType": "Patient", "name": [{"family": family}], **more}


def unique(prefix="u"):
    return f"{prefix}-{uuid.uuid4()}"


def entry(method, url, resource=None, full_url=None, **request):
    made = {"request": {"method": method, "url": url, **request}}
    if resource is not None:
        made["resource"] = resource
    if full_url is not None:
        made["fullUrl"] = full_url
    return made


# MARK: Read and version read


def test_a_read_answers_what_was_created_with_its_version_and_time(integration):
    created = integration.create(patient(birthDate="1970-01-02"))
    answer = integration.get(f"Patient/{created['id']}")
    assert answer.status_code == 200
    assert answer.json() == created
    assert answer.headers["Content-Type"].startswith("application/fhir+json")
    assert answer.headers["ETag"] == 'W/"1"'
    assert email.utils.parsedate_to_datetime(answer.headers["Last-Modified"])
    assert created["meta"]["versionId"] == "1"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", created["meta"]["lastUpdated"])


@pytest.mark.parametrize("path", ["Patient/none", "Patient/none/_history", "Patient/none/_history/1", "Patient/a%20b"])
def test_what_is_not_there_is_a_404(integration, path):
    answer = integration.get(path)
    assert answer.status_code == 404
    outcome(answer)


def test_an_id_of_another_type_is_not_found(integration):
    created = integration.create(patient())
    assert integration.get(f"Observation/{created['id']}").status_code == 404


def test_every_version_can_be_read_as_it_was(integration):
    first = integration.create(patient("First"))
    second = integration.put(f"Patient/{first['id']}", patient("Second", id=first["id"])).json()
    for version, expected in (("1", first), ("2", second)):
        answer = integration.get(f"Patient/{first['id']}/_history/{version}")
        assert answer.status_code == 200
        assert answer.json() == expected
        assert answer.headers["ETag"] == f'W/"{version}"'


@pytest.mark.parametrize("version", ["0", "2", "99", "-1", "01", "+1", "x", "1x", "9223372036854775808"])
def test_a_version_that_never_was_is_not_found(integration, version):
    created = integration.create(patient())
    answer = integration.get(f"Patient/{created['id']}/_history/{version}")
    assert answer.status_code == 404
    outcome(answer)


# MARK: Create


def test_a_create_answers_201_and_says_where(integration, house):
    answer = integration.post("Patient", patient())
    assert answer.status_code == 201
    stored = answer.json()
    assert answer.headers["Location"] == f"{integration.base}/Patient/{stored['id']}/_history/1"
    assert answer.headers["ETag"] == 'W/"1"'


def test_a_create_ignores_the_clients_id_and_meta_version(integration):
    wanted = unique()
    stored = integration.create(
        patient(id=wanted, meta={"versionId": "77", "lastUpdated": "1999-01-01T00:00:00Z", "tag": [{"code": "kept"}]}))
    assert stored["id"] != wanted
    assert stored["meta"]["versionId"] == "1"
    assert not stored["meta"]["lastUpdated"].startswith("1999")
    assert stored["meta"]["tag"] == [{"code": "kept"}]
    assert integration.get(f"Patient/{wanted}").status_code == 404


def test_a_resource_of_another_type_than_the_url_is_refused(integration):
    answer = integration.post("Observation", patient())
    assert answer.status_code in (400, 422)
    outcome(answer)


def test_an_invalid_resource_is_refused_and_nothing_is_stored(integration):
    marker = unique("bad")
    answer = integration.post("Patient", patient(marker, birthDate="1970-13-01"))
    assert answer.status_code == 422
    assert expressions(answer) == ["Patient.birthDate"]
    assert integration.ids(f"Patient?family={marker}") == []


def test_an_empty_body_is_refused(integration):
    assert integration.post("Patient").status_code == 400


# MARK: Conditional create


def test_if_none_exist_creates_once_and_then_answers_what_is_there(integration):
    value = unique()
    resource = patient(identifier=[{"system": "urn:x", "value": value}])
    condition = {"If-None-Exist": f"identifier=urn:x|{value}"}
    first = integration.post("Patient", resource, headers=condition)
    second = integration.post("Patient", resource, headers=condition)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json()["id"] == first.json()["id"]
    assert len(integration.ids(f"Patient?identifier={value}")) == 1


def test_if_none_exist_that_matches_several_is_a_412_and_creates_nothing(integration):
    value = unique()
    resource = patient(identifier=[{"value": value}])
    for _ in range(2):
        integration.create(resource)
    answer = integration.post("Patient", resource, headers={"If-None-Exist": f"identifier={value}"})
    assert answer.status_code == 412
    outcome(answer)
    assert len(integration.ids(f"Patient?identifier={value}")) == 2


@pytest.mark.parametrize("condition", ["", "nonsense=1", "identifier", "birthdate=yesterday", "%zz=1", "name.x=1"])
def test_a_condition_that_is_no_search_is_refused(integration, condition):
    answer = integration.post("Patient", patient(), headers={"If-None-Exist": condition})
    assert answer.status_code == 400, condition
    outcome(answer)


@pytest.mark.parametrize("attempt", range(5))
def test_conditional_creates_at_the_same_time_create_one(integration, attempt):
    value = unique()
    resource = patient(identifier=[{"value": value}])
    condition = {"If-None-Exist": f"identifier={value}"}
    answers = in_parallel([lambda: integration.post("Patient", resource, headers=condition)] * 12)
    assert sorted({answer.status_code for answer in answers}) in ([200, 201], [201])
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len(integration.ids(f"Patient?identifier={value}")) == 1


# MARK: Update


def test_an_update_makes_the_next_version(integration):
    first = integration.create(patient("Before"))
    answer = integration.put(f"Patient/{first['id']}", patient("After", id=first["id"]))
    assert answer.status_code == 200
    assert answer.headers["ETag"] == 'W/"2"'
    assert answer.json()["meta"]["versionId"] == "2"
    assert integration.get(f"Patient/{first['id']}").json()["name"] == [{"family": "After"}]


def test_an_update_of_an_unknown_id_creates_it_there(integration):
    wanted = unique()
    answer = integration.put(f"Patient/{wanted}", patient(id=wanted))
    assert answer.status_code == 201
    assert answer.headers["Location"].endswith(f"/Patient/{wanted}/_history/1")
    assert integration.get(f"Patient/{wanted}").json()["id"] == wanted


def test_an_update_replaces_the_search_values(integration):
    old, new = unique("old"), unique("new")
    stored = integration.create(patient(old))
    integration.put(f"Patient/{stored['id']}", patient(new, id=stored["id"]))
    assert integration.ids(f"Patient?family={old}") == []
    assert integration.ids(f"Patient?family={new}") == [stored["id"]]


@pytest.mark.parametrize("in_body", [None, "other", ""])
def test_an_update_needs_the_id_of_the_url_in_the_body(integration, in_body):
    wanted = unique()
    answer = integration.put(f"Patient/{wanted}", patient() if in_body is None else patient(id=in_body))
    assert answer.status_code in (400, 422)
    assert integration.get(f"Patient/{wanted}").status_code == 404


@pytest.mark.parametrize("bad", ["a_b", "x" * 65, "a%2Fb", "%C3%A4", "a%00b"])
def test_an_update_to_what_is_no_id_is_refused(integration, bad):
    answer = integration.put(f"Patient/{bad}", patient(id="a"))
    assert answer.status_code in (400, 404, 422)
    outcome(answer)


def test_if_match_of_the_current_version_updates(integration):
    stored = integration.create(patient())
    for tag, status in (('W/"1"', 200), ('"2"', 200), ('W/"1"', 412), ('W/"9"', 412)):
        answer = integration.put(f"Patient/{stored['id']}", patient(id=stored["id"]), headers={"If-Match": tag})
        assert answer.status_code == status, tag
    assert integration.get(f"Patient/{stored['id']}").headers["ETag"] == 'W/"3"'


@pytest.mark.parametrize("tag", ["", "W/", 'W/""', "x", 'W/"x"', 'W/"-1"', 'W/"0"', 'W/"99999999999999999999"'])
def test_if_match_that_is_no_tag_of_this_server_never_updates(integration, tag):
    stored = integration.create(patient())
    answer = integration.put(f"Patient/{stored['id']}", patient(id=stored["id"]), headers={"If-Match": tag})
    assert answer.status_code in (400, 412), tag
    assert integration.get(f"Patient/{stored['id']}").headers["ETag"] == 'W/"1"'


def test_if_match_on_what_is_not_there_creates_nothing(integration):
    wanted = unique()
    answer = integration.put(f"Patient/{wanted}", patient(id=wanted), headers={"If-Match": 'W/"1"'})
    assert answer.status_code == 412
    assert integration.get(f"Patient/{wanted}").status_code == 404


def test_of_several_updates_with_the_same_if_match_one_wins(integration):
    stored = integration.create(patient())
    calls = [
        lambda name=f"Writer{n}": integration.put(
            f"Patient/{stored['id']}", patient(name, id=stored["id"]), headers={"If-Match": 'W/"1"'})
        for n in range(12)
    ]
    statuses = sorted(answer.status_code for answer in in_parallel(calls))
    assert statuses == [200] + [412] * 11


def test_updates_at_the_same_time_are_all_kept_as_versions(integration):
    stored = integration.create(patient())
    calls = [
        lambda name=f"Writer{n}": integration.put(f"Patient/{stored['id']}", patient(name, id=stored["id"]))
        for n in range(12)
    ]
    answers = in_parallel(calls)
    done = [answer for answer in answers if answer.status_code == 200]
    assert {answer.status_code for answer in answers} <= {200, 409}
    versions = {int(answer.json()["meta"]["versionId"]): answer.json() for answer in done}
    assert sorted(versions) == list(range(2, len(done) + 2))
    for version, expected in versions.items():
        assert integration.get(f"Patient/{stored['id']}/_history/{version}").json() == expected


# MARK: Delete


def test_a_deleted_resource_is_gone_but_its_versions_stay(integration):
    marker = unique("gone")
    stored = integration.create(patient(marker))
    answer = integration.delete(f"Patient/{stored['id']}")
    assert answer.status_code == 204
    assert answer.content == b""
    gone = integration.get(f"Patient/{stored['id']}")
    assert gone.status_code == 410
    assert outcome(gone)[0]["code"] == "deleted"
    assert integration.get(f"Patient/{stored['id']}/_history/1").json() == stored
    assert integration.get(f"Patient/{stored['id']}/_history/2").status_code == 410
    assert integration.ids(f"Patient?family={marker}") == []


def test_deleting_again_or_what_never_was_changes_nothing(integration):
    stored = integration.create(patient())
    for _ in range(2):
        assert integration.delete(f"Patient/{stored['id']}").status_code == 204
    assert integration.search(f"Patient/{stored['id']}/_history")["total"] == 2
    assert integration.delete(f"Patient/{unique()}").status_code in (204, 404)


def test_an_update_after_a_delete_brings_it_back_as_the_next_version(integration):
    stored = integration.create(patient())
    integration.delete(f"Patient/{stored['id']}")
    answer = integration.put(f"Patient/{stored['id']}", patient("Back", id=stored["id"]))
    assert answer.status_code == 201
    assert answer.json()["meta"]["versionId"] == "3"
    assert integration.get(f"Patient/{stored['id']}").status_code == 200


# MARK: History


@pytest.fixture(scope="module")
def storied(integration):
    """A patient with seven versions, the fourth a deletion."""
    first = integration.create(patient("V1"))
    path = f"Patient/{first['id']}"
    for version in range(2, 8):
        if version == 4:
            assert integration.delete(path).status_code == 204
        else:
            assert integration.put(path, patient(f"V{version}", id=first["id"])).status_code in (200, 201)
    return path


def test_history_is_newest_first_with_deletions_among_it(integration, storied):
    bundle = integration.search(f"{storied}/_history")
    assert bundle["type"] == "history"
    assert bundle["total"] == 7
    assert [each["response"]["etag"] for each in bundle["entry"]] == [f'W/"{n}"' for n in range(7, 0, -1)]
    deletion = bundle["entry"][3]
    assert deletion["request"]["method"] == "DELETE"
    assert "resource" not in deletion
    assert bundle["entry"][0]["resource"]["name"] == [{"family": "V7"}]
    assert bundle["entry"][6]["request"]["method"] in ("POST", "PUT")


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8])
def test_history_pages_show_each_version_once(integration, storied, count):
    tags, bundle = [], integration.search(f"{storied}/_history?_count={count}")
    while True:
        assert len(bundle["entry"]) <= count
        tags += [each["response"]["etag"] for each in bundle["entry"]]
        following = link(bundle, "next")
        if following is None:
            break
        bundle = integration.search(following)
    assert tags == [f'W/"{n}"' for n in range(7, 0, -1)]


@pytest.mark.parametrize(
    "query", ["_count=0", "_count=-1", "_count=x", "_count=1001", "_count=", "_offset=-1", "_offset=x", "family=x",
              "_sort=_id"])
def test_a_history_parameter_that_is_not_understood_is_refused(integration, storied, query):
    answer = integration.get(f"{storied}/_history?{query}")
    assert answer.status_code == 400
    assert expressions(answer) == [query.split("=")[0]]


# MARK: Search by GET and POST


def test_get_and_post_search_answer_the_same(integration):
    marker = unique("both")
    ids = {integration.create(patient(marker))["id"] for _ in range(3)}
    got = integration.search(f"Patient?family={marker}&_count=10")
    posted = integration.post(
        "Patient/_search", f"family={marker}&_count=10", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert posted.status_code == 200
    assert [each["resource"] for each in matches(posted.json())] == [each["resource"] for each in matches(got)]
    assert {each["resource"]["id"] for each in matches(got)} == ids
    assert link(posted.json(), "self") == link(got, "self")


def test_post_search_takes_parameters_of_url_and_form_together(integration):
    marker = unique("split")
    integration.create(patient(marker, gender="male"))
    integration.create(patient(marker, gender="female"))
    answer = integration.post(
        "Patient/_search?gender=male", f"family={marker}",
        headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert [each["resource"]["gender"] for each in matches(answer.json())] == ["male"]


@pytest.mark.parametrize("kind", ["application/fhir+json", "application/json", "text/plain", "multipart/form-data"])
def test_post_search_takes_nothing_but_a_form(integration, kind):
    assert integration.post("Patient/_search", "family=x", headers={"Content-Type": kind}).status_code == 415


# MARK: Unknown parameters


@pytest.mark.parametrize("name", ["nonsense", "Family", "_nonsense", "family:", "name%00"])
def test_an_unknown_parameter_is_a_400_that_names_it(integration, name):
    answer = integration.get(f"Patient?{name}=secretvalue")
    assert answer.status_code == 400
    assert "secretvalue" not in answer.text


def test_all_unknown_parameters_are_named_at_once(integration):
    answer = integration.get("Patient?one=1&family=x&two=2")
    assert answer.status_code == 400
    assert expressions(answer) == ["one", "two"]


def test_lenient_handling_leaves_unknown_parameters_out_and_says_so(integration):
    marker = unique("lenient")
    stored = integration.create(patient(marker))
    answer = integration.get(f"Patient?family={marker}&nonsense=1", headers={"Prefer": "handling=lenient"})
    assert answer.status_code == 200
    bundle = answer.json()
    assert [each["resource"]["id"] for each in matches(bundle)] == [stored["id"]]
    assert "nonsense" not in link(bundle, "self")
    assert f"family={marker}" in link(bundle, "self")
    notes = [each["resource"] for each in bundle["entry"] if each["search"]["mode"] == "outcome"]
    assert [issue["expression"] for note in notes for issue in note["issue"]] == [["nonsense"]]


def test_strict_handling_may_be_asked_for(integration):
    assert integration.get("Patient?nonsense=1", headers={"Prefer": "handling=strict"}).status_code == 400


def test_lenient_handling_does_not_excuse_a_malformed_value(integration):
    assert integration.get("Patient?birthdate=x", headers={"Prefer": "handling=lenient"}).status_code == 400


@pytest.mark.parametrize(
    "query", ["_revinclude:iterate=*", "_text=x",
              "_content=x", "_filter=x", "_query=x", "_contained=true"])
def test_what_search_does_not_have_yet_is_refused_clearly(integration, query):
    answer = integration.get(f"Patient?{query}")
    assert answer.status_code == 400
    assert outcome(answer)[0]["code"] == "not-supported"


# MARK: Prefer


@pytest.mark.parametrize("method", ["create", "update"])
def test_prefer_decides_what_a_write_answers(integration, method):
    for preference, check in (
        ("return=minimal", lambda answer: answer.content == b""),
        ("return=representation", lambda answer: answer.json()["resourceType"] == "Patient"),
        ("return=OperationOutcome", lambda answer: answer.json()["resourceType"] == "OperationOutcome"),
        ("return=nonsense", lambda answer: answer.json()["resourceType"] == "Patient"),
    ):
        headers = {"Prefer": preference}
        if method == "create":
            answer = integration.post("Patient", patient(), headers=headers)
        else:
            wanted = unique()
            answer = integration.put(f"Patient/{wanted}", patient(id=wanted), headers=headers)
        assert answer.status_code == 201
        assert check(answer), preference
        assert answer.headers["ETag"] == 'W/"1"'
        assert "/_history/1" in answer.headers["Location"]
        receipt(answer)


# MARK: Formats

XML = "<Patient xmlns=\"http://hl7.org/fhir\"/>"


@pytest.mark.parametrize("accept", ["application/fhir+xml", "application/xml", "text/xml", "text/html", "text/turtle"])
def test_another_format_asked_for_is_a_406(integration, accept):
    answer = integration.get("Patient", headers={"Accept": accept})
    assert answer.status_code == 406
    outcome(answer)


@pytest.mark.parametrize("accept", ["application/fhir+json", "application/json", "*/*", "application/*",
                                    "application/fhir+xml, application/fhir+json;q=0.5",
                                    "application/fhir+json; fhirVersion=4.0"])
def test_json_asked_for_in_any_way_is_answered(integration, accept):
    assert integration.get("Patient?_count=1", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("value,status", [("xml", 406), ("application/fhir%2Bxml", 406), ("json", 200),
                                          ("application/fhir%2Bjson", 200), ("nonsense", 406)])
def test_format_parameter_decides_over_the_header(integration, value, status):
    answer = integration.get(f"Patient?_count=1&_format={value}", headers={"Accept": "application/fhir+xml"})
    assert answer.status_code == status


@pytest.mark.parametrize("kind", ["application/fhir+xml", "application/xml", "text/xml", "text/plain",
                                  "application/x-www-form-urlencoded", "application/octet-stream"])
@pytest.mark.parametrize("path", ["Patient", ""])
def test_a_body_of_another_format_is_a_415(integration, kind, path):
    answer = integration.post(path, XML, headers={"Content-Type": kind})
    assert answer.status_code == 415
    outcome(answer)


def test_json_declared_but_xml_sent_is_a_400(integration):
    assert integration.post("Patient", XML).status_code == 400


# MARK: Addresses and methods


@pytest.mark.parametrize("path", ["patient", "Patients", "Resource", "DomainResource", "HumanName", "nonsense/1",
                                  "Element", "http%3A%2F%2Fx", "%00"])
def test_an_unknown_type_is_a_404(integration, path):
    answer = integration.get(path)
    assert answer.status_code == 404
    outcome(answer)


@pytest.mark.parametrize("method,path,allow", [
    ("POST", "metadata", {"GET"}),
    ("PUT", "", {"POST"}),
    ("DELETE", "", {"POST"}),
    ("GET", "Patient/_search", {"POST"}), ("GET", "_search", {"POST"}), ("PUT", "", {"GET", "POST"}),
    ("DELETE", "Patient/a/Observation", {"GET"}),
    ("POST", "Patient/a", {"GET", "PUT", "DELETE"}),
    ("PUT", "Patient/a/_history", {"GET"}),
    ("DELETE", "Patient/a/_history/1", {"GET"}),
])
def test_a_method_that_an_address_does_not_have_is_a_405_that_says_which_it_has(integration, method, path, allow):
    answer = integration.request(method, path, patient() if method in ("PUT", "POST") else None)
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) >= allow
    outcome(answer)


@pytest.mark.parametrize("method,path", [
    ("GET", "$meta"), ("POST", "Patient/$match"), ("GET", "Observation/a/$everything"),
])
def test_an_interaction_that_is_not_offered_is_a_501(integration, method, path):
    answer = integration.request(method, path, patient() if method in ("PUT", "POST", "PATCH") else None)
    assert answer.status_code == 501
    assert outcome(answer)[0]["code"] == "not-supported"


@pytest.mark.parametrize("path", ["Patient/a/b", "Patient/a/_history/1/2", "Patient/a/b/c/d"])
def test_an_address_that_means_nothing_is_a_404(integration, path):
    assert integration.get(path).status_code == 404


@pytest.mark.parametrize("query", ["family=%", "family=%zz", "family=%ff", "%ff=x"])
def test_a_query_with_broken_escapes_is_a_400(house, integration, query):
    status, body = house.raw(f"/fhir/Patient?{query}", integration.token)
    assert status == 400
    assert b"OperationOutcome" in body


def test_capabilities_need_no_token_and_name_all_types(house):
    answer = house.stranger().get("metadata")
    assert answer.status_code == 200
    statement = answer.json()
    assert statement["resourceType"] == "CapabilityStatement"
    assert statement["fhirVersion"] == "4.0.1"
    assert len(statement["rest"][0]["resource"]) == 146
    assert all("xml" not in each for each in statement["format"])


# MARK: Who is not known


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer x y", "Basic dTpw", "bearer nonsense",
                                    "Bearer " + "A" * 5000, "Bearer \x80"])
def test_without_a_valid_token_every_fhir_address_answers_401(house, header):
    stranger = house.stranger(address="127.0.0.77")
    headers = {"Authorization": header.encode("latin-1")} if header is not None else {}
    for method, path in (("GET", "Patient"), ("POST", ""), ("GET", "Patient/a/_history")):
        answer = stranger.request(method, path, patient() if method == "POST" else None, headers=headers)
        # A field of this length or with these bytes may be refused before it is read as a token.
        assert answer.status_code in ((401, 429) if len(header or "") < 1000 else (400, 401, 429, 431))
        assert "patient" not in answer.text.lower()


def test_a_401_says_how_to_sign_in(house):
    answer = house.stranger(address="127.0.0.78").get("Patient")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert outcome(answer)[0]["code"] == "login"


# MARK: Batch


def test_a_batch_answers_each_entry_for_itself_in_order(integration):
    stored = integration.create(patient())
    wanted = unique()
    answer = integration.transaction([
        entry("GET", f"Patient/{stored['id']}"),
        entry("POST", "Patient", patient()),
        entry("POST", "Patient", patient(birthDate="x")),
        entry("PUT", f"Patient/{wanted}", patient(id=wanted)),
        entry("GET", "Patient/none"),
        entry("GET", "Patient?nonsense=1"),
        entry("DELETE", f"Patient/{stored['id']}"),
        entry("GET", f"Patient/{stored['id']}"),
        entry("GET", f"Patient/{stored['id']}/_history/1"),
        entry("GET", f"Patient?_id={wanted}"),
    ], kind="batch")
    assert answer.status_code == 200
    bundle = answer.json()
    assert bundle["type"] == "batch-response"
    statuses = [each["response"]["status"][:3] for each in bundle["entry"]]
    assert statuses == ["200", "201", "422", "201", "404", "400", "204", "410", "200", "200"]
    assert bundle["entry"][0]["resource"] == stored
    assert bundle["entry"][2]["response"]["outcome"]["issue"][0]["expression"] == ["Patient.birthDate"]
    assert bundle["entry"][9]["resource"]["total"] == 1
    receipt(answer)


def test_an_empty_batch_and_an_empty_transaction_are_answered(integration):
    for kind in ("batch", "transaction"):
        answer = integration.post("", {"resourceType": "Bundle", "type": kind})
        assert answer.status_code == 200
        assert answer.json()["type"] == f"{kind}-response"


@pytest.mark.parametrize("body", [
    {"resourceType": "Bundle"},
    {"resourceType": "Bundle", "type": "collection", "entry": []},
    {"resourceType": "Bundle", "type": "nonsense"},
    {"resourceType": "Patient"},
    {},
    [],
    {"resourceType": "Bundle", "type": "batch", "entry": {}},
    {"resourceType": "Bundle", "type": "transaction", "entry": "x"},
    {"resourceType": "Bundle", "type": "transaction", "entry": [1]},
    {"resourceType": "Bundle", "type": "transaction", "entry": [{}]},
    {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": []}]},
])
def test_what_is_no_batch_or_transaction_is_refused(integration, body):
    answer = integration.post("", body)
    assert answer.status_code in (400, 422)
    outcome(answer)


BAD_ENTRIES = [
    entry("PATCH", "Patient/a", patient(id="a")),
    entry("HEAD", "Patient/a"),
    entry("POST", "Nonsense", patient()),
    entry("POST", "Patient"),
    entry("PUT", "Patient", patient()),
    entry("DELETE", "Patient"),
    entry("PUT", "Patient/a", patient()),
    entry("PUT", "Patient/a", patient(id="b")),
    entry("PUT", "Patient/a_b", patient(id="a_b")),
    entry("POST", "Observation", patient()),
    entry("POST", "Patient", patient(birthDate="x")),
    entry("POST", "Patient", patient(), ifNoneExist="nonsense=1"),
    entry("PUT", "Patient/never-seen-1", patient(id="never-seen-1"), ifMatch='W/"4"'),
    entry("PUT", "Patient/never-seen-2", patient(id="never-seen-2"), ifMatch="x"),
    entry("GET", "Patient/never-seen-3"),
    entry("GET", "Patient?nonsense=1"),
    entry("GET", "Patient/a/$everything"),
    entry("POST", "Observation", {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient?identifier=never-seen-4"}}),
    entry("POST", "Observation", {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient?nonsense=never-seen-4"}}),
]


@pytest.mark.parametrize("bad", BAD_ENTRIES, ids=lambda each: f"{each['request']['method']} {each['request']['url']}")
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_transaction_with_one_bad_entry_changes_nothing(integration, bad, first):
    marker = unique("atomic")
    survivor = integration.create(patient(marker))
    good = [
        entry("POST", "Patient", patient(marker)),
        entry("PUT", f"Patient/{unique()}", None),
        entry("DELETE", f"Patient/{survivor['id']}"),
    ]
    good[1]["resource"] = patient(marker, id=good[1]["request"]["url"].split("/")[1])
    answer = integration.transaction([bad, *good] if first else [*good, bad])
    assert 400 <= answer.status_code < 500, answer.text
    outcome(answer)
    assert integration.ids(f"Patient?family={marker}") == [survivor["id"]]


@pytest.mark.parametrize("bad", BAD_ENTRIES, ids=lambda each: f"{each['request']['method']} {each['request']['url']}")
def test_a_batch_with_one_bad_entry_carries_out_the_others(integration, bad):
    marker = unique("batch")
    answer = integration.transaction(
        [entry("POST", "Patient", patient(marker)), bad, entry("POST", "Patient", patient(marker))], kind="batch")
    assert answer.status_code == 200, answer.text
    statuses = [each["response"]["status"][:3] for each in answer.json()["entry"]]
    assert statuses[0] == statuses[2] == "201"
    assert statuses[1][0] in "45"
    assert len(integration.ids(f"Patient?family={marker}")) == 2


# MARK: Transaction


def test_a_transaction_resolves_references_between_its_entries(integration):
    person, visit = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
    answer = integration.transaction([
        entry("POST", "Observation", {
            "resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": person}, "encounter": {"reference": visit}}),
        entry("POST", "Encounter", {
            "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": person}}, full_url=visit),
        entry("POST", "Patient", patient(), full_url=person),
    ], headers={"Prefer": "return=representation"})
    assert answer.status_code == 200, answer.text
    observation, encounter, someone = (each["resource"] for each in answer.json()["entry"])
    assert observation["subject"]["reference"] == f"Patient/{someone['id']}"
    assert observation["encounter"]["reference"] == f"Encounter/{encounter['id']}"
    assert encounter["subject"]["reference"] == f"Patient/{someone['id']}"
    for each in answer.json()["entry"]:
        assert each["response"]["status"].startswith("201")
        assert integration.get(each["response"]["location"]).json() == each["resource"]
    assert integration.ids(f"Observation?patient={someone['id']}") == [observation["id"]]


def test_a_transaction_resolves_conditional_references(integration):
    value = unique()
    doctor = integration.create({"resourceType": "Practitioner", "identifier": [{"system": "urn:npi", "value": value}]})
    answer = integration.transaction([entry("POST", "Encounter", {
        "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
        "participant": [{"individual": {"reference": f"Practitioner?identifier=urn:npi|{value}"}}]})],
        headers={"Prefer": "return=representation"})
    assert answer.status_code == 200, answer.text
    stored = answer.json()["entry"][0]["resource"]
    assert stored["participant"][0]["individual"]["reference"] == f"Practitioner/{doctor['id']}"


def test_a_conditional_reference_that_matches_several_is_refused(integration):
    value = unique()
    for _ in range(2):
        integration.create(patient(identifier=[{"value": value}]))
    answer = integration.transaction([entry("POST", "Observation", {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"},
        "subject": {"reference": f"Patient?identifier={value}"}})])
    assert answer.status_code == 412, answer.text
    outcome(answer)


def test_a_transaction_reads_what_it_has_written(integration):
    wanted = unique()
    answer = integration.transaction([
        entry("GET", f"Patient/{wanted}"), entry("PUT", f"Patient/{wanted}", patient("Own", id=wanted))])
    assert answer.status_code == 200, answer.text
    assert answer.json()["entry"][0]["resource"]["name"] == [{"family": "Own"}]


def test_if_none_exist_in_a_transaction_finds_what_is_there(integration):
    value = unique()
    stored = integration.create(patient(identifier=[{"value": value}]))
    person = f"urn:uuid:{uuid.uuid4()}"
    answer = integration.transaction([
        entry("POST", "Patient", patient(identifier=[{"value": value}]), full_url=person,
              ifNoneExist=f"identifier={value}"),
        entry("POST", "Observation", {
            "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": person}}),
    ], headers={"Prefer": "return=representation"})
    assert answer.status_code == 200, answer.text
    found, observation = answer.json()["entry"]
    assert found["response"]["status"].startswith("200")
    assert found["resource"]["id"] == stored["id"]
    # What refers to the entry refers to the resource that was found, not to one that was never made.
    assert observation["resource"]["subject"]["reference"] == f"Patient/{stored['id']}"


def test_a_resource_may_stand_in_a_transaction_only_once(integration):
    wanted = unique()
    answer = integration.transaction([entry("PUT", f"Patient/{wanted}", patient(id=wanted))] * 2)
    assert answer.status_code == 400
    assert integration.get(f"Patient/{wanted}").status_code == 404


def test_two_entries_with_the_same_full_url_are_refused(integration):
    marker = unique("same")
    answer = integration.transaction([entry("POST", "Patient", patient(marker), full_url="urn:uuid:1")] * 2)
    assert answer.status_code == 400
    assert integration.ids(f"Patient?family={marker}") == []


def test_transactions_at_the_same_time_are_whole(integration):
    ids = [unique() for _ in range(3)]

    def change(name):
        return integration.transaction([entry("PUT", f"Patient/{each}", patient(name, id=each)) for each in ids])

    answers = in_parallel([lambda name=f"T{n}": change(name) for n in range(8)])
    assert {answer.status_code for answer in answers} <= {200, 409}
    histories = [
        [each["resource"]["name"][0]["family"] for each in integration.search(f"Patient/{one}/_history")["entry"]]
        for one in ids
    ]
    assert histories[0] == histories[1] == histories[2]


def test_a_transaction_of_two_thousand_entries_is_taken_at_once(integration):
    marker = unique("many")
    answer = integration.transaction([entry("POST", "Patient", patient(marker)) for _ in range(2000)], timeout=300)
    assert answer.status_code == 200
    assert len(answer.json()["entry"]) == 2000
    assert integration.search(f"Patient?family={marker}&_count=0&_total=accurate")["total"] == 2000


def test_conditional_creates_in_transactions_at_the_same_time_create_one(integration):
    value = unique()

    def both(kinds):
        return integration.transaction([
            entry("POST", kind, {"resourceType": kind, "identifier": [{"value": value}]}, ifNoneExist=f"identifier={value}")
            for kind in kinds])

    answers = in_parallel(
        [lambda: both(["Patient", "Practitioner"]), lambda: both(["Practitioner", "Patient"])] * 6)
    assert {answer.status_code for answer in answers} == {200}
    assert len(integration.ids(f"Patient?identifier={value}")) == 1
    assert len(integration.ids(f"Practitioner?identifier={value}")) == 1


def test_a_transaction_cannot_read_what_it_deletes(integration):
    stored = integration.create(patient())
    answer = integration.transaction([
        entry("GET", f"Patient/{stored['id']}"), entry("DELETE", f"Patient/{stored['id']}")])
    assert answer.status_code == 400
    assert integration.get(f"Patient/{stored['id']}").status_code == 200


def test_a_transaction_of_reads_alone_is_answered(integration):
    stored = integration.create(patient())
    answer = integration.transaction([entry("GET", f"Patient/{stored['id']}"), entry("GET", "Patient?_id=none")])
    assert answer.status_code == 200
    assert answer.json()["type"] == "transaction-response"
    assert answer.json()["entry"][0]["resource"] == stored
    receipt(answer)


def test_each_refused_entry_of_a_batch_stands_in_the_log(house, integration):
    before = receipt(integration.get("Patient/none"))[0]
    integration.transaction([entry("GET", "Patient?nonsense=1")] * 3, kind="batch")
    refused = [event for event in house.events("--kind", "request-refused") if event["index"] > before]
    assert len(refused) == 3
    assert {event["outcome"] for event in refused} == {"failed"}
    assert {event["who"] for event in refused} == {"client/integration"}


@pytest.mark.slow
def test_a_transaction_of_thirty_thousand_entries_is_taken_at_once(integration):
    marker = unique("many")
    answer = integration.transaction([entry("POST", "Patient", patient(marker)) for _ in range(30_000)], timeout=900)
    assert answer.status_code == 200
    assert integration.search(f"Patient?family={marker}&_count=0&_total=accurate")["total"] == 30_000


# MARK: Receipts

REQUESTS = [
    ("read", 200, "GET", "Patient/{id}", None, {}),
    ("vread", 200, "GET", "Patient/{id}/_history/1", None, {}),
    ("history", 200, "GET", "Patient/{id}/_history", None, {}),
    ("search", 200, "GET", "Patient?_id={id}", None, {}),
    ("empty search", 200, "GET", "Patient?_id=none", None, {}),
    ("create", 201, "POST", "Patient", patient(), {}),
    ("delete", 204, "DELETE", "Patient/{gone}", None, {}),
    ("delete nothing", 204, "DELETE", "Patient/none", None, {}),
    ("read of nothing", 404, "GET", "Patient/none", None, {}),
    ("vread of nothing", 404, "GET", "Patient/{id}/_history/77", None, {}),
    ("vread of no number", 404, "GET", "Patient/{id}/_history/x", None, {}),
    ("history of nothing", 404, "GET", "Patient/none/_history", None, {}),
    ("read of what is gone", 410, "GET", "Patient/{gone}", None, {}),
    ("unknown type", 404, "GET", "Nonsense", None, {}),
    ("unknown address", 404, "GET", "Patient/a/b", None, {}),
    ("method", 405, "POST", "Patient/{id}", patient(), {}),
    ("Accept", 406, "GET", "Patient/{id}", None, {"Accept": "application/fhir+xml"}),
    ("Content-Type", 415, "POST", "Patient", XML, {"Content-Type": "application/fhir+xml"}),
    ("malformed body", 400, "POST", "Patient", "{", {}),
    ("invalid body", 422, "POST", "Patient", patient(birthDate="x"), {}),
    ("other id", 400, "PUT", "Patient/{id}", patient(id="other"), {}),
    ("stale If-Match", 412, "PUT", "Patient/{id}", None, {"If-Match": 'W/"77"'}),
    ("malformed If-Match", 400, "PUT", "Patient/{id}", None, {"If-Match": "x"}),
    ("unknown parameter", 400, "GET", "Patient?nonsense=1", None, {}),
    ("malformed value", 400, "GET", "Patient?birthdate=x", None, {}),
    ("malformed query", 400, "GET", "Patient?family=%FF", None, {}),
    ("foreign page link", 410, "GET", "Patient?_page=AAAA", None, {}),
    ("operation", 501, "GET", "Patient/{id}/$meta", None, {}),
    ("bundle that is none", 400, "POST", "", {"resourceType": "Patient"}, {}),
    ("failing transaction", 422, "POST", "", {
        "resourceType": "Bundle", "type": "transaction", "entry": [entry("POST", "Patient", patient(birthDate="x"))]}, {}),
    ("empty batch", 200, "POST", "", {"resourceType": "Bundle", "type": "batch"}, {}),
    ("batch of failures", 200, "POST", "", {
        "resourceType": "Bundle", "type": "batch", "entry": [entry("GET", "Patient?nonsense=1")]}, {}),
]


@pytest.fixture(scope="module")
def known(integration):
    kept, gone = integration.create(patient()), integration.create(patient())
    integration.delete(f"Patient/{gone['id']}")
    return {"id": kept["id"], "gone": gone["id"]}


@pytest.mark.parametrize("name,status,method,path,body,headers", REQUESTS, ids=[each[0] for each in REQUESTS])
def test_every_answer_to_somebody_known_carries_a_receipt(integration, known, name, status, method, path, body, headers):
    if method == "PUT" and body is None:
        body = patient(id=known["id"])
    answer = integration.request(method, path.format(**known), body, headers=headers)
    assert answer.status_code == status, answer.text
    receipt(answer)


def test_a_refusal_by_policy_carries_a_receipt(administrator):
    answer = administrator.get("Patient")
    assert answer.status_code == 403
    receipt(answer)


def test_a_receipt_names_the_event_in_the_log(house, integration):
    stored = integration.create(patient())
    index, _ = receipt(integration.get(f"Patient/{stored['id']}"))
    events = house.events("--record", f"Patient/{stored['id']}")
    event = next(each for each in events if each["index"] == index)
    assert (event["kind"], event["outcome"], event["who"]) == ("read", "success", "client/integration")
    assert event["records"] == [f"Patient/{stored['id']}/_history/1"]


def test_receipts_rise_and_never_repeat(integration, known):
    indexes = [receipt(integration.get(f"Patient/{known['id']}"))[0] for _ in range(5)]
    assert indexes == sorted(set(indexes))


# MARK: Headers of every answer


@pytest.mark.parametrize("path", ["Patient", "metadata", "Nonsense", "Patient?nonsense=1", "Patient/none"])
def test_no_answer_may_be_kept_by_caches_or_sniffed(integration, path):
    headers = integration.get(path).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Strict-Transport-Security" not in headers
