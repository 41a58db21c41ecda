import Testing

extension LabTests.WanEmulatorTests {
    @Test func delaysAreAsConfiguredThroughTheRelayAndDirect() throws {
        let lab = try labScript(
            """
            rtt() { lab_exec uk-vps ping -q -c 20 -i 0.02 "$1" | sed -n 's|.*= \\([0-9.]*\\)/.*|\\1|p'; }
            lab_begin; lab_three_sites; lab_start_wan
            echo "relay $(rtt 198.51.100.1)"
            echo "host $(rtt 192.0.2.10)"
            echo "version6 $(rtt 2001:db8:20::10)"
            lab_wan pair uk-vps belgium-rpi delay 15ms
            echo "direct $(rtt 192.0.2.10)"
            """)
        #expect(lab.status == 0, "\(lab.output)")
        // The least round trip of 20: not before its time (less 50 us a leg), and not much after.
        for (key, milliseconds) in [("relay", 40.0), ("host", 80), ("version6", 80), ("direct", 30)] {
            let value = try #require(lab.value(key), "\(lab.output)")
            #expect((milliseconds - 0.2...milliseconds + 5).contains(value), "\(key): \(value) ms")
        }
    }

    @Test func lossRateAndBlocksAreAsConfigured() throws {
        let lab = try labScript(
            """
            received() { lab_exec uk-vps ping -q -c "$1" -i 0.005 -W 0.5 198.51.100.1 |
                sed -n 's|.* \\([0-9]*\\) received.*|\\1|p'; }
            lab_begin; lab_three_sites; lab_start_wan 'leg uk-vps delay 1ms'
            lab_wan leg uk-vps up loss 20%
            echo "lossy $(received 400)"
            lab_wan leg uk-vps loss 0%
            lab_wan cut uk-vps relay
            echo "cut $(received 5)"
            lab_wan heal uk-vps relay
            echo "healed $(received 5)"
            lab_wan block udp uk-vps relay
            lab_exec uk-vps bash -c 'echo hello >/dev/udp/198.51.100.1/9'
            echo "udp_blocked $(received 5)"
            lab_wan show
            lab_wan leg uk-vps rate 20mbit queue 128k
            lab_start relay iperf iperf3 -s --forceflush
            lab_wait_until 5 'iperf3 listens' grep -q listening "$LAB_DIRECTORY/iperf.log"
            lab_exec uk-vps iperf3 -c 198.51.100.1 -t 2 -f m | sed -n 's|.* \\([0-9.]*\\) Mbits/sec.*receiver|megabits \\1|p'
            """)
        #expect(lab.status == 0, "\(lab.output)")
        let received = try #require(lab.value("lossy"), "\(lab.output)")
        // 400 pings, one in five lost: 320 expected, standard deviation 8.
        #expect((280...360).contains(received))
        #expect(lab.value("cut") == 0)
        #expect(lab.value("healed") == 5)
        #expect(lab.value("udp_blocked") == 5)
        #expect(lab.output.contains("\"blocked_udp\":1,"), "\(lab.output)")
        let megabits = try #require(lab.value("megabits"), "\(lab.output)")
        #expect((10...21).contains(megabits))
    }

    @Test func aFailedLabLeavesNothingBehind() throws {
        let lab = try labScript("lab_begin; lab_three_sites; lab_start_wan; echo prefix $$; false; echo not reached")
        #expect(lab.status == 1)
        let prefix = try #require(lab.value("prefix"), "\(lab.output)")
        #expect(!lab.output.contains("not reached"))
        let left = try shell("ip netns list; ls /run/shadowmesh-lab")
        #expect(!left.output.contains("sm\(Int(prefix))"))
    }

    @Test func theNextLabClearsWhatAKilledOneLeft() throws {
        let killed = try labScript(
            "lab_begin; lab_three_sites; lab_start_wan; echo prefix $$; echo wan $LAB_PID; kill -KILL $$")
        let prefix = Int(try #require(killed.value("prefix"), "\(killed.output)"))
        let emulator = Int(try #require(killed.value("wan"), "\(killed.output)"))
        #expect(try shell("ip netns list").output.contains("sm\(prefix)-relay"))
        // Running: neither gone nor a zombie that its new parent has not looked at yet.
        let isRunning = "grep -qs '^State:.[^Z]' /proc/\(emulator)/status"
        #expect(try shell(isRunning).status == 0)
        let next = try labScript("lab_begin")
        #expect(next.status == 0, "\(next.output)")
        #expect(next.output.contains("clearing what sm\(prefix) left behind"))
        let left = try shell("ip netns list; ls /run/shadowmesh-lab")
        #expect(!left.output.contains("sm\(prefix)"))
        #expect(try shell(isRunning).status != 0)
    }

    @Test func aMistakeInTheConfigurationIsNamedWithItsLine() throws {
        let lab = try labScript("lab_begin; lab_three_sites; lab_start_wan 'leg relay delay soon'")
        #expect(lab.status == 1)
        #expect(lab.output.contains("wan.conf, line 4: 'soon' is no time"), "\(lab.output)")
    }
}
