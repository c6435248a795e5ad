//! Network file systems, on which a SQLite store must not lie.

use std::path::Path;

use super::StoreError;
use super::sqlite::folder_of;

/// Locks and shared memory do not hold across machines, and a store that two machines write is lost.
pub(super) fn refuse_network(path: &Path) -> Result<(), StoreError> {
    let parent = folder_of(path);
    let kind =
        rustix::fs::statfs(parent).ok().and_then(|found| network_file_system(i128::from(found.f_type)));
    match kind {
        None => Ok(()),
        Some(kind) => Err(StoreError::Unusable(format!(
            "{} is on a network file system ({kind}), where file locks do not hold; name a local path in \
             store.sqlite.path, or use [store.postgres] to share a store between machines",
            path.display()
        ))),
    }
}

/// The name of a network file system by its magic number.
fn network_file_system(f_type: i128) -> Option<&'static str> {
    // The field is signed on some machines.
    Some(match f_type & 0xFFFF_FFFF {
        0x6969 => "NFS",
        0x517B | 0xFE53_4D42 => "SMB",
        0xFF53_4D42 => "CIFS",
        0x00C3_6400 => "Ceph",
        0x5346_414F => "AFS",
        0x7375_7245 => "Coda",
        0x564C => "NCP",
        0x0102_1997 => "9P",
        0x0BD0_0BD0 => "Lustre",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_of_either_sign() {
        assert_eq!(network_file_system(0x6969), Some("NFS"));
        assert_eq!(network_file_system(i128::from(0xFF53_4D42_u32.cast_signed())), Some("CIFS"));
        assert_eq!(network_file_system(0xEF53), None);
    }
}
