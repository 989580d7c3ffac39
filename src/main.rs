//! The `portero` program. All of it is in `portero::cli`.

/// Wipes whatever is freed: what a caller keyed passes through the buffers of libraries that do not.
#[global_allocator]
static MEMORY: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> std::process::ExitCode {
    portero::cli::run()
}
