//! The `portero` program: see `portero::cli`.

fn main() {}
