import Testing
import WardCore
import WardCrypto
import WardIdentity
import WardPolicy
import WardTestKit

/// RS384, made once by another library (pyca/cryptography) with a key that was thrown away: claims of ``Forger``.
@Suite struct `A client with an RSA key` {
    private let house: TestHouse

    init() throws {
        house = try TestHouse(clock: { Instant(microseconds: Forger.now * 1_000_000) })
    }

    private static let modulus =
        "rPmBRq0EoqU48iiB9bjny0tdfX-kAU__2ZUJXBzBRYSt-_FEXil5jztvTMitcQ8y3cLxgyT2DFrAsqaPq54turuAZd25"
        + "TlG8KyGyKiCGbzeoVoP3Lk9aVSJjxY8c0XSLxrfL_cxgubleYCFRgFvC_f9gijYTLAFno5d1E_G0yZGJWbrMB7KextUN"
        + "RLpHbpvUDIfuoH_sWMqsgKsjKVfdC8XvcCwPPnx9-ds0AJMbvC_T1UKisQvIksTCAYkU7O-n_hoG-wn-lSgbMGe5MZBX"
        + "C-rjUakWKDV01qZ1DCn-ZOfDDdlQ5jmFF7Vg6Qhcc-tmQ0b7F7bQCa9usRaenC-xOw"
    private static let good =
        "eyJhbGciOiJSUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
        + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
        + "OjE4MDAwMDAwMDAsImp0aSI6ImotMSJ9.WHCsLiEPFX_OOOhlkFKk_XsCBSFaw9-J9uG8gAof6CANpEvI97AnFYDLl85"
        + "cCGcx3POFLhSHO7V9e6_pbQTKe_RQlu3vSlma7HyWQRWku_6A28rDYAZyU9EdwhtXkeRnywAac1PnUExj_ZpFOcmvGkE"
        + "isYDlmw1eerYVSe89DctjDCqYCYKepvJIos_TNfg36Cgs8wZ-5LnPvL2fUwOVkFmHoOFLChYIbd4IWZAPqNJxP1DZPmX"
        + "fJQObFzzYQUu0dzGyPy-ae0k2mCPmQI2jP23OI--ad-CfJSPPrhAiPbil5Cneu-RI6u0SeGTA2skxkEg8sgpyOrFWXy_"
        + "dupE5aw"
    private static let bad: [(String, String)] = [
        (
            "RS256, rightly signed",
            "eyJhbGciOiJSUzI1NiIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotMiJ9.gSpULQCotBXCl74H9YtvGwJm9BuZzD2J1XKxODDgS30Jdxvl8eI76AHH03D"
                + "_bZqTZqRXSuYMb3HO0h_uczPaYq2ZYwjp3zJwuGtnhnHWdxXPxvckVjnVNCXb1nJi7uZAUqWHU5saUPtkPHdhkKNWjuw"
                + "EFZ5b2zwdLKBUUQp8FPVO7BJyDL1BlMhqcDHbYjlyAOOaagxlO0_lahIjc7bcDxVw9QCqd5_L-wzhO6pjzMPwqTus-S-"
                + "zYVNCyLBc2pmQZAeoYBbBEp7gWu7uwVu6esik_4VNQ6ZWAgRfaMnx_q8Tldkpc0rFToHWnV-x1pkAZwA7TSqcvor0Jvz"
                + "NUxFw8w"
        ),
        (
            "RS512, rightly signed",
            "eyJhbGciOiJSUzUxMiIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotMyJ9.L2n1TVnMuPTK6ggSB_YoO2N3o-XHnqOg3uom2hNQPowkvqjXEydUA5G8q0j"
                + "W_tEWtIyPm4dZ8GzLvcBl1YVkjt2hhX2sx0wUbFL_-T0KAxa133Ww-VXbz5I-gIrWEYTgA-WWEVT7Qh0W9S-tTnklaCE"
                + "L6qwv7SFXpSLBb-Nc0ZDEeldhflewFuz9dd_eiWHk76lN9tsZvQiKPfksR6fuE-9o8Qr0-X2yuqxwUB0bkpw3ZnOXh0f"
                + "wvS7MGWOSEJirrtSpQQMG7NUR8ZwDQ7xYbhuWUhwyoyFXXYeaTWNe9cx3eHFCa5txxLM3eVso5-W7PEdOyDYbevatnsl"
                + "ase01Iw"
        ),
        (
            "PS384, rightly signed",
            "eyJhbGciOiJQUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotNCJ9.cUvr7M-N7HlIWdC5Qsjyggw2762_ii0Ra4GlDM2L3-s0SAXuG7IBB2g7eaW"
                + "QrB2SI9Sz9vBO3-6qYqdV1Xv3bezviuZ-NHZvnz90R6w8evoBrZ-h0JBLdiyJEtfB4dI36MZWGmt8Wu3E2FaYm5nnpaZ"
                + "_6qAk649I1c1OVhOgFeYInRRt1mUHIgQTc-ALX_Gm52l699Tt9irJUM7baH2ame-A_yjnsM145QnS4KCGmSjnTw3ux_x"
                + "6IASAh0ngDd3kqQR_W8CWSnXxC1DFBkpC_2l6m86H24xxZfO_th3V7eIJKKCoTrzq2_CoFA8oF8AWXbaqI-qJPoYQ-HZ"
                + "dEfyztA"
        ),
        (
            "RS384 said, PS384 signed",
            "eyJhbGciOiJSUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotNSJ9.lZeu4xsOqjm5AdSRg1hksgxNhkIMNZRNDxnDP1AuHxn8L6mJwH5ewP21Vnu"
                + "L8q_EPOxZn1-HxrIjrTz6GpNEipMaEqyymFQK2DiUuBDfwNDlfxCmSczR3mC1jPc9M9mBAPjRsqvqSS1O24FHSSnbBg9"
                + "eG0u64_gcNwyfvmDc9RqfHrKGbKwJXmpst4tlN2-_wDhT_ZBLnLMCnlYGKiJuaMzqIwWW5pdtcR12hisDjfiKqC_FtEC"
                + "t-XO4r9VfVpb8rOyuGoHYNlfboFrODlYlCbeUPUQfOlcqZF_z019wimnaz_EOFx02F6FiC9vNtkW0QYitSIPkYnkvAP8"
                + "L2XWCzQ"
        ),
        (
            "RS384 said, SHA-256 signed",
            "eyJhbGciOiJSUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotNiJ9.lS-f5wGqM539uwlE4qRJpQkznu7osfq_ywl9BWNCDRsDyMQ7vOLsm_a7wQq"
                + "oQ2sh2CDkbUT0fWZs42241L4X7H7gyv63uHT6tpkyMj5cfvrPHUfclbe_OYdqpTFDL5ChcmtTv4hpV0NAHMFov9Pp-0H"
                + "4ajzO62bykAFj6WTsOmCq1OFT5Dn-3bmdzwnHZ-cNzZgp_1ECDB4iMTtsB_kINwS-BanwwOWVoyytb5fHdhWmxA_u8Hx"
                + "v9rzlSU5xLYwSSdQwvHbc0yKCGdzKcHCsrkjmWZze4_GPYN4GQyJx1VQCsYHzQwoQxlK_aFZzkmzMw7CGuMS5twR2HDx"
                + "3-wBC2Q"
        ),
        (
            "HS384 keyed by the modulus",
            "eyJhbGciOiJIUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotNyJ9.0hcGPkMr0Rn6_GL_Yu1D6dY9mZmX1W3uHQfLuvD_aJBJXVdUBkz52WCvEaa"
                + "xGdYr"
        ),
        (
            "another kid",
            "eyJhbGciOiJSUzM4NCIsImtpZCI6ImtleS0yIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotOCJ9.pbYAIxjzsP4IDs_H-gB6ojM0oOIKyoaAak3IJ6_uJPTEsEQx82_Oo4-W40M"
                + "zWMy_efJuiBKsLKx24UD7mmLHTYNOIb9UF0tAimuHox0uXCigSxvwGJnQpkcKxhtWeFgkpBydiGnxjqtq2XJH8TS-9-m"
                + "h_FCSsTwd0fnTD2_RPnZ6YU44VNI5Xw2MjkfbydpU_dX1o5K6_7jldfn08-Tfe6DD8K2pghheQrt5z2h2m1JngwTPcAp"
                + "aYddWCWGO2pBAdGw-C4-C1a8M20w2qQt2-kSYghIhjZjCsdVf_UJ6MAsEN70qTQ3F8k-QxufkCVtJOm7Lj5cYWMdFhV8"
                + "E81q99Q"
        ),
        (
            "ES384 said",
            "eyJhbGciOiJFUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxODAwMDAwMTIwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotOSJ9.lobAvtCnkMQbO7U3mTJseROomDJ6IXKCTpe9diyD7T9I2NtUGhXXNJUdvks"
                + "eLAtYcKZ36pRAXdMuti1dqvdnNPNiG5ZV-uMSVoUi-F8n-iOlZ1SatLgWJUm1-w9XhfSjMrZmp73KG-jfEKznqATlNxY"
                + "4p0ABIOTm7JhC1Z3BqdVoXswkeQCreDQH7ibELtDUXeLQ633dsADNLy_cNH90b3qtjG2DCk5xwtLPwPU2ReeR3l0lw4j"
                + "dmoQGHROjeEt2OfvLywYmqnSMGRwmYdfZiETaQyXM6degdKiZRQ5REeYrlcpOJXHgxzWMOMB0XuLQAKYG2WLxshlBFSA"
                + "cMUiC2Q"
        ),
        (
            "another audience",
            "eyJhbGciOiJSUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2V2aWwuZXhhbXBsZS90b2tlbiIsImV4cCI6MTgwMDAwMDEyMCwiaWF0IjoxODAwMDAw"
                + "MDAwLCJqdGkiOiJqLTEwIn0.hCc9mS8UyYG0NqzN7LWTvdCR3_kC3bc3ubJZiIqPugztEe3Bmlaevd90b5DNAK_ABCT8"
                + "YIaTxgVNZnEmVMvUSyOJmYzWTbJRkMEsSR0L0IZ24DBzKcme0JCEcZGWUTIErFG_3EAMS21oV8l-gNY32qdmf1okWASL"
                + "8JiNv77nXF-Tkazqs5J1dbYib7rwV9-vtaatlzxypy7-sK46y0DXuHgOkdpyMhFManChzv2Y6zP0Svz7pTvgrvXRwH8T"
                + "pYF-jVVrLxrYb2E6Ex9ROZlEo_DvXNVDRYRAaAlK8gIEnXN2rTevrtvdFapw3dYzZgay8YxRRSbQW-Rf-fJpIgGcVw"
        ),
        (
            "expired",
            "eyJhbGciOiJSUzM4NCIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJpc3MiOiJmb3JnZXIiLCJzdWIiOiJmb3Jn"
                + "ZXIiLCJhdWQiOiJodHRwczovL2xvY2FsaG9zdDo4NDQzL29hdXRoL3Rva2VuIiwiZXhwIjoxNzk5OTk5OTQwLCJpYXQi"
                + "OjE4MDAwMDAwMDAsImp0aSI6ImotMTEifQ.b4cBM4qUZSkLsGX0POmXgGTao0I83sQXoO8de-mroCwGxQcJPF6z538yB"
                + "BX_DL1H9m_gZO9yJTs0FVcIVOJYvIWC7kmrbGU1ICM8bsNvfhpnXfleVro__eMoQM8DBk9la-JBlzB-PeOc_Bm-7iDwP"
                + "C8dMLsgP7HNadNOUb_6erx7QVagiMSkLwYmbRCEe4UvtQPrPNgZ-L-LHokfZ-kE_yBZDmpASLlO0dXJSD4g9fQiSbzUW"
                + "wN98XuvcakMdhnYGIe6KOh0-JNbxx7nxN1VgMaRWRrpNkG2EOGruBcOSKRs5abBKssKK45K3HEBafzLLzqqwbXb_GN77"
                + "y3XZ8Nc6g"
        ),
    ]

