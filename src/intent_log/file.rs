//! The file: where it stands, what the journal has beyond that, and a rebuild beside it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ordergate_actors::order::ClientId;
use ordergate_actors::ports::JournalRow;

use super::IntentLogError;
use super::line::{Lines, Mark};
use crate::store::ReadStore;

/// How much of the end is read first: it nearly always holds the last line of every account.
const TAIL: u64 = 256 * 1024;

type Chain = Option<ClientId>;

/// The open log.
pub(super) struct LogFile {
    out: BufWriter<File>,
    directory: PathBuf,
    journal: Option<ReadStore>,
    lines: Lines,
    /// The last row of each chain that needs no writing any more.
    marks: BTreeMap<Chain, u64>,
}

impl LogFile {
    /// Opens the log, cuts off a torn last line, and writes what the journal has beyond it.
    pub(super) fn open(path: &Path, directory: &Path) -> Result<Self, IntentLogError> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        cut_torn_line(&mut file)?;
        let mut log = Self {
            out: BufWriter::new(file),
            directory: directory.to_path_buf(),
            journal: None,
            lines: Lines::default(),
            marks: BTreeMap::new(),
        };
        let heads = log.journal()?.heads()?;
        // The chain without an account is about no order.
        let chains: Vec<(Chain, u64)> =
            heads.into_iter().filter(|row| row.client_id.is_some()).map(|row| (row.client_id, row.seq)).collect();
        log.marks = marks(path, &chains)?;
        if log.marks.iter().any(|(chain, mark)| *mark > head_of(&chains, chain)) {
            drop(log);
            let aside = aside(path);
            std::fs::rename(path, &aside)?;
            tracing::warn!(
                event = "intent_log_of_another_journal",
                "{} has rows that the journal lacks (a restored copy?): it stands aside as {}, and a new one is written",
                path.display(),
                aside.display()
            );
            return Self::open(path, directory);
        }
        for (chain, head) in &chains {
            log.catch_up(chain, *head)?;
        }
        log.out.flush()?;
        Ok(log)
    }

    fn journal(&mut self) -> Result<&ReadStore, IntentLogError> {
        if self.journal.is_none() {
            self.journal = Some(ReadStore::open(&self.directory)?);
        }
        self.journal.as_ref().ok_or(IntentLogError::NoJournal)
    }

    /// Writes the chain's rows up to this one that are not in the file yet.
    fn catch_up(&mut self, chain: &Chain, up_to: u64) -> Result<(), IntentLogError> {
        let after = self.marks.get(chain).copied().unwrap_or(0);
        if after >= up_to {
            return Ok(());
        }
        let journal = match self.journal.take() {
            Some(journal) => journal,
            None => ReadStore::open(&self.directory)?,
        };
        for row in journal.journal(chain.as_ref(), after, up_to) {
            write_row(&mut self.lines, &mut self.out, &row?, &journal)?;
        }
        self.journal = Some(journal);
        self.marks.insert(chain.clone(), up_to);
        Ok(())
    }

    /// Writes a committed row. One that is there already is passed over; ones that were missed are read first.
    pub(super) fn append(&mut self, row: &JournalRow) -> Result<(), IntentLogError> {
        let last = self.marks.get(&row.client_id).copied().unwrap_or(0);
        if row.seq <= last || row.client_id.is_none() {
            return Ok(());
        }
        self.catch_up(&row.client_id, row.seq - 1)?;
        self.journal()?;
        let Some(journal) = &self.journal else { return Err(IntentLogError::NoJournal) };
        write_row(&mut self.lines, &mut self.out, row, journal)?;
        self.marks.insert(row.client_id.clone(), row.seq);
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn write_row(lines: &mut Lines, out: &mut impl Write, row: &JournalRow, journal: &ReadStore) -> io::Result<()> {
    let mut earlier = |client: &ClientId, command| journal.order_journal(client, command).unwrap_or_default();
    match lines.line(row, &mut earlier) {
        Some(line) => writeln!(out, "{line}"),
        None => Ok(()),
    }
}

fn head_of(chains: &[(Chain, u64)], chain: &Chain) -> u64 {
    chains.iter().find(|(other, _)| other == chain).map_or(0, |(_, head)| *head)
}

/// The first chain of which the end of the log has a row that the journal lacks, in words. An account that the journal does not know is
/// of another directory, or of the one before this: nothing was lost sight of.
pub(super) fn ahead(path: &Path, heads: &[JournalRow]) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(cause),
    };
    let length = file.seek(SeekFrom::End(0))?;
    let marks = read_marks(&mut file, length.saturating_sub(TAIL))?;
    Ok(heads.iter().find_map(|head| {
        let (chain, mark) = (head.client_id.as_ref()?, *marks.get(&head.client_id)?);
        (mark > head.seq).then(|| format!("the intent log has row {mark} of {chain}, whose journal ends at row {}", head.seq))
    }))
}

