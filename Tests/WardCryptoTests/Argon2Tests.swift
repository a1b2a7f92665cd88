import CArgon2
import Testing
import WardCore
import WardCrypto

@Suite struct `argon2id` {
    /// From test.c of the reference implementation: password, salt `somesalt`, version 1.3.
    @Test(arguments: [
        (2, 65_536, 1, "password", "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"),
        (2, 256, 1, "password", "9dfeb910e80bad0311fee20f9c0e2b12c17987b4cac90c2ef54d5b3021c68bfe"),
        (2, 256, 2, "password", "6d093c501fd5999645e0ea3bf620d7b8be7fd2db59c20d9fff9539da2bf57037"),
        (1, 65_536, 1, "password", "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98"),
        (4, 65_536, 1, "password", "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c"),
        (2, 65_536, 1, "differentpassword", "0b84d652cf6b0c4beaef0dfe278ba6a80df6696281d7e0d2891b817d8c458fde"),
    ])
    func `gives the hashes of the reference implementation`(
        passes: UInt32, memory: UInt32, lanes: UInt32, password: String, hash: String
    ) throws {
        let parameters = Argon2id.Parameters(memoryKiB: memory, passes: passes, lanes: lanes)
        let secret = SecretBytes(copying: Array(password.utf8))
        let output = try Argon2id.hash(secret, salt: Array("somesalt".utf8), parameters: parameters)
        let isSame = constantTimeEquals(output, SecretBytes(copying: unhex(hash)))
        #expect(isSame)
    }

    /// RFC 9106 §5.3, whose secret and associated data only the library's own entry takes: it is the right library.
    @Test func `of the linked library keeps RFC 9106`() throws {
        var password = [UInt8](repeating: 1, count: 32)
        var salt = [UInt8](repeating: 2, count: 16)
        var secret = [UInt8](repeating: 3, count: 8)
        var data = [UInt8](repeating: 4, count: 12)
        var tag = [UInt8](repeating: 0, count: 32)
        let code = unsafe tag.withUnsafeMutableBufferPointer { tag in
            unsafe password.withUnsafeMutableBufferPointer { password in
                unsafe salt.withUnsafeMutableBufferPointer { salt in
                    unsafe secret.withUnsafeMutableBufferPointer { secret in
                        unsafe data.withUnsafeMutableBufferPointer { data in
                            var context = unsafe argon2_context()
                            unsafe (context.out, context.outlen) = (tag.baseAddress, 32)
                            unsafe (context.pwd, context.pwdlen) = (password.baseAddress, 32)
                            unsafe (context.salt, context.saltlen) = (salt.baseAddress, 16)
                            unsafe (context.secret, context.secretlen) = (secret.baseAddress, 8)
                            unsafe (context.ad, context.adlen) = (data.baseAddress, 12)
                            unsafe (context.t_cost, context.m_cost) = (3, 32)
                            unsafe (context.lanes, context.threads) = (4, 4)
                            unsafe context.version = 0x13
                            return unsafe argon2id_ctx(&context)
                        }
                    }
                }
            }
        }
        #expect(code == 0)
        #expect(hex(tag) == "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659")
    }

    @Test func `refuses a salt or a cost that the RFC excludes`() {
        func fails(_ salt: Int, _ memory: UInt32, _ passes: UInt32, _ lanes: UInt32) -> Bool {
            do throws(Argon2Failure) {
                _ = try Argon2id.hash(
                    SecretBytes(copying: [1, 2, 3]), salt: [UInt8](repeating: 0, count: salt),
                    parameters: Argon2id.Parameters(memoryKiB: memory, passes: passes, lanes: lanes))
                return false
            } catch {
                return true
            }
        }
        #expect(!fails(8, 8, 1, 1))
        #expect(fails(7, 8, 1, 1))
        #expect(fails(8, 7, 1, 1))
        #expect(fails(8, 8, 0, 1))
        #expect(fails(8, 8, 1, 0))
        #expect(fails(8, 8, 1, 2))
    }

    @Test func `secrets are compared by length and every byte`() {
        func equal(_ left: [UInt8], _ right: [UInt8]) -> Bool {
            constantTimeEquals(SecretBytes(copying: left), SecretBytes(copying: right))
        }
        #expect(equal([], []))
        #expect(equal([1, 2, 3], [1, 2, 3]))
        #expect(!equal([1, 2, 3], [1, 2]))
        #expect(!equal([1, 2], [1, 2, 0]))
        for place in 0..<32 {
            var other = [UInt8](repeating: 7, count: 32)
            other[place] ^= 0x80
            #expect(!equal([UInt8](repeating: 7, count: 32), other))
        }
    }
}