    private static func jwk(_ modulus: String = modulus, _ more: String = "", exponent: String = "AQAB") -> [UInt8] {
        Array(#"{"kty":"RSA","kid":"key-1","n":"\#(modulus)","e":"\#(exponent)"\#(more)}"#.utf8)
    }

    private func present(_ assertion: String) async throws(IdentityFailure) -> Principal {
        try await house.authenticator.authenticate(
            assertion: assertion, audiences: [TestHouse.audience], scope: nil, source: TestHouse.source)
    }

    private func register() async throws {
        let key = try #require(ClientKey(jwk: Self.jwk()))
        try await house.authenticator.add(
            "forger", role: .clinician, purpose: .treatment, key: key, by: TestHouse.source)
    }

    @Test func `is known by RS384, once, also after a restart`() async throws {
        try await register()
        #expect(try await present(Self.good).id == "forger")
        await #expect(throws: IdentityFailure.replayed) { try await present(Self.good) }
        let again = try house.reopened().authenticator.clients
        #expect(again.first?.key == ClientKey(jwk: Self.jwk()) && again.first?.key.json.contains("RS384") == true)
    }

    @Test func `is not known by anything else that its key could sign`() async throws {
        try await register()
        for (what, text) in Self.bad {
            await #expect(throws: IdentityFailure.self, "\(what)") { try await present(text) }
        }
        let parts = Self.good.split(separator: ".").map(String.init)
        let signature = try #require(base64URLDecoded(parts[2]))
        var altered: [[UInt8]] = [[], [0] + signature, signature.dropLast(), signature + [0]]
        altered += [[UInt8](repeating: 0, count: 256), [UInt8](repeating: 255, count: 256)]
        for place in stride(from: 0, to: signature.count, by: 17) {
            var one = signature
            one[place] ^= 1
            altered.append(one)
        }
        for signature in altered {
            await #expect(throws: IdentityFailure.badSignature) {
                try await present("\(parts[0]).\(parts[1]).\(base64URL(signature))")
            }
        }
        // None of it used up the one that is good.
        _ = try await present(Self.good)
    }

