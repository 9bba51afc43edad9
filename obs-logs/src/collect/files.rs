//! The files of one log, the oldest first: those that were rotated away, and the one that is written to.
//!
//! A position names its file by device, inode and a hash of the file's beginning. A file that was renamed has all three; one that was
//! compressed or copied has the hash, which is that of what it holds.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::assemble::Assembler;
use super::cri::CriLine;

/// So much of a file's beginning is hashed, if it has no line feed before.
const MARK: usize = 256;
/// So often the files of a log are looked at, if they change meanwhile.
const LOOKS: usize = 16;

/// How far a log is read: which of its files, up to which byte, and what was begun there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    pub(crate) file: Option<Identity>,
    /// In bytes of the text, also of a compressed file.
    pub(crate) offset: u64,
    /// The greatest time of a line that was read, in nanoseconds since 1970.
    pub(crate) latest: i64,
    #[serde(default)]
    pub(crate) begun: Assembler,
}

/// Which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    pub(crate) mark: Mark,
}

/// A file's beginning: as many bytes as its first line has, but at most 256, and their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    bytes: usize,
    hash: u64,
}

impl Mark {
    /// `None` if the beginning is not all there yet.
    fn of(beginning: &[u8]) -> Option<Self> {
        let bytes = memchr::memchr(b'\n', beginning).map_or(beginning.len(), |end| end + 1);
        if bytes == 0 || (bytes < MARK && beginning[bytes - 1] != b'\n') {
            return None;
        }
        let hash = Sha256::digest(&beginning[..bytes]);
        Some(Mark { bytes, hash: hash.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte)) })
    }
}

/// One file of a log.
#[derive(Debug)]
pub(super) struct Generation {
    path: PathBuf,
    compressed: bool,
    identity: Identity,
    /// The time of its first line.
    first: Option<i64>,
    size: u64,
}

/// The files were renamed while they were looked at; another look may see how they are.
fn changing() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the files of the log are being rotated")
}

/// The files of the log that is written to `active`, the oldest first. One that has no whole first line is not among them.
fn generations(active: &Path) -> io::Result<Vec<Generation>> {
    'again: for _ in 0..LOOKS {
        let before = inode(active);
        let mut files = rotated(active);
        files.push(active.to_owned());
        let mut found = Vec::with_capacity(files.len());
        for path in files {
            match Generation::look(&path) {
                Ok(generation) => found.extend(generation),
                // Compressed, renamed or removed since it was listed. Only the file that is written to may be missing.
                Err(err) if err.kind() == io::ErrorKind::NotFound && path != active => continue 'again,
                // Broken, or not ours to read.
                Err(_) => {}
            }
        }
        if inode(active) == before {
            return Ok(found);
        }
    }
    Err(changing())
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The names of the files that were rotated away: `<active>.<when>` and `<active>.<number>`, maybe with `.gz`.
fn rotated(active: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (active.parent(), active.file_name().and_then(|name| name.to_str())) else {
        return Vec::new();
    };
    let mut found: Vec<(Age, bool)> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let file = entry.ok()?.file_name().into_string().ok()?;
            let suffix = file.strip_prefix(name)?.strip_prefix('.')?;
            let (suffix, compressed) = suffix.strip_suffix(".gz").map_or((suffix, false), |suffix| (suffix, true));
            Some((Age::of(suffix)?, compressed))
        })
        .collect();
    // While a file is compressed both are there: the one that is whole comes first, and the other is dropped.
    found.sort();
    found.dedup_by(|later, earlier| later.0 == earlier.0);
    found
        .into_iter()
        .map(|(age, compressed)| {
            let suffix = match age {
                Age::Numbered(Reverse(_), text) | Age::Dated(text) => text,
            };
            directory.join(format!("{name}.{suffix}{}", if compressed { ".gz" } else { "" }))
        })
        .collect()
}

/// The suffix of a file that was rotated away; the less, the older.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Age {
    /// As logrotate counts: the greater the older.
    Numbered(Reverse<u32>, String),
    /// As the kubelet does: by time.
    Dated(String),
}

impl Age {
    fn of(suffix: &str) -> Option<Self> {
        let digits = suffix.bytes().all(|byte| byte.is_ascii_digit());
        match suffix.len() {
            1..=4 if digits => Some(Age::Numbered(Reverse(suffix.parse().ok()?), suffix.to_owned())),
            // `20260115-103000`; not `tmp`, which is a compressed file that is not finished.
            5.. if suffix.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'T' | b':' | b'.')) => {
                Some(Age::Dated(suffix.to_owned()))
            }
            _ => None,
        }
    }
}

