//! Recordings of calls as files: `recordings/<date>/<call>.wav` in the data folder.
//!
//! A recording is written as `<call>.part` and has its name when it is whole, so that whoever looks into the folder
//! finds no halves. What a crash or a full disk leaves is a `.part` whose header does not know its length; that is made
//! good at the next start. Nothing here decides what is in a recording.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use tracing::{info, warn};

use super::store::make_private;

/// Octets of a pair of samples.
const PAIR_LEN: u64 = 4;
/// Octets before the samples, as `hound` writes them for 16-bit stereo, and where in them the lengths stand.
const HEADER_LEN: u64 = 44;
const RIFF_LEN_AT: u64 = 4;
const DATA_LEN_AT: u64 = 40;

/// The folder of all recordings.
fn folder_of(data: &Path) -> PathBuf {
    data.join("recordings")
}

/// A recording on its way to be a file.
pub(super) struct Part {
    writer: hound::WavWriter<BufWriter<File>>,
    path: PathBuf,
}

impl Part {
    /// Makes the file of this name, such as `2026-11-24/0123456789abcdef.wav`.
    pub(super) fn create(data: &Path, name: &str, sample_rate: u32) -> hound::Result<Self> {
        let path = path_of(data, name).ok_or(io::ErrorKind::InvalidFilename).map_err(io::Error::from)?;
        let path = path.with_extension("part");
        make_private(path.parent().unwrap_or(data))?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Self::begin(file, path, sample_rate)
    }

