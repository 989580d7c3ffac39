//! The prompts of one language, by name, ready to play.
//!
//! Loading happens once, before the first call is taken, and is the one place of the core that touches files:
//! it reads whole recordings, keeps none open, and reports every fault at once, so that an operator mends a
//! folder in one go.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rust_embed::RustEmbed;

use super::recording::{self, RecordingFault};
use super::resample::Resampler;
use super::{Prompt, SAMPLE_RATE, WIDE_RATE, loudness};

/// The largest file that is read: ten minutes of 48 kHz stereo with 24 bits fit.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What recordings' names may end in. What is inside is seen from the file itself.
const ENDINGS: [&str; 4] = ["wav", "flac", "ogg", "mp3"];

/// The recordings that come with the program. A build without them says so when it starts, file by file.
#[derive(RustEmbed)]
#[folder = "prompts/"]
#[allow_missing = true]
struct Shipped;

/// Where recordings come from; both are laid out as `<language>/<id>.wav`, or `.flac`, `.ogg` or `.mp3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder on disk.
    Folder(PathBuf),
    /// The recordings inside the binary.
    Embedded,
}

/// Whether recordings are encoded for wideband codecs as well, which is most of the work. In those for which they are
/// not, because nobody will ask for them, they are silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wideband {
    /// For G.722.
    Encoded,
    /// For G.722 and for Opus.
    WithOpus,
    /// For neither.
    Unused,
}

/// Why a prompt cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum PromptFault {
    /// A name that could leave the folder or that no file can have.
    #[error("prompt name {0:?}: only letters, digits, '-' and '_' can be used")]
    Name(String),
    /// There is no such file.
    #[error("{}: no such recording", path.display())]
    Missing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// It is there and its bytes cannot be had.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// It was read, and what is in it cannot be played.
    #[error("{}: {fault}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        fault: RecordingFault,
    },
}

/// Prompts by name.
#[derive(Debug, Clone, Default)]
pub struct Library {
    prompts: HashMap<String, Arc<Prompt>>,
}

impl Library {
    /// Loads the recordings named by `ids`, each once however often it is named.
    ///
    /// # Errors
    /// All faults of all recordings, in the order of their names.
    pub fn load<'a>(
        source: &Source,
        language: &str,
        ids: impl IntoIterator<Item = &'a str>,
        wideband: Wideband,
    ) -> Result<Self, Vec<PromptFault>> {
        if !is_plain_name(language) {
            return Err(vec![PromptFault::Name(language.to_owned())]);
        }
        let ids: Vec<&str> = ids.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut prompts = HashMap::new();
        let mut faults = Vec::new();
        for (id, loaded) in ids.iter().zip(side_by_side(source, language, &ids, wideband)) {
            match loaded {
                Ok(prompt) => drop(prompts.insert((*id).to_owned(), Arc::new(prompt))),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self { prompts }) } else { Err(faults) }
    }

    /// The prompt of this name, if it was among those loaded.
    pub fn prompt(&self, id: &str) -> Option<Arc<Prompt>> {
        self.prompts.get(id).cloned()
    }

    /// How many prompts were loaded.
    pub fn len(&self) -> usize {
        self.prompts.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.prompts.is_empty()
    }
}

/// Loads recordings on all processors, each by whoever is free; in the order of their names all the same.
fn side_by_side(
    source: &Source,
    language: &str,
    ids: &[&str],
    wideband: Wideband,
) -> Vec<Result<Prompt, PromptFault>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut resampler = Resampler::default();
        let mine = std::iter::from_fn(|| {
            let place = next.fetch_add(1, Ordering::Relaxed);
            ids.get(place).map(|id| (place, source.prompt(language, id, wideband, &mut resampler)))
        });
        mine.collect::<Vec<_>>()
    };
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(ids.len());
    let mut loaded = std::thread::scope(|scope| {
        let others: Vec<_> = (1..workers).map(|_| scope.spawn(work)).collect();
        let mut loaded = work();
        for other in others {
            loaded.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        loaded
    });
    loaded.sort_by_key(|(place, _)| *place);
    loaded.into_iter().map(|(_, loaded)| loaded).collect()
}

