extension RawSpan {
    /// Loads a network-order integer at `offset`; traps when it does not fit, so check the length first.
    @inlinable @inline(always)
    public func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Integer.Type
    ) -> Integer {
        // SAFETY: the load is bounds-checked by the library; every bit pattern is a valid integer.
        unsafe Integer(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }
}

extension MutableRawSpan {
    /// Loads a network-order integer at `offset`; traps when it does not fit, so check the length first.
    @inlinable @inline(always)
    public func bigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(
        at offset: Int, as type: Integer.Type
    ) -> Integer {
        // SAFETY: the load is bounds-checked by the library; every bit pattern is a valid integer.
        unsafe Integer(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    /// Stores a network-order integer at `offset`; traps when it does not fit, so check the length first.
    @inlinable @inline(always)
    @_lifetime(self: copy self)
    public mutating func storeBigEndian<Integer: FixedWidthInteger & BitwiseCopyable>(_ value: Integer, at offset: Int)
    {
        storeBytes(of: value.bigEndian, toByteOffset: offset, as: Integer.self)
    }

    /// Copies `bytes` to `offset`; traps when they do not fit.
    @inlinable
    @_lifetime(self: copy self)
    public mutating func store(_ bytes: RawSpan, at offset: Int) {
        precondition(offset >= 0 && bytes.byteCount <= byteCount - offset)
        // SAFETY: the target has room (precondition above); both pointers are used only inside the closures.
        unsafe withUnsafeMutableBytes { target in
            unsafe bytes.withUnsafeBytes { source in
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: source)
            }
        }
    }
}

extension Span<UInt8> {
    /// The same memory as raw bytes.
    @inlinable
    public var rawBytes: RawSpan {
        // SAFETY: `UInt8` has no padding, the only reason why `Span.bytes` is marked unsafe.
        @_lifetime(copy self) get { unsafe bytes }
    }
}

extension MutableSpan<UInt8> {
    /// The same memory as raw bytes.
    @inlinable
    public var mutableRawBytes: MutableRawSpan {
        // SAFETY: `UInt8` has no padding, the only reason why `MutableSpan.mutableBytes` is marked unsafe.
        @_lifetime(&self) mutating get { unsafe mutableBytes }
    }
}
