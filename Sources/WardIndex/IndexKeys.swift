internal import Synchronization
public import WardCore
public import WardCrypto
public import WardFHIR

/// Keys of one tenant's search tokens in one epoch: one for each (type, parameter, kind), derived on first use.
///
/// Equal values under two parameters, types, tenants or epochs give unrelated tokens.
public final class IndexKeys: Sendable {
    /// Rotation count; cards carry it.
    public let epoch: UInt32
    private let root: KeyMaterial
    private let keys = Mutex<[UInt32: MacKey]>([:])

    /// - Parameter root: the tenant's search root of that epoch.
    public init(root: KeyMaterial, epoch: UInt32) {
        self.root = root
        self.epoch = epoch
    }

    /// 64-bit keyed token of a canonical value.
    func token(_ form: TokenForm, of parameter: SearchParameter) -> Int64 {
        var frame: [UInt8] = []
        for part in form.parts {
            let bytes = part.utf8
            let count = UInt32(bytes.count)
            for shift in [24, 16, 8, 0] as [UInt32] { frame.append(UInt8(truncatingIfNeeded: count >> shift)) }
            frame.append(contentsOf: bytes)
        }
        return key(parameter, form.kind).tag(ofWhole: frame).token
    }

    private func key(_ parameter: SearchParameter, _ kind: TokenKind) -> MacKey {
        let slot = UInt32(parameter.number) << 8 | UInt32(kind.rawValue)
        return keys.withLock { keys in
            if let known = keys[slot] { return known }
            let context = [parameter.base.name, parameter.code, kind.label].map { Array($0.utf8) }
            let key = MacKey(root.derived("ward/search/1", context: context))
            keys[slot] = key
            return key
        }
    }
}

/// Makes locators: keyed tokens of `Type/id`.
public struct LocatorKey: Sendable {
    private let key: MacKey

    /// - Parameter material: a key of the tenant for this purpose only.
    public init(_ material: KeyMaterial) {
        key = MacKey(material)
    }

    /// Where `Type/id` lies.
    public func locator(type: ResourceType, id: String) -> Locator {
        key.tag(Array(type.name.utf8), Array(id.utf8)).locator
    }
}