impl Generation {
    fn look(path: &Path) -> io::Result<Option<Self>> {
        let compressed = path.extension().is_some_and(|extension| extension == "gz");
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut beginning = [0; MARK];
        let n = match compressed {
            true => read_full(&mut MultiGzDecoder::new(BufReader::new(&file)), &mut beginning)?,
            false => read_full(&mut &file, &mut beginning)?,
        };
        let beginning = &beginning[..n];
        let Some(mark) = Mark::of(beginning) else { return Ok(None) };
        let first = beginning.split(|byte| *byte == b'\n').next().and_then(|line| CriLine::parse(line).ok());
        Ok(Some(Generation {
            path: path.to_owned(),
            compressed,
            identity: Identity { device: metadata.dev(), inode: metadata.ino(), mark },
            first: first.map(|line| line.timestamp),
            size: metadata.len(),
        }))
    }

    /// It is the file that a position was taken in, with all its text up to there.
    fn is(&self, file: &Identity, offset: u64) -> bool {
        self.identity == *file && (self.compressed || self.size >= offset)
    }

    /// It holds the text that a position was taken in, under another name and inode.
    fn holds(&self, file: &Identity, offset: u64) -> bool {
        self.identity.mark == file.mark && (self.compressed || self.size >= offset)
    }
}

fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n = 0;
    while n < buffer.len() {
        match from.read(&mut buffer[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(n)
}

/// What is to be read next, given how far the log is read.
#[derive(Debug)]
pub(super) enum Next {
    /// This file, from this byte on.
    File(Generation, u64),
    /// Nothing is there yet.
    Nothing,
    /// The rest of the file is lost: it was rotated away or truncated, and nothing holds it any more.
    Gone,
}

/// The file that a position is in, or if that is `finished` the one behind it.
pub(super) fn next(active: &Path, position: &Position, finished: bool) -> io::Result<Next> {
    let generations = generations(active)?;
    let Some(file) = &position.file else {
        // What began before all that was read was read.
        let is_new = |one: &Generation| one.first.is_none_or(|first| first >= position.latest);
        return Ok(later(generations.into_iter().filter(is_new)));
    };
    let is = |one: &Generation| one.is(file, position.offset);
    let holds = |one: &Generation| one.holds(file, position.offset);
    let here = generations.iter().position(is).or_else(|| generations.iter().position(holds));
    Ok(match here {
        Some(here) if finished => later(generations.into_iter().skip(here + 1)),
        Some(here) => match generations.into_iter().nth(here) {
            Some(generation) => Next::File(generation, position.offset),
            None => Next::Nothing,
        },
        None => Next::Gone,
    })
}

fn later(mut generations: impl Iterator<Item = Generation>) -> Next {
    generations.next().map_or(Next::Nothing, |generation| Next::File(generation, 0))
}

/// A file that is open for reading.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) identity: Identity,
    /// The next byte that `read` gives.
    pub(super) offset: u64,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Plain(File),
    Compressed(Box<MultiGzDecoder<BufReader<File>>>),
}

impl Source {
    pub(super) fn open(generation: &Generation, offset: u64) -> io::Result<Self> {
        let mut file = File::open(&generation.path)?;
        let metadata = file.metadata()?;
        if (metadata.dev(), metadata.ino()) != (generation.identity.device, generation.identity.inode) {
            return Err(changing());
        }
        let content = if generation.compressed {
            let mut text = MultiGzDecoder::new(BufReader::new(file));
            io::copy(&mut (&mut text).take(offset), &mut io::sink())?;
            Content::Compressed(Box::new(text))
        } else {
            file.seek(SeekFrom::Start(offset))?;
            Content::Plain(file)
        };
        Ok(Source { identity: generation.identity, offset, content })
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = match &mut self.content {
            Content::Plain(file) => read_full(file, buffer)?,
            Content::Compressed(text) => read_full(text, buffer)?,
        };
        self.offset += n as u64;
        Ok(n)
    }

    pub(super) fn is_compressed(&self) -> bool {
        matches!(self.content, Content::Compressed(_))
    }

    /// Bytes behind what was read; zero for a compressed file.
    pub(super) fn unread(&self) -> u64 {
        match &self.content {
            Content::Plain(file) => file.metadata().map_or(0, |metadata| metadata.len().saturating_sub(self.offset)),
            Content::Compressed(_) => 0,
        }
    }

    /// The file holds something else than when it was opened: it was truncated.
    pub(super) fn was_truncated(&self) -> bool {
        let Content::Plain(file) = &self.content else { return false };
        if file.metadata().is_ok_and(|metadata| metadata.len() < self.offset) {
            return true;
        }
        let mut beginning = [0; MARK];
        let n = file.read_at(&mut beginning, 0).unwrap_or(0);
        n > 0 && Mark::of(&beginning[..n]) != Some(self.identity.mark)
    }

    /// The path leads to another file now, so nobody writes to this one any more.
    pub(super) fn was_replaced(&self, active: &Path) -> bool {
        match &self.content {
            Content::Plain(_) => inode(active).is_some_and(|file| file != (self.identity.device, self.identity.inode)),
            Content::Compressed(_) => true,
        }
    }
}
