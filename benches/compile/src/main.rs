//! Compiles many functions that return a `Result`, half of them async: plain, `#[observed]`, and `#[tracing::instrument(err)]`.
//!
//! `cargo run -p compile -- [rounds]`. Only the crate with the functions is built anew and timed; what it depends on is there. The
//! three sides take turns in every round. Bytes are those of the section `.text`, as the slope between 250 and 500 functions, so that
//! neither `main` nor the runtime counts.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use std::{env, fs, io};

const SIDES: [&str; 3] = ["plain", "observed", "instrument"];

fn main() -> io::Result<()> {
    let rounds = env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(3);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/compile");
    workspace(&root)?;

    println!("Seconds: the least of all rounds, and in brackets those of all processors together.\n");
    println!("| | dev | release | check of 2,000 | `.text` bytes a function |");
    println!("|---|---:|---:|---:|---:|");
    let mut texts = Vec::new();
    let mut table = Vec::new();
    for side in SIDES {
        // Once without a clock: for what they depend on.
        for (name, command) in [("500", "build"), ("250", "build"), ("2000", "check")] {
            cargo(&root, side, name, command, false);
            if command == "build" {
                cargo(&root, side, name, command, true);
            }
        }
        let text = |name| text_bytes(&root.join("target/release").join(format!("{side}_{name}")));
        texts.push((text("500") - text("250")) / 250.0);
        table.push([Vec::new(), Vec::new(), Vec::new()]);
    }
    for _ in 0..rounds {
        for (side, row) in SIDES.iter().zip(&mut table) {
            row[0].push(cargo(&root, side, "500", "build", false));
            row[1].push(cargo(&root, side, "500", "build", true));
            row[2].push(cargo(&root, side, "2000", "check", false));
        }
    }
    for ((side, row), text) in SIDES.iter().zip(table).zip(&texts) {
        let mut cells = String::new();
        for builds in row {
            let least = |of: fn(&Took) -> f64| builds.iter().map(of).fold(f64::INFINITY, f64::min);
            write!(cells, " {:.1} ({:.1}) |", least(|took| took.wall), least(|took| took.processor))
                .expect("a string takes it");
        }
        println!("| {side} |{cells} {:.0} |", text - texts[0]);
    }
    Ok(())
}

/// What a build took, in seconds.
#[derive(Clone, Copy)]
struct Took {
    wall: f64,
    /// Of all processes together: what a busy machine does not change much.
    processor: f64,
}

/// Builds one crate anew, and says what that took.
fn cargo(root: &Path, side: &str, name: &str, command: &str, release: bool) -> Took {
    let package = format!("{side}_{name}");
    let source = root.join(&package).join("src/main.rs");
    // Newer than what was built of it.
    let text = fs::read(&source).expect("the source");
    fs::write(&source, text).expect("the source");
    let release = if release { "--release" } else { "" };
    let script = format!("cargo {command} --quiet --offline {release} -p {package} && times");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(root).env("CARGO_INCREMENTAL", "0");
    shell.env("CARGO_TARGET_DIR", root.join("target"));
    let begun = Instant::now();
    let output = shell.output().expect("a shell");
    let wall = begun.elapsed().as_secs_f64();
    assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
    // The second line is the children's: `0m1.234s 0m0.100s`.
    let text = String::from_utf8_lossy(&output.stdout);
    let processor = text.lines().nth(1).unwrap_or_default().split(' ').filter_map(seconds).sum();
    Took { wall, processor }
}

fn seconds(text: &str) -> Option<f64> {
    let (minutes, seconds) = text.trim_end_matches('s').split_once('m')?;
    Some(minutes.parse::<f64>().ok()? * 60.0 + seconds.parse::<f64>().ok()?)
}

/// The size of `.text`, as `size -A` of the binutils prints it.
fn text_bytes(program: &PathBuf) -> f64 {
    let output = Command::new("size").arg("-A").arg(program).output().expect("`size` of the binutils");
    let output = String::from_utf8_lossy(&output.stdout);
    let line = output.lines().find(|line| line.starts_with(".text")).expect("a section .text");
    line.split_whitespace().nth(1).and_then(|size| size.parse().ok()).expect("a size")
}

/// Writes a workspace with a crate for each side and size.
fn workspace(root: &Path) -> io::Result<()> {
    let mut members = Vec::new();
    for side in SIDES {
        for count in [250, 500, 2000] {
            let name = format!("{side}_{count}");
            let folder = root.join(&name);
            fs::create_dir_all(folder.join("src"))?;
            let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../obs-runtime");
            let dependency = match side {
                "observed" => format!("obs-runtime = {{ path = {:?}, default-features = false }}", runtime),
                "instrument" => {
                    "tracing = { version = \"0.1\", default-features = false, features = [\"std\", \"attributes\"] }"
                        .to_owned()
                }
                _ => String::new(),
            };
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[dependencies]\n{dependency}\n"
            );
            fs::write(folder.join("Cargo.toml"), manifest)?;
            fs::write(folder.join("src/main.rs"), functions(side, count))?;
            members.push(name);
        }
    }
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fs::copy(lock, root.join("Cargo.lock"))?;
    let profile = "[profile.release]\nopt-level = 3\ncodegen-units = 16\n";
    fs::write(root.join("Cargo.toml"), format!("[workspace]\nresolver = \"3\"\nmembers = {members:?}\n{profile}"))
}

fn functions(side: &str, count: usize) -> String {
    let attribute = match side {
        "observed" => "#[obs_runtime::observed(agent_id, user_id)]",
        "instrument" => "#[tracing::instrument(skip_all, fields(agent_id = %agent_id, user_id = %user_id), err)]",
        _ => "",
    };
    let mut text = String::from(PRELUDE);
    let mut calls = String::new();
    for i in 0..count {
        let asyncness = if i % 2 == 1 { "async " } else { "" };
        write!(
            text,
            "{attribute}\npub {asyncness}fn f{i}(agent_id: &Id, user_id: &Id) -> Result<u64, Failure> {{
    let n = (agent_id.0.len() as u64).wrapping_mul({}) ^ user_id.0.len() as u64;
    if n == {} {{
        return Err(Failure({i}));
    }}
    Ok(n)
}}\n",
            i + 3,
            i * 7 + 1_000_003
        )
        .expect("a string takes it");
        let call = if i % 2 == 1 { format!("block(f{i}(&a, &u))") } else { format!("f{i}(&a, &u)") };
        writeln!(calls, "    if let Ok(n) = {call} {{ sum ^= n; }}").expect("a string takes it");
    }
    format!("{text}\n{MAIN}{calls}    println!(\"{{sum}}\");\n}}\n")
}

const PRELUDE: &str = "use std::fmt;

pub struct Id(pub String);
impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug)]
pub struct Failure(pub u32);
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, \"failure {}\", self.0)
    }
}
impl std::error::Error for Failure {}

fn block<F: std::future::Future>(future: F) -> F::Output {
    let mut future = Box::pin(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
}
";

const MAIN: &str = "fn main() {
    let a = Id(std::env::args().next().unwrap());
    let u = Id(std::env::args().last().unwrap());
    let mut sum = 0u64;
";
