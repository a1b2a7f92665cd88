/// Why an app did not get what it asked for: every answer of these endpoints that is not a success.
///
/// docs/oauth-errors.md lists them; a test holds the two together.
public enum OAuthFailure: String, Error, Hashable, CaseIterable, Sendable {
    case accessDenied = "access-denied"
    case appNotApproved = "app-not-approved"
    case appUnknown = "app-unknown"
    case audienceWrong = "audience-wrong"
    case auditUnavailable = "audit-unavailable"
    case challengeMissing = "challenge-missing"
    case challengePlain = "challenge-plain"
    case clientNotRecognised = "client-not-recognised"
    case codeInvalid = "code-invalid"
    /// OpenID Connect Core §3.1.2.6.
    case consentNeeded = "consent-needed"
    case freshProofNeeded = "fresh-proof-needed"
    case grantTypeUnknown = "grant-type-unknown"
    /// OpenID Connect Core §3.1.2.6.
    case interactionNeeded = "interaction-needed"
    case jwksMalformed = "jwks-malformed"
    case jwksURIRefused = "jwks-uri-refused"
    case launchInvalid = "launch-invalid"
    /// OpenID Connect Core §3.1.2.6.
    case loginNeeded = "login-needed"
    case nameInvalid = "name-invalid"
    case notThere = "not-there"
    case parameterRepeated = "parameter-repeated"
    case patientMissing = "patient-missing"
    case promptUnknown = "prompt-unknown"
    case proofInvalid = "proof-invalid"
    case proofMissing = "proof-missing"
    case redirectInvalid = "redirect-invalid"
    case redirectUnknown = "redirect-unknown"
    case refreshInvalid = "refresh-invalid"
    case registrationClosed = "registration-closed"
    case registrationMalformed = "registration-malformed"
    case requestMalformed = "request-malformed"
    case responseTypeUnknown = "response-type-unknown"
    case scopeInvalid = "scope-invalid"
    case secretRefused = "secret-refused"
    case secretShown = "secret-shown"
    /// OpenID Connect Core §3.1.2.6: the person has to do something first.
    case sessionLocked = "session-locked"
    case stateMissing = "state-missing"

    /// The word of the standard that says it (RFC 6749 §4.1.2.1 and §5.2, RFC 7591 §3.2.2, RFC 9449 §5).
    public var error: String {
        switch self {
        case .accessDenied: "access_denied"
        case .appNotApproved, .appUnknown: "unauthorized_client"
        case .auditUnavailable: "temporarily_unavailable"
        case .clientNotRecognised, .secretShown: "invalid_client"
        case .codeInvalid, .refreshInvalid: "invalid_grant"
        case .consentNeeded: "consent_required"
        case .grantTypeUnknown: "unsupported_grant_type"
        case .jwksMalformed, .jwksURIRefused, .nameInvalid, .registrationMalformed, .secretRefused:
            "invalid_client_metadata"
        case .freshProofNeeded, .interactionNeeded, .sessionLocked: "interaction_required"
        case .loginNeeded: "login_required"
        case .proofInvalid, .proofMissing: "invalid_dpop_proof"
        case .redirectInvalid: "invalid_redirect_uri"
        case .responseTypeUnknown: "unsupported_response_type"
        case .scopeInvalid: "invalid_scope"
        case .audienceWrong, .challengeMissing, .challengePlain, .launchInvalid, .notThere, .parameterRepeated,
            .patientMissing, .promptUnknown, .redirectUnknown, .registrationClosed, .requestMalformed, .stateMissing:
            "invalid_request"
        }
    }

    /// Whether somebody showed what they do not have.
    public var isGuess: Bool {
        switch self {
        case .clientNotRecognised, .codeInvalid, .proofInvalid, .refreshInvalid: true
        default: false
        }
    }

    /// Status where it is answered directly and not sent to the app's redirect.
    public var status: Int {
        switch self {
        case .auditUnavailable, .registrationClosed: 503
        case .clientNotRecognised, .secretShown: 401
        case .appNotApproved: 403
        case .notThere: 404
        default: 400
        }
    }