/// A name beside it that nothing has.
fn aside(path: &Path) -> PathBuf {
    let named = |number: u32| path.with_added_extension(number.to_string());
    (1..u32::MAX).map(named).find(|other| !other.exists()).unwrap_or_else(|| named(u32::MAX))
}

/// A crash may have left half a line.
fn cut_torn_line(file: &mut File) -> io::Result<()> {
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = length;
    let mut chunk = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(chunk.len() as u64);
        let size = usize::try_from(end - start).unwrap_or(chunk.len());
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut chunk[..size])?;
        if let Some(at) = chunk[..size].iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}

/// Where the file stands, per chain. The end of the file is read; the whole of it only when a chain is not there.
fn marks(path: &Path, chains: &[(Chain, u64)]) -> io::Result<BTreeMap<Chain, u64>> {
    let mut file = File::open(path)?;
    let length = file.seek(SeekFrom::End(0))?;
    let start = length.saturating_sub(TAIL);
    let found = read_marks(&mut file, start)?;
    if start == 0 || chains.iter().all(|(chain, ..)| found.contains_key(chain)) { Ok(found) } else { read_marks(&mut file, 0) }
}

fn read_marks(file: &mut File, start: u64) -> io::Result<BTreeMap<Chain, u64>> {
    file.seek(SeekFrom::Start(start))?;
    let mut marks: BTreeMap<Chain, u64> = BTreeMap::new();
    // The first line may be cut in the middle; it then reads as no line.
    for line in BufReader::new(file).split(b'\n') {
        if let Ok(Mark { client_id, seq }) = serde_json::from_slice(&line?) {
            let mark = marks.entry(client_id).or_default();
            *mark = (*mark).max(seq);
        }
    }
    Ok(marks)
}

/// Writes the whole log anew from the journal, beside the old one, and puts it in its place. Lines of several accounts
/// come in the order of their times. Answers how many there are.
pub(super) fn rebuild(path: &Path, directory: &Path) -> Result<u64, IntentLogError> {
    let journal = ReadStore::open(directory)?;
    let heads = journal.heads()?;
    let mut chains: Vec<_> = heads.iter().map(|head| journal.journal(head.client_id.as_ref(), 0, head.seq).peekable()).collect();
    let beside = path.with_added_extension("partial");
    let mut out = BufWriter::new(File::create(&beside)?);
    let (mut lines, mut count) = (Lines::default(), 0);
    loop {
        // The earliest of the chains' next rows; a row that cannot be read comes first, and ends the rebuild.
        let mut next: Option<(usize, Option<DateTime<Utc>>)> = None;
        for (index, rows) in chains.iter_mut().enumerate() {
            let Some(row) = rows.peek() else { continue };
            let at = row.as_ref().ok().map(|row| row.at);
            if next.is_none_or(|(_, earliest)| at < earliest) {
                next = Some((index, at));
            }
        }
        let Some(row) = next.and_then(|(index, _)| chains[index].next()) else { break };
        let row = row?;
        let mut earlier = |client: &ClientId, command| journal.order_journal(client, command).unwrap_or_default();
        if let Some(line) = lines.line(&row, &mut earlier) {
            writeln!(out, "{line}")?;
            count += 1;
        }
    }
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(count)
}
