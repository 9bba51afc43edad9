//! `#[observed]` beside the attributes of other crates, in either order.

use async_trait::async_trait;
use axum::extract::{Path, State};
use http::StatusCode;
use obs_runtime::testing::{capture, capture_async};
use obs_runtime::{Ended, observed, record};
use tower::ServiceExt as _;

/// What async-trait makes of the methods below has the same signature whether they are observed or not.
#[async_trait]
trait Store: Send + Sync {
    async fn get(&self, key: &str) -> Result<usize, String>;

    #[observed(key, late(found))]
    async fn or_zero(&self, key: &str) -> usize {
        let value = self.get(key).await.ok();
        record!(found = value.is_some());
        value.unwrap_or(0)
    }
}

struct Memory;

#[async_trait]
impl Store for Memory {
    #[observed(key)]
    async fn get(&self, key: &str) -> Result<usize, String> {
        tokio::task::yield_now().await;
        if key.is_empty() { Err("no key".to_owned()) } else { Ok(key.len()) }
    }
}

struct Below;

#[observed(key)]
#[async_trait]
impl Store for Below {
    async fn get(&self, key: &str) -> Result<usize, String> {
        tokio::task::yield_now().await;
        Ok(key.len())
    }
}

struct Above;

#[async_trait]
#[observed(key)]
impl Store for Above {
    async fn get(&self, key: &str) -> Result<usize, String> {
        tokio::task::yield_now().await;
        Ok(key.len())
    }
}

#[async_trait(?Send)]
trait Local {
    async fn count(&self, shared: std::rc::Rc<u8>) -> u8;
}

#[async_trait(?Send)]
impl Local for Memory {
    #[observed(%shared)]
    async fn count(&self, shared: std::rc::Rc<u8>) -> u8 {
        tokio::task::yield_now().await;
        *shared
    }
}

#[tokio::test]
async fn methods_of_async_trait_are_observed_in_every_order() {
    let seen = capture_async(async {
        let stores: [&dyn Store; 3] = [&Memory, &Below, &Above];
        for store in stores {
            assert_eq!(store.or_zero("key").await, 3);
        }
        assert_eq!(Memory.or_zero("").await, 0);
        Memory.count(std::rc::Rc::new(7)).await
    });
    let seen = seen.await;
    assert_eq!(seen.value, 7);
    let names: Vec<&str> = seen.spans().iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["get", "or_zero", "Below::get", "or_zero", "Above::get", "or_zero", "get", "or_zero", "count"]);
    let outcomes = [Some(Ended::Error), Some(Ended::Ok)];
    assert_eq!([seen.spans()[6].outcome, seen.spans()[7].outcome], outcomes);
    assert_eq!(seen.spans()[7].fields.get("found"), Some(&false.into()));
    assert_eq!(seen.spans()[0].parent_id, Some(seen.spans()[1].span_id));
}

#[tokio::test]
async fn a_method_of_async_trait_begins_at_its_first_poll() {
    let seen = capture_async(async { drop(Memory.get("key")) }).await;
    assert_eq!(seen.spans().len(), 0);
}

#[axum::debug_handler]
#[observed(id)]
async fn above(State(prefix): State<&'static str>, Path(id): Path<u32>) -> Result<String, StatusCode> {
    if id == 0 { Err(StatusCode::NOT_FOUND) } else { Ok(format!("{prefix}{id}")) }
}

#[observed(id)]
#[axum::debug_handler]
async fn below(State(prefix): State<&'static str>, Path(id): Path<u32>) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, format!("{prefix}{id}"))
}

#[observed]
async fn plain(Path(id): Path<u32>, body: String) -> impl axum::response::IntoResponse {
    format!("{id}{body}")
}

#[tokio::test]
async fn handlers_of_axum_are_observed_and_their_status_is_the_outcome() {
    let router = axum::Router::new()
        .route("/above/{id}", axum::routing::get(above))
        .route("/below/{id}", axum::routing::get(below))
        .route("/plain/{id}", axum::routing::get(plain))
        .with_state("agent-");
    let get = |path: &str| {
        let request = http::Request::get(path).body(axum::body::Body::empty()).expect("a request");
        let router = router.clone();
        async move { router.oneshot(request).await.expect("an answer").status().as_u16() }
    };
    let seen = capture_async(async {
        [get("/above/1").await, get("/above/0").await, get("/below/1").await, get("/plain/1").await]
    });
    let seen = seen.await;
    assert_eq!(seen.value, [200, 404, 502, 200]);
    let outcomes: Vec<_> = seen.spans().iter().map(|span| span.outcome.expect("an outcome").as_str()).collect();
    assert_eq!(outcomes, ["ok", "error", "error", "ok"]);
    assert_eq!(seen.spans()[0].fields.get("id"), Some(&1.into()));
}

mod mains {
    use super::*;

    #[tokio::main(flavor = "current_thread")]
    #[observed(name = "below_main")]
    async fn above_main() -> Result<u8, String> {
        tokio::task::yield_now().await;
        Err("failed".to_owned())
    }

    #[observed]
    #[tokio::main(flavor = "current_thread")]
    async fn below_main() -> Result<u8, String> {
        tokio::task::yield_now().await;
        Ok(1)
    }

    #[test]
    fn a_main_of_tokio_is_observed_in_either_order() {
        assert_eq!(capture(above_main).spans()[0].outcome, Some(Ended::Error));
        assert_eq!(capture(below_main).spans()[0].outcome, Some(Ended::Ok));
    }
}

/// Made by a macro that hands everything on, with `$self` from outside.
macro_rules! methods {
    ($ty:ident, $($(#[$attr:meta])* $vis:vis fn $name:ident(&$this:ident, $argument:ident: $argument_ty:ty) -> $ret:ty $body:block)*) => {
        impl $ty {
            $($(#[$attr])* $vis fn $name(&$this, $argument: $argument_ty) -> $ret $body)*
        }
    };
}

struct Shelf(u32);

methods! { Shelf,
    #[observed(size = self.0, by)]
    #[must_use]
    #[inline]
    pub(crate) fn times(&self, by: u32) -> u32 {
        self.0 * by
    }

    #[observed(?by)]
    fn checked(&self, by: Option<u32>) -> Option<u32> {
        let by = by?;
        self.0.checked_mul(by)
    }
}

#[test]
fn methods_that_a_macro_made_are_observed() {
    let seen = capture(|| (Shelf(2).times(3), Shelf(2).checked(None)));
    assert_eq!(seen.value, (6, None));
    assert_eq!(seen.span("times").fields.get("size"), Some(&2.into()));
    assert_eq!(seen.span("checked").fields.get("by"), Some(&"None".into()));
}
