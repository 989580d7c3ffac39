//! The fuzz targets without a fuzzer: each seed as it is, and spoiled in ways that are always the same.
//!
//! This finds what has become wrong; what nobody has thought of is for the fuzzer to find (fuzz/README.md).

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Spoiled copies of each seed.
const SPOILED: usize = 20;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder().join(target)).expect("every target has seeds");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).expect("readable"))).collect()
}

/// A few octets changed, doubled, left out, or taken from another seed.
fn spoil(seed: &[u8], other: &[u8], rng: &mut StdRng) -> Vec<u8> {
    let mut spoiled = seed.to_vec();
    for _ in 0..rng.random_range(1..5) {
        if spoiled.is_empty() {
            break;
        }
        let at = rng.random_range(0..spoiled.len());
        let end = (at + rng.random_range(1..16)).min(spoiled.len());
        match rng.random_range(0..5) {
            0 => spoiled[at] = rng.random(),
            1 => spoiled[at] = b"\r\n :;,<>@=\"\0"[rng.random_range(0..12)],
            2 => drop(spoiled.drain(at..end)),
            3 => {
                let piece = spoiled[at..end].to_vec();
                spoiled.splice(at..at, piece);
            }
            _ => {
                let from = rng.random_range(0..other.len());
                let piece = &other[from..(from + 16).min(other.len())];
                spoiled.splice(at..at, piece.iter().copied());
            }
        }
    }
    spoiled
}

#[test]
fn every_target_holds_over_its_seeds_and_over_spoiled_ones() {
    for (name, hold) in targets::TARGETS {
        let seeds = seeds(name);
        assert!(seeds.len() >= 4, "{name} has seeds");
        let mut rng = StdRng::seed_from_u64(1);
        for (path, seed) in &seeds {
            println!("{}", path.display());
            hold(seed);
            for _ in 0..SPOILED {
                let (_, other) = &seeds[rng.random_range(0..seeds.len())];
                let spoiled = spoil(seed, other, &mut rng);
                println!("  {}", spoiled.escape_ascii());
                hold(&spoiled);
            }
        }
    }
}

#[test]
fn every_folder_of_seeds_has_its_target() {
    let names: BTreeSet<String> = targets::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folders = std::fs::read_dir(folder()).expect("the seeds");
    let folders: BTreeSet<String> =
        folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(folders, names);
}
