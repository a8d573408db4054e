import COpenSSL
import Kernel

/// Sessions that all workers find, in memory that they share: the `shared:NAME:SIZE` of `ssl_session_cache`.
///
/// There is no lock, so none that a worker could take to its grave. A session carries a digest of itself:
/// whoever reads takes a copy first and believes it only if the digest is right. What two have written at
/// once, or one only in part, is thus no session, and is written over in time.
///
/// The memory is a row of buckets; the session's id, which is random, says which is its own. A bucket is a
/// row of cells, and a session takes as many neighbours as it needs. A full bucket gives up what expires
/// first.
struct SharedSessionTable: Sendable {
    let memory: SharedMemory

    static let cellByteCount = 256
    static let cellsInBucket = 16
    private static let bucketByteCount = cellByteCount * cellsInBucket
    /// A cell begins with the second, since 1970, at which what is in it expires.
    private static let expiryByteCount = 4
    private static let payloadByteCount = cellByteCount - expiryByteCount

    init(byteCount: Int) throws(KernelError) { memory = try SharedMemory(byteCount: byteCount) }

    var byteCount: Int { memory.byteCount }

    /// Keeps a session, unless it is too large: the certificates of clients have no bound.
    func store(_ session: [UInt8], id: [UInt8], expiry: UInt32, now: UInt32) {
        guard let record = Record(id: id, session: session) else { return }
        let count = (record.bytes.count + Self.payloadByteCount - 1) / Self.payloadByteCount
        guard count <= Self.cellsInBucket else { return }
        withBucket(of: id) { bucket in
            let start = Self.place(for: count, in: bucket, now: now)
            for index in 0..<count {
                let cell = Self.cell(start + index, of: bucket)
                let part = record.bytes[(index * Self.payloadByteCount)...].prefix(Self.payloadByteCount)
                UnsafeMutableRawBufferPointer(rebasing: cell[Self.expiryByteCount...]).copyBytes(from: part)
                cell.storeBytes(of: expiry, as: UInt32.self)
            }
        }
    }

    /// The session of that id, where it is there and whole.
    func session(_ id: [UInt8]) -> [UInt8]? {
        withBucket(of: id) { bucket in Self.find(id, in: bucket)?.record.session }
    }

    /// Forgets a session.
    func remove(_ id: [UInt8]) {
        withBucket(of: id) { bucket in
            guard let found = Self.find(id, in: bucket) else { return }
            for index in found.cells { Self.cell(index, of: bucket).initializeMemory(as: UInt8.self, repeating: 0) }
        }
    }

    // MARK: Buckets and cells

    private func withBucket<Result>(of id: [UInt8], _ body: (UnsafeMutableRawBufferPointer) -> Result) -> Result {
        var hash: UInt64 = 0
        for byte in id.prefix(8) { hash = hash << 8 | UInt64(byte) }
        let start = Int(hash % UInt64(max(1, byteCount / Self.bucketByteCount))) * Self.bucketByteCount
        return memory.withBytes { span in
            span.withUnsafeMutableBytes { body(UnsafeMutableRawBufferPointer(rebasing: $0[start..<start + Self.bucketByteCount])) }
        }
    }

    private static func cell(_ index: Int, of bucket: UnsafeMutableRawBufferPointer) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: bucket[(index * cellByteCount)..<((index + 1) * cellByteCount)])
    }

    /// Where neighbours are free or, if there is no such place, where the last of them expires first.
    private static func place(for count: Int, in bucket: UnsafeMutableRawBufferPointer, now: UInt32) -> Int {
        let expiries = (0..<cellsInBucket).map { cell($0, of: bucket).load(as: UInt32.self) }
        let costs = (0...(cellsInBucket - count)).map { start in
            expiries[start..<start + count].map { $0 <= now ? 0 : $0 }.max() ?? 0
        }
        return costs.indices.min { costs[$0] < costs[$1] } ?? 0
    }

    private static func find(_ id: [UInt8], in bucket: UnsafeMutableRawBufferPointer) -> (record: Record, cells: Range<Int>)? {
        for start in 0..<cellsInBucket {
            let first = cell(start, of: bucket)[expiryByteCount...]
            guard let byteCount = Record.byteCount(of: first, ifOf: id) else { continue }
            let end = start + (byteCount + payloadByteCount - 1) / payloadByteCount
            guard end <= cellsInBucket else { continue }
            let bytes = (start..<end).flatMap { Array(cell($0, of: bucket)[expiryByteCount...]) }
            if let record = Record(bytes: Array(bytes.prefix(byteCount)), id: id) { return (record, start..<end) }
        }
        return nil
    }
}

/// A session as it lies in the cells: digest, id, length, and the session itself.
private struct Record {
    let bytes: [UInt8]

    private static let digestByteCount = 16
    private static let idByteCount = Int(SSL_MAX_SSL_SESSION_ID_LENGTH)
    private static let headByteCount = digestByteCount + idByteCount + 2

    init?(id: [UInt8], session: [UInt8]) {
        guard id.count == Self.idByteCount, let length = UInt16(exactly: session.count) else { return nil }
        let content = id + [UInt8(length >> 8), UInt8(length & 0xff)] + session
        bytes = Self.digest(content[...]) + content
    }

    /// Takes what was found for a session, if it is one.
    init?(bytes: [UInt8], id: [UInt8]) {
        guard bytes.count >= Self.headByteCount, Self.hasID(id, bytes[...]),
            Self.digest(bytes[Self.digestByteCount...]).elementsEqual(bytes.prefix(Self.digestByteCount))
        else { return nil }
        self.bytes = bytes
    }

    var session: [UInt8] { Array(bytes[Self.headByteCount...]) }

    /// How many bytes the record has that begins with these; nil where it is not of that id.
    static func byteCount(of start: Slice<UnsafeMutableRawBufferPointer>, ifOf id: [UInt8]) -> Int? {
        guard id.count == idByteCount, hasID(id, start) else { return nil }
        let length = start.dropFirst(headByteCount - 2).prefix(2)
        return headByteCount + length.reduce(0) { $0 << 8 | Int($1) }
    }

    private static func hasID(_ id: [UInt8], _ bytes: some Collection<UInt8>) -> Bool {
        bytes.dropFirst(digestByteCount).prefix(idByteCount).elementsEqual(id)
    }

    private static func digest(_ bytes: ArraySlice<UInt8>) -> [UInt8] { Array(sha256(Array(bytes)).prefix(digestByteCount)) }
}

func sha256(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: Int(SHA256_DIGEST_LENGTH))
    SHA256(bytes, bytes.count, &digest)
    return digest
}
