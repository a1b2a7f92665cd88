import WardFHIR

extension OAuth {
    /// `.well-known/smart-configuration` (SMART App Launch 2.2, conformance): what is really there.
    public static func smartConfiguration(issuer: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        endpoints(&writer, issuer)
        list(&writer, "token_endpoint_auth_signing_alg_values_supported", ["ES384", "RS384"])
        list(&writer, "dpop_signing_alg_values_supported", ["ES256"])
        list(&writer, "scopes_supported", scopes + ["system/*.cruds", "system/*.rs"])
        list(
            &writer, "capabilities",
            [
                "authorize-post", "client-confidential-asymmetric", "client-public", "context-ehr-patient",
                "context-standalone-patient", "launch-ehr", "launch-standalone", "permission-offline",
                "permission-online", "permission-patient",
                "permission-user", "permission-v1", "permission-v2", "sso-openid-connect",
            ])
        writer.endObject()
        return writer.bytes
    }

    /// `.well-known/openid-configuration` (OpenID Connect Discovery §3).
    public static func openIDConfiguration(issuer: String) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        endpoints(&writer, issuer)
        list(&writer, "token_endpoint_auth_signing_alg_values_supported", ["ES384", "RS384"])
        list(&writer, "dpop_signing_alg_values_supported", ["ES256"])
        list(&writer, "subject_types_supported", ["public"])
        list(&writer, "id_token_signing_alg_values_supported", ["ES256"])
        list(
            &writer, "claims_supported",
            ["aud", "auth_time", "exp", "fhirUser", "iat", "iss", "jti", "name", "nonce", "sub"])
        list(&writer, "prompt_values_supported", ["none", "login", "consent"])
        list(&writer, "scopes_supported", scopes)
        for name in ["request_parameter_supported", "request_uri_parameter_supported"] {
            writer.key(name)
            writer.bool(false)
        }
        writer.endObject()
        return writer.bytes
    }

    /// The keys that ID tokens are checked with (RFC 7517).
    public var keySet: [UInt8] { Array(#"{"keys":[\#(idTokens.jwk)]}"#.utf8) }

    private static let scopes = [
        "openid", "fhirUser", "profile", "launch", "launch/patient", "offline_access", "online_access", "patient/*.rs",
        "patient/*.cruds", "user/*.rs", "user/*.cruds",
    ]

    private static func endpoints(_ writer: inout JSONWriter, _ issuer: String) {
        writer.member("issuer", issuer)
        writer.member("jwks_uri", "\(issuer)/.well-known/jwks.json")
        writer.member("authorization_endpoint", "\(issuer)/oauth/authorize")
        writer.member("token_endpoint", "\(issuer)/oauth/token")
        writer.member("registration_endpoint", "\(issuer)/oauth/register")
        writer.member("introspection_endpoint", "\(issuer)/oauth/introspect")
        writer.member("revocation_endpoint", "\(issuer)/oauth/revoke")
        list(&writer, "response_types_supported", ["code"])
        list(&writer, "response_modes_supported", ["query"])
        list(&writer, "grant_types_supported", ["authorization_code", "client_credentials", "refresh_token"])
        list(&writer, "token_endpoint_auth_methods_supported", ["none", "private_key_jwt"])
        list(&writer, "introspection_endpoint_auth_methods_supported", ["private_key_jwt"])
        list(&writer, "revocation_endpoint_auth_methods_supported", ["none", "private_key_jwt"])
        list(&writer, "code_challenge_methods_supported", ["S256"])
        writer.key("authorization_response_iss_parameter_supported")
        writer.bool(true)
    }

    private static func list(_ writer: inout JSONWriter, _ name: String, _ values: [String]) {
        writer.key(name)
        writer.strings(values)
    }
}
