//! The prompts of all languages, by name, ready to play, and with them the languages' rules for values.
//!
//! Loading happens once, before the first call is taken, and is the one place of the core that touches files:
//! it reads whole recordings, keeps none open, and reports every fault at once, so that an operator mends a
//! folder in one go.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rust_embed::RustEmbed;

use super::recording::{self, Recording, RecordingFault};
use super::resample::Resampler;
use super::{Prompt, SAMPLE_RATE, WIDE_RATE, loudness};
use crate::say::{Language, PromptId, RuleFaults};

/// The largest file that is read: ten minutes of 48 kHz stereo with 24 bits fit.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// What recordings' names may end in. What is inside is seen from the file itself.
const ENDINGS: [&str; 4] = ["wav", "flac", "ogg", "mp3"];

/// The largest file of rules that is read.
const RULES_BYTES_MAX: usize = 256 << 10;

/// Where a language's rules stand, beside its recordings.
const RULES: &str = "rules.toml";

/// The recordings and rules that come with the program. A build without them says so when it starts, file by file.
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
    /// The rules of a language are not right.
    #[error("{}: {faults}", path.display())]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        #[source]
        faults: RuleFaults,
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

/// Which recordings are wanted, by language.
pub type Wanted = BTreeMap<Arc<str>, BTreeSet<PromptId>>;

/// Prompts by language and name.
#[derive(Debug, Clone, Default)]
pub struct Library {
    languages: HashMap<Arc<str>, Spoken>,
}

/// What there is of one language.
#[derive(Debug, Clone, Default)]
struct Spoken {
    rules: Option<Arc<Language>>,
    prompts: HashMap<PromptId, Arc<Prompt>>,
}

impl Library {
    /// Loads the recordings of one language named by `ids`, each once however often it is named.
    ///
    /// # Errors
    /// As [`Library::load_all`].
    pub fn load<'a>(
        source: &Source,
        language: &str,
        ids: impl IntoIterator<Item = &'a str>,
        wideband: Wideband,
    ) -> Result<Self, Vec<PromptFault>> {
        let ids = ids.into_iter().map(PromptId::new).collect();
        Self::load_all(source, &Wanted::from([(language.into(), ids)]), wideband, &|_, _| ())
    }

    /// Loads the recordings that are wanted, and the rules of their languages. `progress` is told how many recordings
    /// of how many are done, by several threads at a time.
    ///
    /// # Errors
    /// All faults of all languages: of their names and rules, then of recordings in the order of their names.
    pub fn load_all(
        source: &Source,
        wanted: &Wanted,
        wideband: Wideband,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Self, Vec<PromptFault>> {
        let mut languages = HashMap::new();
        let mut faults = Vec::new();
        for name in wanted.keys() {
            match source.rules(name) {
                Ok(rules) => {
                    let rules = rules.map(Arc::new);
                    languages.insert(Arc::clone(name), Spoken { rules, ..Spoken::default() });
                }
                Err(fault) => faults.push(fault),
            }
        }
        let usable = wanted.iter().filter(|(language, _)| is_plain_name(language));
        let jobs: Vec<_> =
            usable.flat_map(|(language, ids)| ids.iter().map(move |id| (language, id))).collect();
        for ((language, id), loaded) in jobs.iter().zip(side_by_side(source, &jobs, wideband, progress)) {
            match (loaded, languages.get_mut(*language)) {
                (Ok(prompt), Some(spoken)) => drop(spoken.prompts.insert((*id).clone(), Arc::new(prompt))),
                (Ok(_), None) => {}
                (Err(fault), _) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self { languages }) } else { Err(faults) }
    }

    /// The prompt of this name in this language, if it was among those loaded.
    pub fn prompt(&self, language: &str, id: &PromptId) -> Option<Arc<Prompt>> {
        self.languages.get(language)?.prompts.get(id).cloned()
    }

    /// The rules of a language for values, where it was loaded and has any.
    pub fn language(&self, language: &str) -> Option<&Arc<Language>> {
        self.languages.get(language)?.rules.as_ref()
    }

    /// How many prompts were loaded.
    pub fn len(&self) -> usize {
        self.languages.values().map(|spoken| spoken.prompts.len()).sum()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Loads recordings on all processors, each by whoever is free; in the order of their names all the same.
fn side_by_side(
    source: &Source,
    jobs: &[(&Arc<str>, &PromptId)],
    wideband: Wideband,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Vec<Result<Prompt, PromptFault>> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut resampler = Resampler::default();
        let mine = std::iter::from_fn(|| {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let (language, id) = jobs.get(place)?;
            let prompt = source.prompt(language, id.as_str(), wideband, &mut resampler);
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, jobs.len());
            Some((place, prompt))
        });
        mine.collect::<Vec<_>>()
    };
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get).min(jobs.len());
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
    /// The rules of a language for values, as a folder has them, or else as they come with the program; there may be
    /// none, and then it can say recordings only.
    ///
    /// # Errors
    /// Where the language has no usable name, or its rules have faults.
    pub fn rules(&self, language: &str) -> Result<Option<Language>, PromptFault> {
        if !is_plain_name(language) {
            return Err(PromptFault::Name(language.to_owned()));
        }
        let relative = format!("{language}/{RULES}");
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let (source, read) = match self.bytes(&relative) {
            Err(error) if is_missing(&error) => (&Self::Embedded, Self::Embedded.bytes(&relative)),
            read => (self, read),
        };
        let path = source.path(&relative);
        let bytes = match read {
            Ok(bytes) if bytes.len() > RULES_BYTES_MAX => Err(io::ErrorKind::FileTooLarge.into()),
            Err(error) if is_missing(&error) => return Ok(None),
            read => read,
        };
        let text = bytes.and_then(|bytes| {
            String::from_utf8(bytes.into_owned())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        });
        match text.map(|text| Language::parse(&text)) {
            Ok(Ok(language)) => Ok(Some(language)),
            Ok(Err(faults)) => Err(PromptFault::Rules { path, faults }),
            Err(error) => Err(PromptFault::Unreadable { path, error }),
        }
    }

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
        let recording = read.map_err(|fault| PromptFault::Unusable { path, fault })?;
        Ok(encode(recording, wideband, resampler))
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

