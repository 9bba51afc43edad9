//! Helpers of the behaviour tests.

use std::env;
use std::path::PathBuf;

/// The program `name`, if it is on this machine. If not, the test that asks says so and passes, except where
/// `OBS_REQUIRE_ENGINES=1` says that it must be there.
///
/// # Panics
///
/// If the program is not there and must be.
#[must_use]
pub fn engine(name: &str) -> Option<PathBuf> {
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|dir| dir.join(name)).find(|path| path.is_file());
    if found.is_none() {
        assert!(env::var_os("OBS_REQUIRE_ENGINES").is_none_or(|value| value != "1"), "{name} is not on the PATH");
        println!("skipped: {name} not found");
    }
    found
}