impl Source {
    fn prompt(
        &self,
        language: &str,
        id: &str,
        wideband: Wideband,
        resampler: &mut Resampler,
    ) -> Result<Prompt, PromptFault> {
        if !is_plain_name(id) {
            return Err(PromptFault::Name(id.to_owned()));
        }
        let (relative, found) = self.find(&format!("{language}/{id}"));
        let path = self.path(&relative);
        let bytes = match found {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(PromptFault::Missing { path });
            }
            Err(error) => return Err(PromptFault::Unreadable { path, error }),
        };
        let read = recording::read(&bytes);
        let mut recording = read.map_err(|fault| PromptFault::Unusable { path, fault })?;
        loudness::level(&mut recording);
        let narrow = resampler.convert(&recording, SAMPLE_RATE);
        let wide = (wideband != Wideband::Unused).then(|| resampler.convert(&recording, WIDE_RATE));
        let prompt = Prompt::new(&narrow, wide.as_deref());
        Ok(match wide.filter(|_| wideband == Wideband::WithOpus) {
            Some(wide) => prompt.with_opus(&wide),
            None => prompt,
        })
    }

    /// The recording of this name: the first there is by its ending. Where there is none, that is told of the first.
    fn find(&self, name: &str) -> (String, io::Result<Cow<'static, [u8]>>) {
        let is_missing =
            |found: &io::Result<_>| matches!(found, Err(error) if error.kind() == io::ErrorKind::NotFound);
        let candidates = ENDINGS.iter().map(|ending| format!("{name}.{ending}"));
        let mut found = candidates.map(|relative| (self.bytes(&relative), relative));
        let first = found.next().expect("there are endings");
        let found = if is_missing(&first.0) { found.find(|(bytes, _)| !is_missing(bytes)) } else { None };
        let (bytes, relative) = found.unwrap_or(first);
        (relative, bytes)
    }

    /// The path to name in a fault.
    fn path(&self, relative: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(relative),
            Self::Embedded => Path::new("(built in)/prompts").join(relative),
        }
    }

    fn bytes(&self, relative: &str) -> io::Result<Cow<'static, [u8]>> {
        match self {
            Self::Folder(folder) => {
                let mut bytes = Vec::new();
                File::open(folder.join(relative))?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
                if bytes.len() as u64 > FILE_BYTES_MAX {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                Ok(bytes.into())
            }
            Self::Embedded => Ok(Shipped::get(relative).ok_or(io::ErrorKind::NotFound)?.data),
        }
    }
}

/// Whether a name is one path component and nothing cleverer.
fn is_plain_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::wav;

    /// A folder of recordings that is gone when the test is over.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("portero-{name}-{}", std::process::id()));
            std::fs::create_dir_all(path.join("en")).expect("the temporary folder is writable");
            Self(path)
        }

        fn write(&self, id: &str, bytes: &[u8]) {
            std::fs::write(self.0.join(format!("en/{id}.wav")), bytes).expect("the folder is writable");
        }

        fn source(&self) -> Source {
            Source::Folder(self.0.clone())
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn prompts_are_loaded_once_and_found_by_name() {
        let folder = Folder::new("found");
        folder.write("welcome", &wav::tests::pcm(16_000, 1, &[100; 1600]));
        let library = Library::load(&folder.source(), "en", ["welcome", "welcome"], Wideband::Encoded)
            .expect("the file is good");
        assert_eq!(library.len(), 1);
        assert_eq!(library.prompt("welcome").expect("it was loaded").len(), 800);
        assert!(library.prompt("goodbye").is_none());
    }

    #[test]
    fn all_faults_are_told_at_once_with_their_paths() {
        let folder = Folder::new("faults");
        folder.write("strange", b"OggS and so on, which is no WAV file at all");
        folder.write("silent", &wav::tests::pcm(8000, 1, &[]));
        folder.write("good", &wav::tests::pcm(8000, 1, &[0; 160]));
        std::fs::create_dir_all(folder.0.join("en/folder.wav")).expect("the folder is writable");
        let ids = ["missing", "strange", "silent", "good", "folder", "../good", ""];
        let faults = Library::load(&folder.source(), "en", ids, Wideband::Encoded)
            .expect_err("six of seven are faulty");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        let expected = [
            (r#"prompt name """#, "can be used"),
            (r#"prompt name "../good""#, "can be used"),
            ("en/folder.wav", "irectory"),
            ("en/missing.wav", "no such recording"),
            ("en/silent.wav", "no sound"),
            ("en/strange.wav", "damaged"),
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (line, (place, reason)) in told.iter().zip(expected) {
            assert!(line.contains(place) && line.contains(reason), "{line}");
        }
    }

    #[test]
    fn recordings_of_other_kinds_are_found_by_the_same_names() {
        let folder = Folder::new("kinds");
        let chord: [(&str, &[u8]); 4] = [
            ("one.flac", include_bytes!("testdata/chord.flac")),
            ("two.ogg", include_bytes!("testdata/chord.ogg")),
            ("three.mp3", include_bytes!("testdata/chord.mp3")),
            ("four.wav", include_bytes!("testdata/chord.ogg")),
        ];
        for (name, bytes) in chord {
            std::fs::write(folder.0.join("en").join(name), bytes).expect("the folder is writable");
        }
        let library =
            Library::load(&folder.source(), "en", ["one", "two", "three", "four"], Wideband::Encoded)
                .expect("all are good");
        for id in ["one", "two", "three", "four"] {
            let length = library.prompt(id).expect("it was loaded").len();
            assert!((4000..4900).contains(&length), "{id}: {length}");
        }
    }

    #[test]
    fn a_missing_shipped_recording_is_a_fault_too() {
        let faults = Library::load(&Source::Embedded, "en", ["no-such-prompt"], Wideband::Unused)
            .expect_err("it does not exist");
        assert!(
            matches!(&faults[..], [PromptFault::Missing { path }] if path.ends_with("en/no-such-prompt.wav"))
        );
        assert!(Library::load(&Source::Embedded, "../en", [], Wideband::Unused).is_err());
    }
}
