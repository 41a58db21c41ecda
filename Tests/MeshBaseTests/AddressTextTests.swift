import MeshBase
import Testing

@Suite struct AddressTextTests {
    @Test(arguments: [
        ("10.0.0.1", "10.0.0.1"), ("255.255.255.255", "255.255.255.255"), ("::", "::"), ("::1", "::1"),
        ("fd00::", "fd00::"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("2001:DB8::00ff", "2001:db8::ff"),
        ("::ffff:1.2.3.4", "::ffff:102:304"), ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
    ])
    func addressesAreReadAsPeopleWriteThem(text: String, canonical: String) {
        #expect(IPAddress(text: text)?.description == canonical)
    }

    @Test(arguments: [
        "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.+4", " 1.2.3.4", ":", ":::", "1::2::3",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8:9", "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1.2.3.4::", "::1%eth0", "1:",
        ":1",
    ])
    func whatIsNoAddressIsRefused(text: String) { #expect(IPAddress(text: text) == nil) }

    @Test func hostsAndPortsAreChecked() {
        for text in ["a:1", "a-b.example:65535", "1.2.3.4:1", "[::1]:443", "localhost:80"] {
            #expect(HostAndPort(text: text)?.description == text)
        }
        for text in [
            "a", "a:", "a:0", "a:65536", ":1", "::1:1", "-a:1", "a-:1", "a..b:1", "1.2.3:1", "a b:1", "[a]:1", "a:+1",
            "[1.2.3.4]:1",
        ] {
            #expect(HostAndPort(text: text) == nil, "\(text)")
        }
        for text in ["1.2.3.4", "::1:443", "[::1]", "[1.2.3.4]:1", "1.2.3.4:70000"] {
            #expect(Endpoint(text: text) == nil, "\(text)")
        }
        #expect(Endpoint(text: "[::]:0")?.description == "[::]:0")
    }

    @Test func decimalDigitsAreDigitsOnly() {
        #expect(UInt8(decimalDigits: "255") == 255)
        #expect(UInt8(decimalDigits: "007") == 7)
        for text in ["", "256", "-1", "+1", " 1", "1 ", "0x1", "١"] {
            #expect(UInt8(decimalDigits: text) == nil, "\(text)")
        }
    }
}
