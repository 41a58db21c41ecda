import Glibc

/// Names and numbers of users and groups of the host.
enum UserAccounts {
    /// Number of a group, by name or as decimal digits; `nil` when there is none.
    static func groupID(_ name: String) -> gid_t? {
        // SAFETY: getgrnam(3) answers nil or an entry that stays valid until the next call; only a number is kept.
        if let entry = unsafe getgrnam(name) { return unsafe entry.pointee.gr_gid }
        return gid_t(name)
    }

    /// Name of a group, or its number.
    static func groupName(_ id: gid_t) -> String {
        // SAFETY: as above; the name is copied at once.
        guard let entry = unsafe getgrgid(id), let name = unsafe entry.pointee.gr_name else { return String(id) }
        return unsafe String(cString: name)
    }

    /// Name of a user, or the number.
    static func userName(_ id: uid_t) -> String {
        // SAFETY: getpwuid(3) answers nil or an entry that stays valid until the next call; the name is copied at once.
        guard let entry = unsafe getpwuid(id), let name = unsafe entry.pointee.pw_name else { return String(id) }
        return unsafe String(cString: name)
    }
}
