// The operations log takes sentences of the program and typed fields, never a text from a request.
import WardCore
import WardTelemetry

func say(_ log: OperationalLog, _ text: String, _ name: PHI<String>) {
    log.info(text)  // expected-error {{cannot convert value of type 'String' to expected argument type 'StaticString'}}
    log.info("opened \(text)")  // expected-error {{cannot convert value of type 'String' to expected argument type 'StaticString'}}
    log.info("opened", text)  // expected-error {{cannot convert value of type 'String' to expected argument type 'OperationalLog.Field'}}
    log.info("opened", .code(text))  // expected-error {{cannot convert value of type 'String' to expected argument type 'StaticString'}}
    log.info("opened", .route(text))  // expected-error {{cannot convert value of type 'String' to expected argument type 'StaticString'}}
    log.info("opened", .text(text))  // expected-error {{type 'OperationalLog.Field' has no member 'text'}}
    log.info("opened", name)  // expected-error {{cannot convert value of type 'PHI<String>' to expected argument type 'OperationalLog.Field'}}
}
