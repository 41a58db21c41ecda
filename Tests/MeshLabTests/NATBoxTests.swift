import Testing

extension LabTests.WanEmulatorTests {
    /// Runs a program of the lab between NAT boxes.
    private func natLab(_ program: String) throws -> CommandResult {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return try shell(
            "OUT=$(mktemp -d); export OUT LAB_WAN_BINARY='\(productsDirectory)/shadowmesh-wan'; "
                + "SHADOWMESH='\(productsDirectory)/shadowmesh' NAT_SLOTS=4 TRIES=1 '/\(root)/Lab/run.sh' \(program) "
                + "</dev/null; status=$?; rm -rf \"$OUT\"; exit $status")
    }

    @Test func eachNATBoxOfTheLabMapsAndFiltersAsItIsMeantTo() throws {
        let result = try natLab("nat_boxes.py --quick")
        #expect(result.status == 0, "\(result.output)")
    }

    @Test func netcheckIsRightAboutEachOfThem() throws {
        let result = try natLab("nat_netcheck.py")
        #expect(result.status == 0, "\(result.output)")
    }

    @Test(arguments: [
        "port-restricted symmetric-random", "symmetric-sequential symmetric-sequential", "rebooted rebooted",
    ])
    func translatorsWithAPortForEachDestinationAreGotThroughAndNamed(cell: String) throws {
        let result = try natLab("nat_matrix.py \(cell)")
        #expect(result.status == 0, "\(result.output)")
    }

    private static let hasGateway = (try? shell("PATH=$PATH:/usr/sbin command -v miniupnpd"))?.status == 0
    private static let gatewayReason: Comment = "miniupnpd is not installed (Lab/install-dependencies.sh tries to)"

    /// Two random translators cannot be got through otherwise.
    @Test(.enabled(if: hasGateway, gatewayReason), arguments: ["PCP", "NAT-PMP", "UPnP"])
    func aPortThatTheGatewayForwardsIsUsedAndGivenBack(method: String) throws {
        let result = try natLab("nat_matrix.py symmetric-random+\(method) cgnat-symmetric")
        #expect(result.status == 0, "\(result.output)")
    }
}
