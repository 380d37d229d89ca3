//! argon2 alone: what a log-in can't cost less than. The same parameters as the daemon's, in memory that is allocated once.
//!
//!     cargo run --release --example argon2 -- 100      # so many hashes

use argon2::{Algorithm, Argon2, Block, Params, Version};
use messengerd::config::Settings;
use nix::time::{ClockId, clock_gettime};
use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

fn main() -> Result<(), Box<dyn Error>> {
    let hashes: u32 = std::env::args().nth(1).map_or(Ok(100), |count| count.parse())?;
    let auth = Settings::default().auth;
    let memory_kib = u32::try_from(auth.argon2_memory / 1024)?;
    let params = Params::new(memory_kib, auth.argon2_iterations, auth.argon2_lanes, None)?;
    let mut blocks = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = || -> Result<(), argon2::Error> {
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        argon2.hash_password_into_with_memory(b"secret-word", b"sixteen bytes...", &mut output, &mut blocks)?;
        black_box(output);
        Ok(())
    };
    // The first finds memory that was never touched.
    hash()?;
    let before = cpu()?;
    for _ in 0..hashes {
        hash()?;
    }
    let each = cpu()?.saturating_sub(before).as_secs_f64() * 1000.0 / f64::from(hashes.max(1));
    println!("{{\"hashes\": {hashes}, \"cpu_ms_per_hash\": {each:.3}}}");
    Ok(())
}

/// What the process has taken so far.
fn cpu() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map(Duration::from)
}
