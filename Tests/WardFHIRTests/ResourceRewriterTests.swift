import Testing
import WardCore
import WardFHIR

@Suite struct `Rewriting a resource` {
    private let time = Instant(microseconds: 1_700_000_000_123_000)

    private func rewritten(_ json: String, _ replacements: [(String, String)] = []) throws -> String {
        let tape = try tape(json)
        let found = SearchExtractor.references(in: tape)
        let ranges = replacements.flatMap { old, new in
            found.filter { $0.text == old }.map { (range: $0.range, text: new) }
        }
        return String(
            decoding: ResourceRewriter.rewritten(
                tape, id: "new", versionId: "7", lastUpdated: time, replacing: ranges), as: UTF8.self)
    }

    private static let meta = #""meta":{"versionId":"7","lastUpdated":"2023-11-14T22:13:20.123Z"}"#

    @Test func `puts type, id and meta first and keeps the rest to the character`() throws {
        #expect(
            try rewritten(#" { "a" : 1.00 , "id":"old", "b":[ 1e2, "\u00e9\/" ,null], "resourceType":"Patient" } "#)
                == #"{"resourceType":"Patient","id":"new","# + Self.meta + #","a":1.00,"b":[1e2,"\u00e9\/",null]}"#)
    }

    @Test func `keeps the other members of meta in order`() throws {
        let json =
            #"{"resourceType":"Patient","meta":{"tag":[{"code":"t"}],"versionId":"1","_versionId":{"id":"x"},"#
            + #""source":"s","lastUpdated":"2000-01-01T00:00:00Z","profile":["p"]}}"#
        #expect(
            try rewritten(json) == #"{"resourceType":"Patient","id":"new","meta":{"versionId":"7","#
                + #""lastUpdated":"2023-11-14T22:13:20.123Z","tag":[{"code":"t"}],"source":"s","profile":["p"]}}"#)
    }

    @Test func `replaces references wherever they are`() throws {
        let json =
            ##"{"resourceType":"Observation","meta":{"profile":["urn:uuid:a"]},"subject":{"reference":"urn:uuid:a"},"##
            + ##""note":[{"text":"urn:uuid:a","authorReference":{"reference":"urn:uuid:\u0061"}}],"##
            + ##""extension":[{"url":"http://x","valueUri":"urn:uuid:a"}],"performer":[{"reference":"#c"}],"##
            + ##""contained":[{"resourceType":"Patient","id":"c","link":[{"other":{"reference":"urn:uuid:a"}}]}]}"##
        let result = try rewritten(json, [("urn:uuid:a", "Patient/\"1\"")])
        #expect(result.components("Patient/\\\"1\\\"") == 5)
        #expect(result.contains(##""text":"urn:uuid:a""##))
        #expect(result.contains(##""reference":"#c""##))
    }

    @Test func `finds references with their places, and no other texts`() throws {
        let json =
            ##"{"resourceType":"Immunization","id":"urn:x","education":[{"reference":"http://e"}],"##
            + ##""patient":{"reference":"Patient/1","display":"Patient/2","identifier":{"system":"urn:s","value":"v"}"##
            + ##"},"##
            + ##""_status":{"extension":[{"url":"http://u","valueCanonical":"http://c|1"}]},"##
            + ##""lotNumber":"Patient/3","unknown":{"reference":"Patient/4"}}"##
        let tape = try tape(json)
        let found = SearchExtractor.references(in: tape)
        #expect(found.map(\.text) == ["http://e", "Patient/1", "urn:s", "http://u", "http://c|1"])
        for entry in found {
            #expect(String(decoding: tape.slice(entry.range), as: UTF8.self) == "\"\(entry.text)\"")
        }
    }

    @Test(arguments: [#"{"resourceType":"Nothing"}"#, "[]", "1", "{}", #"{"resourceType":5}"#])
    func `finds no references in what is no resource`(json: String) throws {
        #expect(SearchExtractor.references(in: try tape(json)).isEmpty)
    }
}

extension String {
    fileprivate func components(_ part: String) -> Int { ranges(of: part).count }
}
