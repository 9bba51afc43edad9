//! Expansions, pinned: `testdata/<macro>/<fact>.rs` against `<fact>.expanded` beside it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expect_test::expect_file;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};

type Attribute = fn(TokenStream, TokenStream) -> syn::Result<TokenStream>;

/// The files of a folder below `testdata`, in order.
pub(crate) fn inputs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no snapshots in {}", folder.display());
    files
}

/// The text of `tokens`, laid out by rustfmt; `None` where there is no rustfmt.
fn formatted(tokens: &str) -> Option<String> {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "max_width=100,use_small_heuristics=Default"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    rustfmt.stdin.take()?.write_all(tokens.as_bytes()).ok()?;
    let output = rustfmt.wait_with_output().ok()?;
    assert!(output.status.success(), "rustfmt refuses:\n{tokens}");
    String::from_utf8(output.stdout).ok()
}

/// Compares, or writes under `UPDATE_EXPECT=1`.
fn compare(input: &Path, expanded: &str) {
    match formatted(expanded) {
        Some(text) => expect_file![input.with_extension("expanded")].assert_eq(&text),
        None => println!("skipped: rustfmt not found"),
    }
}

/// Expands the attribute on top of each file of `testdata/<name>`.
fn attribute(name: &str, expand: Attribute) {
    for path in inputs(name) {
        let text = std::fs::read_to_string(&path).expect("the snapshot's input");
        let split = |input: ParseStream<'_>| {
            let mut attrs = input.call(syn::Attribute::parse_outer)?;
            let at = attrs.iter().position(|attr| attr.path().is_ident(name)).expect("the attribute");
            let args = match attrs.remove(at).meta {
                syn::Meta::List(list) => list.tokens,
                _ => TokenStream::new(),
            };
            let rest: TokenStream = input.parse()?;
            Ok((args, quote!(#(#attrs)* #rest)))
        };
        let (args, item) = split.parse_str(&text).expect("Rust");
        let expanded = expand(args, item).expect("an expansion");
        compare(&path, &expanded.to_string());
    }
}

/// Expands the derive on each file of `testdata/<name>`.
fn derive(name: &str, expand: fn(TokenStream) -> syn::Result<TokenStream>) {
    for path in inputs(name) {
        let text = std::fs::read_to_string(&path).expect("the snapshot's input");
        let expanded = expand(text.parse().expect("tokens")).expect("an expansion");
        compare(&path, &expanded.to_string());
    }
}

#[test]
fn classify() {
    derive("classify", crate::classify::expand);
}

#[test]
fn metric_set() {
    derive("metric_set", crate::metric_set::expand);
}

#[test]
fn label_set() {
    derive("label_set", crate::label_set::expand);
}

#[test]
fn label_value() {
    derive("label_value", crate::label_value::expand);
}

#[test]
fn state_machine() {
    derive("state_machine", crate::state_machine::expand);
}

#[test]
fn carrier() {
    derive("carrier", crate::carrier::expand);
}

#[test]
fn correlated() {
    attribute("correlated", crate::correlated::expand);
}

#[test]
fn observed() {
    attribute("observed", crate::observed::expand);
}

/// Expands the macro in each file of `testdata/<name>`.
fn call(name: &str, expand: fn(TokenStream) -> syn::Result<TokenStream>) {
    for path in inputs(name) {
        let text = std::fs::read_to_string(&path).expect("the snapshot's input");
        let call: syn::ExprMacro = syn::parse_str(text.trim().trim_end_matches(';')).expect("a call");
        let expanded = expand(call.mac.tokens).expect("an expansion").into_token_stream();
        compare(&path, &format!("fn at_the_call() {{ {expanded} }}"));
    }
}

#[test]
fn record() {
    call("record", crate::record::expand);
}

#[test]
fn observe() {
    call("observe", crate::observe::expand);
}

/// Tokens, delimiters counted as one.
fn count(tokens: TokenStream) -> usize {
    let inside = |tree| match tree {
        proc_macro2::TokenTree::Group(group) => 1 + count(group.stream()),
        _ => 1,
    };
    tokens.into_iter().map(inside).sum()
}

/// What thousands of annotations cost to compile goes by their tokens.
#[test]
fn an_expansion_stays_within_its_budget() {
    let added = |args: TokenStream, item: TokenStream| {
        let written = count(item.clone());
        count(crate::observed::expand(args, item).expect("an expansion")) - written
    };
    let sync = quote!(
        fn f(a: &Id, b: &Id) -> Result<u64, Failure> {
            a.get(b)
        }
    );
    let asynchronous = quote!(
        async fn f(a: &Id, b: &Id) -> Result<u64, Failure> {
            a.get(b).await
        }
    );
    let none = added(quote!(), sync.clone());
    assert!(none <= 280, "{none} tokens a function");
    let field = added(quote!(a), sync) - none;
    assert!(field <= 60, "{field} tokens a field");
    // Twice the static and its const: the documentation has the function as it was written.
    let none = added(quote!(), asynchronous);
    assert!(none <= 490, "{none} tokens an async function");
}