    /// Begins in this file, which is to be at `path`.
    pub(super) fn begin(file: File, path: PathBuf, sample_rate: u32) -> hound::Result<Self> {
        let format = hound::WavSpec {
            channels: 2,
            sample_rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        Ok(Self { writer: hound::WavWriter::new(BufWriter::new(file), format)?, path })
    }

    /// Writes samples: the caller's and ours.
    pub(super) fn write(&mut self, block: &[[i16; 2]]) -> hound::Result<()> {
        let mut writer = self.writer.get_i16_writer(block.len() as u32 * 2);
        block.iter().flatten().for_each(|sample| writer.write_sample(*sample));
        writer.flush()
    }

    /// Makes it whole, or as much of it as there is where that fails.
    pub(super) fn finish(self) -> hound::Result<()> {
        if let Err(error) = self.writer.finalize() {
            mend(&self.path);
            return Err(error);
        }
        Ok(fs::rename(&self.path, self.path.with_extension("wav"))?)
    }

    /// Gives up, and keeps what there is.
    pub(super) fn abandon(self) {
        drop(self.writer);
        mend(&self.path);
    }
}

/// A recording that is whole, with its length in octets; `None` where there is none (any more).
pub(super) fn open(data: &Path, name: &str) -> io::Result<Option<(File, u64)>> {
    let Some(path) = path_of(data, name) else { return Ok(None) };
    match File::open(path) {
        Ok(file) => file.metadata().map(|metadata| Some((file, metadata.len()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The path of a recording, if its name leads nowhere else.
pub(super) fn path_of(data: &Path, name: &str) -> Option<PathBuf> {
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    (is_plain && !name.is_empty()).then(|| folder_of(data).join(name))
}

/// Makes whole what an earlier process has left.
pub(super) fn mend_all(data: &Path) {
    let parts =
        files(&folder_of(data)).filter(|path| path.extension().is_some_and(|ending| ending == "part"));
    parts.for_each(|part| mend(&part));
}

/// Makes a `.part` whole: its header learns its length. One without any samples is deleted.
fn mend(part: &Path) {
    let mended = match put_lengths(part) {
        Ok(true) => fs::rename(part, part.with_extension("wav")),
        Ok(false) => fs::remove_file(part),
        Err(error) => Err(error),
    };
    match mended {
        Ok(()) => info!(file = %part.display(), "a recording that broke off has been made whole"),
        Err(error) => warn!(file = %part.display(), %error, "a recording that broke off stays as it is"),
    }
}

/// Writes the lengths into the header; whether there are any samples.
fn put_lengths(part: &Path) -> io::Result<bool> {
    let mut file = OpenOptions::new().read(true).write(true).open(part)?;
    let pairs = file.metadata()?.len().saturating_sub(HEADER_LEN) / PAIR_LEN;
    let mut header = Vec::new();
    Read::by_ref(&mut file).take(HEADER_LEN).read_to_end(&mut header)?;
    if pairs == 0 || !header.starts_with(b"RIFF") || !header[..DATA_LEN_AT as usize].ends_with(b"data") {
        return Ok(false);
    }
    let samples = u32::try_from(pairs * PAIR_LEN).map_err(|_| io::ErrorKind::FileTooLarge)?;
    for (at, length) in [(RIFF_LEN_AT, samples + HEADER_LEN as u32 - 8), (DATA_LEN_AT, samples)] {
        file.seek(SeekFrom::Start(at))?;
        file.write_all(&length.to_le_bytes())?;
    }
    file.set_len(HEADER_LEN + u64::from(samples))?;
    Ok(true)
}

/// Deletes the recordings that ended longer than `age` ago. One that cannot be deleted keeps no other; the last error is
/// told.
pub(super) fn delete_older(data: &Path, age: Duration, now: Timestamp) -> io::Result<()> {
    // Longer ago than there is time: nothing is that old.
    let Ok(before) = now.checked_sub(age) else { return Ok(()) };
    let whole = files(&folder_of(data)).filter(|path| path.extension().is_some_and(|ending| ending == "wav"));
    let failures = whole.filter_map(|path| delete_if_before(&path, before).err());
    failures.last().map_or(Ok(()), Err)
}

fn delete_if_before(path: &Path, before: Timestamp) -> io::Result<()> {
    let ended = Timestamp::try_from(fs::metadata(path)?.modified()?).map_err(io::Error::other)?;
    if ended < before {
        fs::remove_file(path)?;
        // The day's last one takes its folder along; others keep it.
        let _ = path.parent().map(fs::remove_dir);
    }
    Ok(())
}

/// Everything in the folders of all days.
fn files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries(folder).collect::<Vec<_>>().into_iter().flat_map(move |day| entries(&day).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const NAME: &str = "2026-11-24/0123456789abcdef.wav";

    fn samples(file: &Path) -> Vec<i16> {
        hound::WavReader::open(file)
            .expect("a recording")
            .samples()
            .map(|sample| sample.expect("one"))
            .collect()
    }

    fn whole(data: &Path) -> PathBuf {
        data.join("recordings").join(NAME)
    }

    #[test]
    fn a_recording_has_its_name_when_it_is_whole() {
        let data = tempfile::tempdir().expect("a folder");
        let mut part = Part::create(data.path(), NAME, 8000).expect("a file");
        part.write(&[[1, 2], [3, 4]]).expect("room");
        part.write(&[[5, 6]]).expect("room");
        assert!(open(data.path(), NAME).expect("to be looked up").is_none());
        part.finish().expect("room");
        assert_eq!(samples(&whole(data.path())), [1, 2, 3, 4, 5, 6]);
        let (_, length) = open(data.path(), NAME).expect("to be looked up").expect("a recording");
        assert_eq!(length, 44 + 12);
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(whole(data.path())).expect("one").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn what_broke_off_is_made_whole() {
        let data = tempfile::tempdir().expect("a folder");
        let mut part = Part::create(data.path(), NAME, 8000).expect("a file");
        part.write(&[[1, 2], [3, 4], [5, 6]]).expect("room");
        // As a process that is killed leaves it: what was buffered is written or not, the header knows of nothing.
        let path = part.path.clone();
        drop(part);
        let mut bytes = fs::read(&path).expect("a file");
        bytes[4..8].fill(0);
        bytes[40..44].fill(0);
        bytes.truncate(44 + 10);
        fs::write(&path, bytes).expect("room");
        fs::write(path.with_file_name("empty.part"), "RIFF").expect("room");
        fs::write(path.with_file_name("other.part"), [7; 99]).expect("room");
        mend_all(data.path());
        assert_eq!(samples(&whole(data.path())), [1, 2, 3, 4]);
        let left: Vec<PathBuf> = files(&folder_of(data.path())).collect();
        assert_eq!(left, [whole(data.path())]);
    }

    #[test]
    fn no_name_leads_elsewhere() {
        let data = tempfile::tempdir().expect("a folder");
        fs::write(data.path().join("portero.db"), "a database").expect("room");
        for name in
            ["../portero.db", "2026-11-24/../../portero.db", "/etc/passwd", "", "./x/../../portero.db"]
        {
            assert!(open(data.path(), name).expect("to be looked up").is_none(), "{name}");
            assert!(Part::create(data.path(), name, 8000).is_err(), "{name}");
        }
    }

    #[test]
    fn old_recordings_go_and_their_days_with_them() {
        let data = tempfile::tempdir().expect("a folder");
        for name in [NAME, "2026-11-24/1.wav", "2026-11-25/2.wav"] {
            Part::create(data.path(), name, 8000).expect("a file").finish().expect("room");
        }
        let part = Part::create(data.path(), "2026-11-25/3.wav", 8000).expect("a file");
        let written =
            Timestamp::try_from(fs::metadata(whole(data.path())).expect("one").modified().expect("a time"));
        let later = written.expect("a time") + Duration::from_hours(1);
        let count = || files(&folder_of(data.path())).count();
        delete_older(data.path(), Duration::from_hours(2), later).expect("to be deleted");
        assert_eq!(count(), 4);
        let odd = data.path().join("recordings/2026-11-25/0.wav");
        fs::create_dir(&odd).expect("a folder, which is no recording");
        fs::write(odd.join("x"), "").expect("room");
        File::open(&odd).and_then(|odd| odd.set_modified(SystemTime::UNIX_EPOCH)).expect("an old one");
        assert!(delete_older(data.path(), Duration::from_mins(1), later).is_err());
        fs::remove_dir_all(&odd).expect("to be removed");
        assert_eq!(count(), 1, "one is being written");
        assert!(!data.path().join("recordings/2026-11-24").exists());
        part.finish().expect("its folder is there");
    }
}
