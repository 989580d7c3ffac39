//! The `portero` program. All of it is in `portero::cli`.

fn main() -> std::process::ExitCode {
    portero::cli::run()
}
