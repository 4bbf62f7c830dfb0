//! The archive that a master comes in: one text file. Whoever serves it is not trusted with the memory of this process.

use std::io::{Cursor, Read, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// An archive that is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BadArchive {
    /// It does not read, or what it holds is not what its checksum says.
    #[error("the archive does not read: {0}")]
    Unreadable(String),
    /// It does not hold one text file.
    #[error("the archive holds {found} and not one .txt file")]
    NotOneText {
        /// What it holds.
        found: String,
    },
    /// It unpacks to more than a master can be.
    #[error("the archive unpacks to more than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: u64,
    },
}

/// The text file in it, of at most `limit` bytes, whatever the archive says of its size.
///
/// # Errors
/// [`BadArchive`] when it does not read, holds anything but one text file, or unpacks to more.
pub fn unpack(bytes: &[u8], limit: u64) -> Result<Vec<u8>, BadArchive> {
    let unreadable = |error: &dyn std::fmt::Display| BadArchive::Unreadable(error.to_string());
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| unreadable(&error))?;
    let names: Vec<String> = archive.file_names().flatten().map(|name| name.chars().take(60).collect()).take(5).collect();
    let is_one_text = matches!(names.as_slice(), [name] if name.to_ascii_lowercase().ends_with(".txt"));
    if archive.len() != 1 || !is_one_text {
        return Err(BadArchive::NotOneText { found: format!("{} entries ({})", archive.len(), names.join(", ")) });
    }
    let file = archive.by_index(0).map_err(|error| unreadable(&error))?;
    let mut text = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut text).map_err(|error| unreadable(&error))?;
    if text.len() as u64 > limit { Err(BadArchive::TooLarge { limit }) } else { Ok(text) }
}

/// An archive with this one text file, as the broker serves it.
///
/// # Errors
/// [`BadArchive::Unreadable`] when the name cannot be one of a file in an archive.
pub fn pack(name: &str, text: &[u8]) -> Result<Vec<u8>, BadArchive> {
    let unreadable = |error: &dyn std::fmt::Display| BadArchive::Unreadable(error.to_string());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    archive.start_file(name, options).map_err(|error| unreadable(&error))?;
    archive.write_all(text).map_err(|error| unreadable(&error))?;
    Ok(archive.finish().map_err(|error| unreadable(&error))?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked() {
        let packed = pack("NFO_symbols.txt", b"Exchange,Token,\n").unwrap();
        assert_eq!(unpack(&packed, 1_000).unwrap(), b"Exchange,Token,\n");
        assert_eq!(unpack(&packed, 16).unwrap().len(), 16);
    }

    #[test]
    fn a_bomb_stops_at_the_bound() {
        let bomb = pack("NFO_symbols.txt", &vec![b'0'; 5_000_000]).unwrap();
        assert!(bomb.len() < 50_000, "{}", bomb.len());
        assert!(matches!(unpack(&bomb, 1_000_000), Err(BadArchive::TooLarge { limit: 1_000_000 })));
    }

    #[test]
    fn anything_but_one_whole_text_file_is_refused() {
        assert!(matches!(unpack(b"<html>502 Bad Gateway</html>", 100), Err(BadArchive::Unreadable(_))));
        assert!(matches!(unpack(&pack("run.exe", b"x").unwrap(), 100), Err(BadArchive::NotOneText { .. })));
        let mut two = ZipWriter::new(Cursor::new(Vec::new()));
        for name in ["a.txt", "b.txt"] {
            two.start_file(name, SimpleFileOptions::default()).unwrap();
        }
        assert!(matches!(unpack(&two.finish().unwrap().into_inner(), 100), Err(BadArchive::NotOneText { .. })));
        let whole = pack("NFO_symbols.txt", &b"Exchange,Token,\n".repeat(50)).unwrap();
        assert!(unpack(&whole[..whole.len() / 2], 10_000).is_err(), "cut off");
        let mut changed = whole.clone();
        changed[60] ^= 0xff;
        assert!(unpack(&changed, 10_000).is_err(), "a changed byte");
    }
}