impl Prompt {
    /// Makes a prompt of a whole recording's octets, as those of a library are made.
    ///
    /// # Errors
    /// Where it cannot be played.
    pub fn read(octets: &[u8], wideband: Wideband) -> Result<Self, RecordingFault> {
        Ok(encode(recording::read(octets)?, wideband, &mut Resampler::default()))
    }
}

/// Levels a recording, brings it to the rates of the codecs and encodes it.
fn encode(mut recording: Recording, wideband: Wideband, resampler: &mut Resampler) -> Prompt {
    loudness::level(&mut recording);
    let narrow = resampler.convert(&recording, SAMPLE_RATE);
    let wide = (wideband != Wideband::Unused).then(|| resampler.convert(&recording, WIDE_RATE));
    let prompt = Prompt::new(&narrow, wide.as_deref());
    match wide.filter(|_| wideband == Wideband::WithOpus) {
        Some(wide) => prompt.with_opus(&wide),
        None => prompt,
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
        let prompt = |language: &str, id: &str| library.prompt(language, &PromptId::new(id));
        assert_eq!(prompt("en", "welcome").expect("it was loaded").len(), 800);
        assert!(prompt("en", "goodbye").is_none());
        assert!(prompt("de", "welcome").is_none());
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
            let length = library.prompt("en", &PromptId::new(id)).expect("it was loaded").len();
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

    fn wanted(language: &str, ids: &[&str]) -> (Arc<str>, BTreeSet<PromptId>) {
        (language.into(), ids.iter().map(|id| PromptId::new(*id)).collect())
    }

    #[test]
    fn several_languages_are_loaded_side_by_side_and_progress_is_told() {
        let wanted = Wanted::from([wanted("de", &["greeting", "digit-1"]), wanted("en", &["greeting"])]);
        let told = std::sync::Mutex::new(Vec::new());
        let progress = |done, total| told.lock().expect("nobody panicked").push((done, total));
        let library = Library::load_all(&Source::Embedded, &wanted, Wideband::Unused, &progress)
            .expect("they are shipped");
        assert_eq!(library.len(), 3);
        let greeting = |language: &str| library.prompt(language, &PromptId::new("greeting"));
        assert_ne!(greeting("de"), greeting("en"));
        assert!(library.prompt("en", &PromptId::new("digit-1")).is_none());
        assert_eq!(library.language("de").expect("it has rules").name(), "Deutsch");
        assert_eq!(library.language("en").expect("it has rules").name(), "English");
        assert!(library.language("fr").is_none());
        let mut told = told.into_inner().expect("nobody panicked");
        told.sort_unstable();
        assert_eq!(told, [(1, 3), (2, 3), (3, 3)]);
    }

    #[test]
    fn a_language_is_added_by_adding_files() {
        let folder = Folder::new("added");
        let language = folder.0.join("fr");
        std::fs::create_dir_all(&language).expect("the folder is writable");
        std::fs::write(language.join("un.wav"), wav::tests::pcm(8000, 1, &[100; 160])).expect("writable");
        let rules = |text: &str| std::fs::write(language.join("rules.toml"), text).expect("writable");
        rules("name = \"Français\"\n[numbers.cardinal]\n1 = \"un\"\n");
        let load = || Library::load(&folder.source(), "fr", ["un"], Wideband::Unused);
        let library = load().expect("both are good");
        let saying = crate::say::Kind::Number.read("1").expect("a number");
        let said = library.language("fr").expect("it has rules").say(&saying);
        assert_eq!(said, Ok(vec![crate::say::Piece::Prompt(PromptId::new("un"))]));

        rules("[numbers.cardinal]\n1 = \"<<\"\n2 = 3\n");
        let faults = load().expect_err("the rules are not right");
        let told = faults[0].to_string();
        assert!(told.contains("fr/rules.toml: line 2: `<<` has nothing"), "{told}");
        assert!(told.contains("line 3: `2` should be a text"), "{told}");
        rules(&"#".repeat(RULES_BYTES_MAX + 1));
        let faults = load().expect_err("it is too large");
        assert!(faults[0].to_string().contains("too large"), "{}", faults[0]);
    }

    #[test]
    fn a_folder_of_ones_own_recordings_is_said_by_the_shipped_rules() {
        let folder = Folder::new("own");
        folder.write("welcome", &wav::tests::pcm(16_000, 1, &[100; 1600]));
        let library = Library::load(&folder.source(), "en", ["welcome"], Wideband::Unused).expect("good");
        assert_eq!(library.language("en").expect("it has rules").name(), "English");
        let recordings_only =
            Library::load(&folder.source(), "xx", [], Wideband::Unused).expect("nothing lacks");
        assert!(recordings_only.language("xx").is_none() && recordings_only.is_empty());
    }
}
