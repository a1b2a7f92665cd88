// A grant lives in one straight line: it is not kept, copied or printed.
import WardGate

func collect(_ grant: consuming AccessGrant<Read>) -> Any {
    [grant]  // expected-error {{generic struct 'Array' requires that 'AccessGrant<Read>' conform to 'Copyable'}}
}

func copy(_ grant: borrowing AccessGrant<Read>) -> AccessGrant<Read> {
    copy grant  // expected-error {{'copy' cannot be applied to noncopyable types}}
}

func show(_ grant: borrowing AccessGrant<Read>) -> String {
    "\(grant)"  // expected-error {{no exact matches in call to instance method 'appendInterpolation'}}
}