    @Test func `cannot be mistaken for one with another key of the same id`() async throws {
        let forger = Forger()
        let key = try #require(ClientKey(jwk: Array(forger.jwk.utf8)))
        try await house.authenticator.add(
            "forger", role: .clinician, purpose: .treatment, key: key, by: TestHouse.source)
        await #expect(throws: IdentityFailure.unknownKey) { try await present(Self.good) }
    }

    @Test func `has a modulus of 2048 to 4096 bits, the usual exponent, and one algorithm`() throws {
        #expect(ClientKey(jwk: Self.jwk()) != nil)
        #expect(ClientKey(jwk: Self.jwk(Self.modulus, #","alg":"RS384","use":"sig""#)) != nil)
        func modulus(_ count: Int, first: UInt8 = 0x80, last: UInt8 = 1) -> String {
            base64URL([first] + [UInt8](repeating: 7, count: count - 2) + [last])
        }
        for (length, first) in [(256, UInt8(0x80)), (257, 1), (384, 0x80), (512, 0xFF)] {
            #expect(ClientKey(jwk: Self.jwk(modulus(length, first: first))) != nil, "\(length)")
        }
        for text in [
            modulus(128), modulus(255), modulus(256, first: 0x7F), modulus(256, first: 0), modulus(257, first: 0),
            modulus(513), modulus(256, last: 2), modulus(256) + "=", modulus(256) + "\\n", "",
        ] {
            #expect(ClientKey(jwk: Self.jwk(text)) == nil, "\(text)")
        }
        for exponent in ["Aw", "AQ", "AA", "", "AQAA", "AAEAAQ", "AQABAQAB", "AQAB="] {
            #expect(ClientKey(jwk: Self.jwk(exponent: exponent)) == nil, "\(exponent)")
        }
        for more in [
            #","alg":"RS256""#, #","alg":"RS512""#, #","alg":"PS384""#, #","alg":"ES384""#, #","alg":"none""#,
            #","alg":1"#, #","use":"enc""#, #","use":1"#, #","kid":"key-2""#,
        ] {
            #expect(ClientKey(jwk: Self.jwk(Self.modulus, more)) == nil, "\(more)")
        }
    }

    @Test func `is registered as an app too, without any private part`() async throws {
        let house = try OAuthHouse()
        let signing = ["token_endpoint_auth_method": #""private_key_jwt""#]
        let key = String(decoding: Self.jwk(), as: UTF8.self)
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            let shown = String(decoding: Self.jwk(Self.modulus, #","\#(name)":"AQAB""#), as: UTF8.self)
            await #expect(throws: OAuthFailure.jwksMalformed, "\(name)") {
                try await house.register(signing.merging(["jwks": #"{"keys":[\#(shown)]}"#]) { $1 })
            }
        }
        let app = try await house.register(signing.merging(["jwks": #"{"keys":[\#(key)]}"#]) { $1 })
        #expect(app.kind == .confidential && app.keys.first == ClientKey(jwk: Self.jwk()))
    }
}
