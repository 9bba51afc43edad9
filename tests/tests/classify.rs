//! What an error says of itself reaches the event and the span.

use std::fmt::{self, Display};

use obs_runtime::testing::{Captured, capture};
use obs_runtime::{Classify, Level, observed};

#[derive(Debug, Classify)]
enum StoreError {
    #[classify(level = "debug", kind = "conflict")]
    Conflict,
    Full,
}

#[derive(Debug, Classify)]
#[classify(level = "info")]
#[allow(dead_code)]
enum CreateError {
    #[classify(level = "warn", kind = "quota")]
    Quota {
        used: u32,
    },
    #[classify(transparent)]
    Store(StoreError),
    #[classify(transparent)]
    Io {
        path: &'static str,
        source: std::io::Error,
    },
    #[classify(kind = "told")]
    Told(u8, u8),
    Silent,
}

impl Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not created")
    }
}

#[observed]
fn create(error: CreateError) -> Result<(), CreateError> {
    Err(error)
}

/// `level kind`, of the error's event; the span must say the same kind.
fn told<T>(seen: &Captured<T>) -> String {
    let event = seen.logs().iter().find(|line| line["error"].is_string()).expect("an error event");
    let span = seen.spans().last().expect("a span");
    assert_eq!(span.fields.get("error.type"), Some(&event["error.type"]));
    let text = |name: &str| event[name].as_str().unwrap_or_default().replace("classify::", "");
    format!("{} {}", text("level"), text("error.type"))
}

#[test]
fn each_variant_has_its_level_and_kind() {
    let by = |error| told(&capture(|| create(error)));
    assert_eq!(by(CreateError::Quota { used: 1 }), "warn quota");
    assert_eq!(by(CreateError::Told(1, 2)), "info told");
    assert_eq!(by(CreateError::Silent), "info CreateError");
}

#[test]
fn a_transparent_variant_is_what_its_source_is() {
    let by = |error| told(&capture(|| create(error)));
    assert_eq!(by(CreateError::Store(StoreError::Conflict)), "debug conflict");
    assert_eq!(by(CreateError::Store(StoreError::Full)), "error StoreError");
    let source = std::io::Error::other("broken");
    assert_eq!(by(CreateError::Io { path: "/", source }), "error std::io::error::Error");
}

#[test]
fn the_attribute_decides_over_the_error() {
    #[observed(err = "error")]
    fn louder() -> Result<(), StoreError> {
        Err(StoreError::Conflict)
    }
    #[observed(err = off)]
    fn silent() -> Result<(), StoreError> {
        Err(StoreError::Conflict)
    }
    assert_eq!(told(&capture(louder)), "error conflict");
    let seen = capture(silent);
    assert!(!seen.logs().iter().any(|line| line["error"].is_string()));
    assert_eq!(seen.span("silent").fields.get("error.type"), Some(&"conflict".into()));
}

#[test]
fn errors_behind_pointers_in_structs_and_of_generics_are_classified() {
    #[derive(Debug, Classify)]
    #[classify(kind = "gone")]
    struct Gone;

    #[derive(Debug, Classify)]
    #[classify(transparent)]
    struct Wrapped<E: Classify>(E);

    #[observed]
    fn boxed() -> Result<(), Box<Gone>> {
        Err(Box::new(Gone))
    }
    #[observed]
    fn wrapped() -> Result<(), Wrapped<StoreError>> {
        Err(Wrapped(StoreError::Conflict))
    }
    #[observed]
    fn generic<E: Classify + fmt::Debug>(error: E) -> Result<(), E> {
        Err(error)
    }
    #[observed(err(Debug))]
    fn by_debug() -> Result<(), CreateError> {
        Err(CreateError::Quota { used: 7 })
    }
    assert_eq!(told(&capture(boxed)), "error gone");
    assert_eq!(told(&capture(wrapped)), "debug conflict");
    assert_eq!(told(&capture(|| generic(StoreError::Conflict))), "debug conflict");
    let seen = capture(by_debug);
    assert_eq!(told(&seen), "warn quota");
    assert_eq!(seen.logs()[0]["error"], "Quota { used: 7 }");
}

#[test]
fn the_level_of_an_error_that_is_passed_on_is_that_of_its_origin() {
    #[observed]
    fn outer() -> Result<(), CreateError> {
        create(CreateError::Quota { used: 1 })
    }
    let seen = capture(outer);
    assert_eq!(seen.logs().iter().filter(|line| line["error"].is_string()).count(), 1);
    assert_eq!(told(&seen), "warn quota");
}

#[test]
fn a_class_written_by_hand_counts_like_a_derived_one() {
    struct Mine;
    impl Classify for Mine {
        fn level(&self) -> Level {
            Level::INFO
        }
    }
    #[observed]
    fn mine() -> Result<(), Mine> {
        Err(Mine)
    }
    let seen = capture(mine);
    assert_eq!(seen.logs()[0]["level"], "info");
    assert!(seen.logs()[0]["error.type"].as_str().is_some_and(|kind| kind.ends_with("::Mine")));
}

mod facade {
    pub(crate) use obs_runtime as obs;
}

#[test]
fn a_facade_says_where_the_runtime_is() {
    #[derive(Classify)]
    #[classify(kind = "far", crate = facade::obs)]
    struct Far;
    assert_eq!(Far.kind(), "far");
    #[derive(Classify)]
    enum Never {}
    assert_eq!(size_of::<Never>(), 0);
}