    /// What to tell a developer: never a value of the request.
    public var text: String {
        switch self {
        case .accessDenied: "the person did not allow it"
        case .appNotApproved: "the app waits for the approval of an administrator of this clinic"
        case .appUnknown: "no app with this client_id is registered here"
        case .audienceWrong: "aud must be the FHIR base address of this server"
        case .auditUnavailable: "the audit log cannot be written, so nothing was done"
        case .challengeMissing: "code_challenge is needed, 43 letters of base64url (PKCE, RFC 7636)"
        case .challengePlain: "code_challenge_method must be S256"
        case .clientNotRecognised: "the client's proof of who it is was not accepted"
        case .codeInvalid: "the code is unknown, used, too old, or was not made for this client, redirect and verifier"
        case .grantTypeUnknown: "grant_type must be authorization_code, refresh_token or client_credentials"
        case .freshProofNeeded:
            "the person has to show who they are first: the app asked for it, or wants to go on after sign-out"
        case .consentNeeded: "the person is asked each time: prompt=none cannot be answered with a code"
        case .interactionNeeded: "the person has to choose a patient: prompt=none cannot be answered with a code"
        case .loginNeeded: "nobody is signed in, or not lately enough: prompt=none cannot be answered with a code"
        case .jwksMalformed:
            "jwks must hold 1 to 4 public keys, P-384 (ES384) or RSA of 2048 to 4096 bits (RS384), each with a kid of its own"
        case .jwksURIRefused: "jwks_uri is not supported: this server fetches nothing; send the keys in jwks"
        case .launchInvalid: "the launch value is unknown, used, too old, or was made for another app or person"
        case .nameInvalid:
            "client_name must have 1 to 80 letters that can be seen, none that control, turn the direction or hide"
        case .notThere: "this request is not there, or not any more"
        case .parameterRepeated: "a parameter was sent more than once"
        case .patientMissing: "these scopes need a patient, and none was chosen"
        case .promptUnknown: "prompt may be none, or login and consent"
        case .proofInvalid: "the DPoP proof is not right for this request, or was used before (RFC 9449)"
        case .proofMissing: "a DPoP proof is needed here (RFC 9449)"
        case .redirectInvalid:
            "redirect_uris must be absolute: https, or http on 127.0.0.1 or [::1]; no user, fragment or wildcard"
        case .redirectUnknown: "redirect_uri is not letter for letter one of those registered"
        case .refreshInvalid: "the refresh token is unknown, was used before, or has ended"
        case .registrationClosed: "too many apps wait for approval, here or from this network; ask the clinic"
        case .registrationMalformed:
            "the registration is no JSON object as in RFC 7591, or asks for what is not offered"
        case .requestMalformed: "a parameter is missing or malformed"
        case .responseTypeUnknown: "response_type must be code"
        case .scopeInvalid: "none of the scopes can be granted"
        case .secretRefused: "client secrets are not supported: use private_key_jwt, or none with DPoP"
        case .secretShown: "a client secret was sent: none is good here, and this one is known to others now"
        case .sessionLocked: "the person's session is locked; nothing was used up, and it goes on when they unlock it"
        case .stateMissing: "state is needed, up to 512 characters"
        }
    }

    /// docs/oauth-errors.md.
    public static var catalogue: String {
        let rows = allCases.map { "| `\($0.rawValue)` | `\($0.error)` | \($0.status) | \($0.text) |" }
        return """
            # Errors of the OAuth endpoints

            `error` and `error_description` as in RFC 6749; the description is the text below. From `/oauth/authorize` an
            error goes to the app's redirect with `state` and `iss`, unless the app or its redirect is what is wrong: that
            is said on a page and nobody is sent anywhere.

            | Code | `error` | Status | Meaning |
            | --- | --- | --- | --- |
            \(rows.joined(separator: "\n"))

            """
    }
}
