import WardClinic
import WardFHIR
import WardIdentity

/// Answers of the server itself, before or instead of the clinic's.
extension ClinicAnswer {
    static var unauthorized: ClinicAnswer {
        .failure(
            401, "login", "a valid access token is needed; see /.well-known/smart-configuration",
            headers: [(name: "WWW-Authenticate", value: #"Bearer, DPoP algs="ES256""#)])
    }

    /// RFC 9470 §3: the token is good, and the person has to show again who they are before it is taken.
    static func sessionLocked(isBound: Bool) -> ClinicAnswer {
        let scheme = isBound ? #"DPoP algs="ES256", "# : "Bearer "
        return .failure(
            401, "login", "the person's session is locked; the same token goes on when they unlock it",
            headers: [
                (
                    name: "WWW-Authenticate",
                    value: scheme + #"error="insufficient_user_authentication", error_description="session locked""#
                )
            ])
    }

    /// A copy is served whose primary is away (FHIR R4 valueset-issue-type: transient).
    static var readOnly: ClinicAnswer {
        .failure(
            503, "transient",
            "read-only emergency mode: this is a copy whose primary is away; nothing is written, and batches are not taken"
        )
    }

    static var tooManyFailures: ClinicAnswer {
        .failure(
            429, "throttled", "too many failures from this address",
            headers: [(name: "Retry-After", value: "\(FailureThrottle.window)")])
    }

    static var nothingHere: ClinicAnswer { .failure(404, "not-found", "there is nothing at this address") }

    static var tooLarge: ClinicAnswer { .failure(413, "too-long", "the body is larger than this server takes") }

    static var notAcceptable: ClinicAnswer {
        .failure(406, "not-supported", "only application/fhir+json is supported; XML is not")
    }
}
