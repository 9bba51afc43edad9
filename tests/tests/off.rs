//! `--cfg obs_off` leaves nothing of the annotations.

use std::path::Path;
use std::process::Command;

#[test]
fn a_build_with_obs_off_has_no_trace_of_the_annotations() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    // A folder of its own: other flags, so nothing of this build can be used again in that one.
    let target = root.join("target/obs_off");
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "-p", "off"])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_ENCODED_RUSTFLAGS", "--cfg\u{1f}obs_off")
        .output()
        .expect("cargo runs");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("off: true"), "{text}");
}
