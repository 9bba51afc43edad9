//! The pages that rustdoc makes of observed items are those of their plain twins.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The runtime as this test was built with it: the newest that lies beside it.
fn runtime(deps: &Path) -> PathBuf {
    let files = fs::read_dir(deps).unwrap().map(|file| file.unwrap().path());
    let built = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libobs_runtime-") && name.ends_with(".rlib")
    });
    built.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).expect("the runtime")
}

/// Every page of the crate, by its path.
fn pages(name: &str, cfg: &[&str]) -> BTreeMap<PathBuf, String> {
    let program = env::current_exe().unwrap();
    let deps = program.parent().unwrap();
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&out);
    let rustdoc = env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
    let mut external = std::ffi::OsString::from("obs_runtime=");
    external.push(runtime(deps));
    let mut dependency = std::ffi::OsString::from("dependency=");
    dependency.push(deps);
    let output = Command::new(rustdoc)
        .args(["--crate-name", "documented", "--edition", "2024", "-Dwarnings", "--check-cfg", "cfg(observed)"])
        .args(cfg)
        .arg("--extern")
        .arg(external)
        .arg("-L")
        .arg(dependency)
        .arg("-o")
        .arg(&out)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("documented/items.rs"))
        .output()
        .expect("rustdoc runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut pages = BTreeMap::new();
    read(&out.join("documented"), &mut pages);
    pages.into_iter().map(|(path, text)| (path.strip_prefix(&out).unwrap().to_owned(), text)).collect()
}

fn read(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(&path, pages);
        } else {
            pages.insert(path.clone(), fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn the_page_of_an_observed_item_is_that_of_its_plain_twin() {
    let plain = pages("plain", &[]);
    let observed = pages("observed", &["--cfg", "observed"]);
    assert!(plain.len() > 8, "{:?}", plain.keys());
    assert!(plain.contains_key(Path::new("documented/fn.create.html")));
    assert!(plain.keys().eq(observed.keys()), "{:?}", observed.keys());
    for (path, text) in &plain {
        assert_eq!(text, &observed[path], "{}", path.display());
    }
}
