import Testing

extension LabTests.WanEmulatorTests {
    @Test func eachNATBoxOfTheLabMapsAndFiltersAsItIsMeantTo() throws {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let result = try shell(
            "LAB_WAN_BINARY='\(productsDirectory)/shadowmesh-wan' SHADOWMESH='\(productsDirectory)/shadowmesh' "
                + "NAT_SLOTS=4 '/\(root)/Lab/run.sh' nat_boxes.py --quick </dev/null")
        #expect(result.status == 0, "\(result.output)")
    }
}
